"""What stands in the place of the noise while a method is replayed.

Recorder(key)              makes the noise as ever, and keeps each exact value
Player(recording, units)   answers with what was recorded, and measures how far the neighbour is
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from radpriv.benchmark.privacy.bounded import Bounded, Declared
from radpriv.benchmark.privacy.release import Noised, Place, live

ROUNDING = 1e-9
"""Relative; what float64 adds to a distance that equals the bound exactly."""

DECLARED_ROUNDING = 1e-6
"""The same where a theorem gives the bound: it speaks of vectors of norm 1, and what was made so in
float32 has 1 + 1e-7. It moves an ε by as little."""


@dataclass(frozen=True)
class RecordedRelease:
    """One release as it was made. value: exact, float64 tensors by name.

    declared: whether a theorem gives its bound; otherwise it is a clipped sum.
    """

    place: Place
    sensitivity: float
    noise_multiplier: float
    value: Mapping[str, Tensor] = field(repr=False)
    noised: Noised = field(repr=False)
    declared: bool = False

    def __str__(self) -> str:
        return f"'{self.place.name}' of step {self.place.step}"


@dataclass(frozen=True)
class ReplayDifference:
    """What the neighbour showed at one release: distance / declared sensitivity, a unit."""

    made: RecordedRelease
    ratio: float

    @property
    def bounded(self) -> bool:
        return self.ratio <= 1 + (DECLARED_ROUNDING if self.made.declared else ROUNDING)


class Departed(Exception):
    """The neighbour's run asked for something else than the recorded one: what, in words."""


class Recorder:
    """A releaser that notes exact values and what became of them."""

    def __init__(self, key: bytes) -> None:
        self._live = live(key)
        self.made: list[RecordedRelease] = []

    def __call__(self, place: Place, value: Bounded, sigma: float) -> Noised:
        noised = self._live(place, value, sigma)
        kept = Noised(_copy(noised.tensors))  # a method may change what it was given in place
        exact, declared = _copy(value.tensors), isinstance(value, Declared)
        self.made.append(RecordedRelease(place, value.sensitivity, sigma, exact, kept, declared))
        return noised


class Player:
    """A releaser that measures the distance to a recording, and answers with its outputs.

    units: how many make the difference; each may move a value by the declared sensitivity.
    values: the exact values of the neighbour, in the order of the recording.
    """

    def __init__(self, recording: Sequence[RecordedRelease], units: int = 1) -> None:
        self._recording, self._units = recording, units
        self.differences: list[ReplayDifference] = []
        self.values: list[dict[str, Tensor]] = []
        self.departed = ""

    def __call__(self, place: Place, value: Bounded, sigma: float) -> Noised:
        index = len(self.differences)
        if index >= len(self._recording):
            self._depart(f"one more release: '{place.name}' of step {place.step}")
        made = self._recording[index]
        for what, here, there in (
            ("step", place.step, made.place.step),
            ("name", place.name, made.place.name),
            ("sampling rate", place.rate, made.place.rate),
            ("noise multiplier", sigma, made.noise_multiplier),
            ("declared sensitivity", value.sensitivity, made.sensitivity),
            ("tensors", _shapes(value.tensors), _shapes(made.value)),
        ):
            if here != there:
                self._depart(f"another {what} at release {made}: {here}, not {there}")
        square = sum(float((value.tensors[n] - t).square().sum()) for n, t in made.value.items())
        ratio = math.sqrt(square) / made.sensitivity / self._units
        self.differences.append(ReplayDifference(made, ratio))
        self.values.append(_copy(value.tensors))
        return Noised(_copy(made.noised.tensors))

    def _depart(self, how: str) -> None:
        self.departed = self.departed or how  # kept: a method may swallow the exception
        raise Departed(self.departed)


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.detach().clone() for n, t in tensors.items()}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in sorted(tensors.items())}
