"""What a claim for one unit says of k units that change together: k reports of one patient, say.

For Poisson-sampled Gaussians the mixture over how many of the k are in the sample (pld.py) gives it
almost exactly; the textbook bound, kε at δ (e^{kε} - 1) / (e^ε - 1), grows exponentially.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from radpriv.benchmark.privacy.accounting import pld
from radpriv.benchmark.privacy.accounting.calibration import certificate, fitted
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError

TOGETHER = (2, 5, 10)
"""Reports of one patient for which a claim for single reports is also worked out."""

LARGEST = 100
"""Units that may change together."""


def check_units(k: int) -> None:
    """PrivacyError where k is no number of units."""
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= LARGEST:
        raise PrivacyError(f"a group of {k!r} units: give a whole number from 1 to {LARGEST}")


def group_certificate(groups: Sequence[Group], delta: float, k: int, near: float) -> float:
    """ε(δ) for k units that are added, or removed, together; `near` is the ε of one unit.

    The worse direction counts. k = 1 is the certificate itself. inf where a step has no noise.
    """
    check_units(k)
    work = tuple(groups)
    if k == 1 or not work or any(g.noise_multiplier == 0 for g in work):
        return certificate(work, delta, near)[0]
    try:
        return fitted(lambda d: _group(work, delta, k, d), work, delta, k * near, k)[0]
    except pld.NoAnswer as reason:
        raise type(reason)(f"{k} units together: PLD has no answer: {reason}") from None
    except OverflowError:
        raise pld.NoAnswer(
            f"{k} units together: PLD has no answer: their loss leaves the range of float64"
        ) from None


@lru_cache(maxsize=256)
def _group(groups: tuple[Group, ...], delta: float, k: int, interval: float) -> float:
    return pld.epsilon(groups, delta, interval, k)


def generic_bound(epsilon: float, delta: float, k: int) -> tuple[float, float]:
    """(kε, δ (e^{kε} - 1) / (e^ε - 1)): what any (ε, δ)-DP mechanism gives a group of k.

    Vadhan 2017, "The complexity of differential privacy", Lemma 2.2. δ is at most 1.
    """
    if epsilon == 0:
        return 0.0, min(1.0, k * delta)
    try:
        factor = math.expm1(k * epsilon) / math.expm1(epsilon)
    except OverflowError:
        factor = math.inf
    return k * epsilon, min(1.0, delta * factor)
