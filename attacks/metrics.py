"""How well a score tells members from non-members: pure functions on NumPy arrays.

A higher score means "more likely a member"; members are the positive class. Every function takes
`scores`, float (n,), finite, and `member`, bool (n,), with at least one member and one non-member;
anything else is an AttackError that says what to do.

The operating points are those of the rules "score > t" and "score ≥ t": all records of one score
are called alike, so a tie is one step of the curve. Nothing is interpolated and there is no hull:
on the same scores those choices move TPR at 0.1% FPR from 0.003 to 0.011.

    tpr_at_fpr(scores, member, 0.01)   # the best TPR among points whose realised FPR is ≤ 0.01
    auc(scores, member)                # P(member > non-member) + ½ P(equal)
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radpriv.benchmark.store.attack_schema import Interval
from radpriv.errors import AttackError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def checked(scores: ArrayLike, member: ArrayLike) -> tuple[Floats, Bools]:
    """The two columns as float64 (n,) and bool (n,), or an AttackError."""
    s, flags = np.asarray(scores, dtype=np.float64), np.asarray(member)
    if s.ndim != 1 or flags.shape != s.shape:
        raise AttackError(
            f"scores of shape {s.shape} with flags of shape {flags.shape}: "
            "give one score and one membership flag per candidate"
        )
    if flags.dtype != np.bool_:
        raise AttackError(f"membership flags are {flags.dtype}: give booleans, True for a member")
    if bad := int((~np.isfinite(s)).sum()):
        raise AttackError(
            f"{bad} of {s.size} scores are not finite (first at row "
            f"{int(np.flatnonzero(~np.isfinite(s))[0])}): mend the attack, or leave out the run "
            "whose logits are not finite"
        )
    if flags.all() or not flags.any():
        which = "non-members" if flags.any() else "members"
        raise AttackError(
            f"{s.size} candidates, none of them {which}: leakage is undefined; "
            "use a larger audit set or another seed"
        )
    return s, flags


def roc(scores: ArrayLike, member: ArrayLike) -> tuple[Floats, Floats]:
    """(fpr, tpr), float64 (points,), from (0, 0) to (1, 1), one point per distinct score.

    Raises:
        AttackError: the columns do not fit, or one of the two classes is empty.
    """
    s, flags = checked(scores, member)
    values, at = np.unique(-s, return_inverse=True)
    hits = np.bincount(at, weights=flags, minlength=values.size)
    alarms = np.bincount(at, weights=~flags, minlength=values.size)
    tpr = np.concatenate(([0.0], np.cumsum(hits))) / hits.sum()
    fpr = np.concatenate(([0.0], np.cumsum(alarms))) / alarms.sum()
    return fpr, tpr


def auc(scores: ArrayLike, member: ArrayLike) -> float:
    """Area under the curve = Mann–Whitney's statistic over pairs, a tie counting ½.

    Args:
        scores: float (n,), finite; higher means "more likely a member".
        member: bool (n,).

    Raises:
        AttackError: the columns do not fit, or one of the two classes is empty.
    """
    return _placements(*checked(scores, member))[0]


def tpr_at_fpr(scores: ArrayLike, member: ArrayLike, fpr: float) -> float:
    """The largest TPR among operating points whose realised FPR is ≤ `fpr`; never NaN.

    Strict in the sense that the budget of false alarms is never exceeded, not even within a tie:
    where the best score belongs to a non-member and fpr < 1/non-members, the value is 0.

    Raises:
        AttackError: fpr is not in [0, 1], the columns do not fit, or a class is empty.
    """
    if not 0 <= fpr <= 1:
        raise AttackError(f"false-positive rate {fpr!r}: give a number between 0 and 1")
    alarms, hits = roc(scores, member)
    return float(hits[alarms <= fpr].max())


def resolvable(non_members: int, fpr: float) -> bool:
    """Whether TPR at this FPR can be told apart from luck: at least 10/fpr non-members."""
    return fpr > 0 and non_members >= 10 / fpr


def advantage(scores: ArrayLike, member: ArrayLike) -> float:
    """Membership advantage, max (TPR − FPR) over thresholds (Yeom et al. 2018, 1709.01604).

    Chosen on the same records, so above 0 on null data.

    Raises:
        AttackError: the columns do not fit, or one of the two classes is empty.
    """
    alarms, hits = roc(scores, member)
    return float((hits - alarms).max())


def auc_influence(scores: ArrayLike, member: ArrayLike) -> Floats:
    """Each record's share in the error of the AUC, float64 (n,).

    The squares add up to DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988, eqs 4–6), and
    influences of one record in several models may be averaged before squaring. NaN where a class
    has a single record, since its variance is then unknown.
    """
    s, flags = checked(scores, member)
    area, placed = _placements(s, flags)
    sizes = np.where(flags, flags.sum(), (~flags).sum()).astype(np.float64)
    single = sizes < 2
    scale = np.sqrt(np.where(single, 1.0, sizes * (sizes - 1)))
    return np.where(single, np.nan, (placed - area) / scale)


def auc_interval(scores: ArrayLike, member: ArrayLike, confidence: float = 0.95) -> Interval:
    """DeLong's interval for the AUC of one model; its replicates are the records.

    Normal, cut at 0 and 1. Under perfect separation DeLong's variance is 0 and says nothing; the
    interval then comes from min(members, non-members) disjoint pairs, all decided the same way
    (Clopper–Pearson). A class of one record gives [0, 1].

    Raises:
        AttackError: the columns do not fit, or one of the two classes is empty.
    """
    s, flags = checked(scores, member)
    area = auc(s, flags)
    variance = float(np.sum(auc_influence(s, flags) ** 2))
    if math.isnan(variance):
        return Interval(area, 0.0, 1.0, confidence)
    if area in (0.0, 1.0):
        far = ((1 - confidence) / 2) ** (1 / min(int(flags.sum()), int((~flags).sum())))
        return Interval(area, min(area, far), max(area, 1 - far), confidence)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance)
    return Interval(area, max(0.0, area - half), min(1.0, area + half), confidence)


def _placements(s: Floats, flags: Bools) -> tuple[float, Floats]:
    """The AUC, and each record's share of the other class that it beats (ties ½), (n,).

    For a member: the share of non-members below it; for a non-member: of members above it.
    """
    values, at = np.unique(s, return_inverse=True)
    members = np.bincount(at[flags], minlength=values.size)
    others = np.bincount(at[~flags], minlength=values.size)
    below = (np.cumsum(others) - 0.5 * others) / others.sum()
    above = 1.0 - (np.cumsum(members) - 0.5 * members) / members.sum()
    # From whole numbers of half pairs, so that equal data give equal bits in every row order.
    wins = float(np.dot(members, 2 * np.cumsum(others) - others))
    area = wins / (2.0 * float(members.sum()) * float(others.sum()))
    return area, np.where(flags, below[at], above[at])
