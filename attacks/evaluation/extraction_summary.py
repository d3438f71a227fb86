"""What leaked of members beside what the same inference gets of others, with an interval.

    rows = extraction_rows({"secret*16": [(values, member), …]})      # one pair per seed

The amount of one candidate says little: guessing gets some of them right. What leaks is the
difference of the means, members minus non-members. Within one model the replicates are candidates
(Welch's t, unequal variances). Over k seeds two errors add up, as for the AUC
(evaluation/summary.py): v, of the candidates, from each one's share in the error averaged over
seeds before squaring, so one that behaves alike in all models counts once; and s²/k, of training.
The interval is the mean ± t times the root of s²/k + v, with Satterthwaite's degrees of freedom.

Where no amount varies, neither among members nor among others, no error can be seen. Of n alike, up
to 1 − 0.025^(1/n) may yet be otherwise (Clopper–Pearson); the interval grants that share of either
side the whole difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from radpriv.attacks import metrics
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.attacks.metrics import Bools, Floats
from radpriv.benchmark.store.attack_schema import Amounts, ExtractedKind, Interval
from radpriv.errors import AttackError

CONFIDENCE = 0.95
Seed = tuple[ArrayLike, ArrayLike]
"""(amount, member), (m,) each, of the same candidates in each seed; NaN: not asked."""


def extraction_rows(kinds: Mapping[str, Sequence[Seed]]) -> tuple[ExtractedKind, ...]:
    """One row per kind, by name: how many, both means, their difference; None below `FEWEST`.

    asked, left_out: candidates with and without an amount.  members, non_members: of those asked,
    in the seed that has the fewest.  Copies of a canary must be one candidate by now.
    """
    return tuple(extraction_row(seeds, kind) for kind, seeds in sorted(kinds.items()))


def extraction_row(seeds: Sequence[Seed], kind: str = "") -> ExtractedKind:
    """The same for one kind; AttackError if a seed has other candidates than another."""
    checked = [_checked(values, member) for values, member in seeds]
    if len({len(values) for values, _ in checked}) != 1:
        raise AttackError("one family shares its candidates: give the same ones for every seed")
    asked = [~np.isnan(values) for values, _ in checked]
    members = [int((a & flags).sum()) for a, (_, flags) in zip(asked, checked, strict=True)]
    others = [int((a & ~flags).sum()) for a, (_, flags) in zip(asked, checked, strict=True)]
    one = len(checked) == 1
    return ExtractedKind(
        kind=kind,
        k=len(checked),
        asked=min(int(a.sum()) for a in asked),
        left_out=max(int((~a).sum()) for a in asked),
        members=min(members),
        non_members=min(others),
        interval_method="Welch t" if one else "t * sqrt(s^2/k + v)",
        replicates="candidates within a model" if one else "seeds, and candidates over all seeds",
        amounts=_amounts(checked) if min(*members, *others) >= FEWEST else None,
    )


def _amounts(seeds: Sequence[tuple[Floats, Bools]]) -> Amounts:
    asked = [~np.isnan(values) for values, _ in seeds]
    areas = [metrics.auc(v[a], flags[a]) for a, (v, flags) in zip(asked, seeds, strict=True)]
    means = [_means(values, flags) for values, flags in seeds]
    return Amounts(
        member_mean=float(np.mean([m for m, _ in means])),
        non_member_mean=float(np.mean([o for _, o in means])),
        difference=mean_difference(seeds),
        auc=float(np.mean(areas)),
    )


def mean_difference(
    seeds: Sequence[tuple[Floats, Bools]], confidence: float = CONFIDENCE
) -> Interval:
    """The mean over seeds of (mean of members − mean of others), with its interval."""
    k = len(seeds)
    gaps = np.array([one - other for one, other in (_means(*s) for s in seeds)])
    middle = float(gaps.mean())
    influence = np.mean([_influence(*s) for s in seeds], axis=0)
    candidates = float(np.sum(influence**2))
    if k == 1:
        freedom, variance = _welch(*seeds[0]), candidates
    else:
        training = float(gaps.var(ddof=1)) / k
        variance = training + candidates
        freedom = math.inf if training == 0 else (k - 1) * (variance / training) ** 2
    if variance == 0:
        half = abs(middle) * min(1.0, max(sum(_unseen(*s, confidence)) for s in seeds))
        return Interval(middle, middle - half, middle + half, confidence)
    half = float(student.ppf((1 + confidence) / 2, freedom)) * math.sqrt(variance)
    return Interval(middle, middle - half, middle + half, confidence)


def _influence(values: Floats, member: Bools) -> Floats:
    """Each candidate's share in the error, (m,); the squares add up to Welch's variance.

    0 where a candidate was not asked.
    """
    asked = ~np.isnan(values)
    share = np.zeros(values.size)
    for side in (member & asked, ~member & asked):
        n = int(side.sum())
        share[side] = (values[side] - values[side].mean()) / math.sqrt(n * (n - 1))
    return np.where(member, share, -share)


def _welch(values: Floats, member: Bools) -> float:
    """Welch and Satterthwaite's degrees of freedom; infinite where nothing varies."""
    top = bottom = 0.0
    for side in (member, ~member):
        part = values[side & ~np.isnan(values)]
        error = float(part.var(ddof=1)) / part.size
        top, bottom = top + error, bottom + error**2 / (part.size - 1)
    return top**2 / bottom if bottom > 0 else math.inf


def _unseen(values: Floats, member: Bools, confidence: float) -> tuple[float, float]:
    """The share of members, and of others, that may differ though none was seen to."""
    asked = ~np.isnan(values)
    sizes = int((member & asked).sum()), int((~member & asked).sum())
    one, other = (1 - ((1 - confidence) / 2) ** (1 / n) for n in sizes)
    return one, other


def _means(values: Floats, member: Bools) -> tuple[float, float]:
    return float(np.nanmean(values[member])), float(np.nanmean(values[~member]))


def _checked(values: ArrayLike, member: ArrayLike) -> tuple[Floats, Bools]:
    amounts, flags = np.asarray(values, dtype=np.float64), np.asarray(member)
    if amounts.ndim != 1 or flags.shape != amounts.shape or flags.dtype != np.bool_:
        raise AttackError(
            f"amounts of shape {amounts.shape} with {flags.dtype} flags of shape {flags.shape}: "
            "give one amount and one boolean per candidate"
        )
    if np.isinf(amounts).any():
        raise AttackError("an amount is infinite: mend the attack, NaN says 'not asked'")
    return amounts, flags
