"""A line of the ledger, and steps that were grouped: what everybody recomputes ε from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from radpriv.benchmark.ranges import Count, NonNegative, Positive, PositiveCount, Rate
from radpriv.benchmark.strict import file_format
from radpriv.errors import PrivacyError


@file_format
@dataclass(frozen=True)
class Release:
    """One noised output. noise_multiplier: noise standard deviation ÷ sensitivity.

    sensitivity: largest L2 change that one unit can make (add or remove). rate: inclusion
    probability of the sample, 1 for none. sha256: of the noised value, float64 little-endian.
    """

    step: Count
    name: str
    sensitivity: Positive
    noise_multiplier: NonNegative
    rate: Rate
    sha256: str

    def __post_init__(self) -> None:
        numbers = (self.sensitivity, self.noise_multiplier, self.rate)
        if any(isinstance(x, bool) or not isinstance(x, int | float) for x in numbers):
            raise PrivacyError("ledger: sensitivity, noise_multiplier and rate must be numbers")
        if not (math.isfinite(self.sensitivity) and self.sensitivity > 0):
            raise PrivacyError(f"ledger: sensitivity {self.sensitivity!r} is not positive, finite")
        if not (math.isfinite(self.noise_multiplier) and self.noise_multiplier >= 0):
            raise PrivacyError(f"ledger: noise multiplier {self.noise_multiplier!r} is not ≥ 0")
        if not 0 < self.rate <= 1:
            raise PrivacyError(f"ledger: rate {self.rate!r} is not in (0, 1]")
        if not isinstance(self.step, int) or isinstance(self.step, bool) or self.step < 0:
            raise PrivacyError(f"ledger: step {self.step!r} is not a count")
        if not isinstance(self.name, str) or not isinstance(self.sha256, str):
            raise PrivacyError("ledger: name and sha256 must be text")


@file_format
@dataclass(frozen=True)
class Group:
    """`steps` equal sampled Gaussian steps."""

    rate: Rate
    noise_multiplier: NonNegative
    steps: PositiveCount


@file_format
@dataclass(frozen=True)
class Declaration:
    """A release whose bound a theorem gives: that of a step, by the name of the release."""

    step: Count
    name: str
    sensitivity: Positive
    source: str
