"""The ROC curve of a family on fixed false-positive rates, with bootstrap intervals.

    curve = family_curve(seeds, rates)          # seeds: (scores, member) over the same candidates

At each rate: the mean over seeds of the TPR that metrics.tpr_at_fpr defines (no hull, nothing is
interpolated, the realised FPR never exceeds the rate). Intervals are percentiles of a bootstrap
that draws candidates, the same ones in every seed since seeds share them, and then seeds: its
replicates are candidates, and models where there are several. Draws are public pseudo-random words,
so equal results give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools, Floats, checked, resolvable
from radpriv.attacks.public import public_words

RESAMPLES = 400


@dataclass(frozen=True, eq=False)
class Curve:
    """float64 (rates,): mean TPR at each FPR, and the ends of its 95% interval.

    resolvable: bool (rates,), whether 10/f non-members are there in every seed.
    """

    rates: Floats
    tpr: Floats
    low: Floats
    high: Floats
    resolvable: Bools
    advantage: float
    advantage_low: float
    advantage_high: float


def grid(least: float = 1e-3, points: int = 25) -> Floats:
    """False-positive rates from `least` to 1, even on a log axis; 0.01 and 0.1 among them."""
    return np.unique(np.round(np.geomspace(least, 1.0, points), 6))


def family_curve(
    seeds: Sequence[tuple[Floats, Bools]], rates: Floats, confidence: float = 0.95
) -> Curve:
    """The mean curve of seeds over the same candidates, (m,) each; AttackError as in metrics."""
    parts = [_Sorted.of(*checked(s, m)) for s, m in seeds]
    m = len(parts[0].order)
    whole = np.ones(m)
    found = np.stack([p.at(rates, whole) for p in parts])
    gains = np.array([p.advantage(whole) for p in parts])
    points, tops = np.empty((RESAMPLES, len(rates))), np.empty(RESAMPLES)
    for b, (weights, chosen) in enumerate(_draws(m, len(parts))):
        picked, count = np.unique(chosen, return_counts=True)
        each = np.stack([parts[i].at(rates, weights) for i in picked])
        points[b] = count @ each / len(chosen)
        tops[b] = count @ [parts[i].advantage(weights) for i in picked] / len(chosen)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(points, [tail, 100 - tail], axis=0)
    few = min(int((~p.member).sum()) for p in parts)
    mean, gain = found.mean(axis=0), float(gains.mean())
    ends = np.percentile(tops, [tail, 100 - tail])
    return Curve(
        rates,
        mean,
        np.minimum(low, mean),
        np.maximum(high, mean),
        np.array([resolvable(few, f) for f in rates]),
        gain,
        min(gain, float(ends[0])),
        max(gain, float(ends[1])),
    )


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Candidates by falling score; last: where a run of equal scores ends."""

    order: NDArray[np.int64]
    member: Bools
    last: Bools

    @staticmethod
    def of(scores: Floats, member: Bools) -> _Sorted:
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        last = np.append(ordered[1:] != ordered[:-1], True)
        return _Sorted(order, member[order], last)

    def _steps(self, weights: Floats) -> tuple[Floats, Floats]:
        """(fpr, tpr) after each run of equal scores; a class without weight gives zeros."""
        w = weights[self.order]
        hits, alarms = np.cumsum(w * self.member), np.cumsum(w * ~self.member)
        hits, alarms = hits[self.last], alarms[self.last]
        return alarms / max(alarms[-1], 1.0), hits / max(hits[-1], 1.0)

    def at(self, rates: Floats, weights: Floats) -> Floats:
        """float64 (rates,): the best TPR among points whose FPR is at most each rate."""
        fpr, tpr = self._steps(weights)
        # The curve rises, so the best is the last point that keeps within the rate.
        place = np.searchsorted(fpr, rates + 1e-12, side="right")
        return np.where(place > 0, tpr[np.maximum(place - 1, 0)], 0.0)

    def advantage(self, weights: Floats) -> float:
        fpr, tpr = self._steps(weights)
        return max(0.0, float((tpr - fpr).max()))


def _draws(m: int, k: int) -> Iterator[tuple[Floats, NDArray[np.int64]]]:
    """RESAMPLES times: how often each candidate is drawn, float64 (m,), and which k seeds."""
    for b in range(RESAMPLES):
        words = public_words(m + k, "roc bootstrap", m, k, b)
        rows = (words[:m] % np.uint64(m)).astype(np.int64)
        chosen = (words[m:] % np.uint64(k)).astype(np.int64)
        yield np.bincount(rows, minlength=m).astype(np.float64), chosen
