"""A lower bound on ε from guesses about independent training runs (Nasr et al. 2021, 2101.04535).

Each run decides one coin: the canary is in or out, and the attack says which. If training is (ε, δ)
private, the rates of "member" among members and non-members obey, for every rule of guessing,

    TPR ≤ e^ε FPR + δ    and, for the opposite guess,    1 − FPR ≤ e^ε (1 − TPR) + δ,

so with the exact limits of Clopper and Pearson (1934), α/2 for each rate,

    ε ≥ max( ln((TPR_low − δ) / FPR_high), ln((1 − FPR_high − δ) / (1 − TPR_low)) ).

Both halves use the same two limits, so taking the larger costs nothing. Canaries of *one* run are
not independent runs: for those there is one_run.py.

    epsilon_lower(Counts(300, 500, 50, 500), delta=1e-5)   # 1.4547
    fewest_runs()                                          # 12: fewer show nothing at 95%
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from radpriv.attacks.metrics import checked
from radpriv.errors import AttackError


@dataclass(frozen=True)
class GuessCounts:
    """Guesses "member": tp of `members` that were, fp of `others` that were not."""

    tp: int
    members: int
    fp: int
    others: int

    def __post_init__(self) -> None:
        if not (0 <= self.tp <= self.members and 0 <= self.fp <= self.others):
            raise AttackError(
                f"{self.tp} of {self.members} and {self.fp} of {self.others}: no counts of guesses"
            )

    def limits(self, confidence: float) -> tuple[float, float]:
        """(TPR_low, FPR_high), each failing with probability at most (1 − confidence)/2."""
        if not 0 < confidence < 1:
            raise AttackError(f"confidence {confidence!r}: give a number between 0 and 1, as 0.95")
        side = (1 - confidence) / 2
        low = 1 - upper(self.members - self.tp, self.members, side)
        return low, upper(self.fp, self.others, side)


def upper(k: int, n: int, alpha: float) -> float:
    """The largest p under which k or fewer of n have a probability of at least alpha."""
    return 1.0 if k >= n else 1 - float(betaincinv(n - k, k + 1, alpha))


def epsilon_lower(counts: GuessCounts, delta: float, confidence: float = 0.95) -> float:
    """The bound above, at least 0; 0 too where a class is empty."""
    if not 0 <= delta < 1:
        raise AttackError(f"delta {delta!r}: give a number in [0, 1)")
    tpr, fpr = counts.limits(confidence)
    return max(0.0, _ratio(tpr - delta, fpr), _ratio(1 - fpr - delta, 1 - tpr))


def ceiling(members: int, others: int, delta: float, confidence: float = 0.95) -> float:
    """The bound with every guess right."""
    return epsilon_lower(GuessCounts(members, members, 0, others), delta, confidence)


def count(scores: ArrayLike, member: ArrayLike, threshold: float) -> GuessCounts:
    """Guess "member" where the score exceeds a threshold that was fixed before; both (runs,)."""
    s, flags = checked(scores, member)
    said = s > threshold
    return GuessCounts(
        int((said & flags).sum()),
        int(flags.sum()),
        int((said & ~flags).sum()),
        int((~flags).sum()),
    )


def best(
    scores: ArrayLike,
    member: ArrayLike,
    delta: float,
    thresholds: Sequence[float],
    confidence: float = 0.95,
) -> tuple[float, float]:
    """(bound, threshold): the best of some thresholds, fixed before, each at α/len (Bonferroni).

    Ties go to the first. A grid that was read off the same scores is no fixed one.
    """
    if not thresholds:
        raise AttackError("no threshold: give at least one, fixed before the scores were seen")
    each = 1 - (1 - confidence) / len(thresholds)
    found = [epsilon_lower(count(scores, member, t), delta, each) for t in thresholds]
    at = int(np.argmax(found))
    return found[at], thresholds[at]


def fewest_runs(delta: float = 0.0, confidence: float = 0.95) -> int:
    """The least number of runs, half of them with the canary, whose ceiling exceeds 0."""
    each = 1
    while ceiling(each, each, delta, confidence) == 0:
        each += 1
    return 2 * each


def _ratio(top: float, bottom: float) -> float:
    if top <= 0:
        return -math.inf
    return math.inf if bottom <= 0 else math.log(top / bottom)
