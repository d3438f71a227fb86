"""The ROC curve of a family on fixed false-positive rates, with bootstrap intervals.

    curve = family_curve(seeds, rates)          # seeds: (scores, member) over the same candidates

At each rate: the mean over seeds of the TPR that metrics.tpr_at_fpr defines (no hull, nothing is
interpolated, the realised FPR never exceeds the rate). Intervals are percentiles of a bootstrap
that draws candidates, the same ones in every seed since seeds share them, and then seeds: its
replicates are candidates, and models where there are several. Where every seed finds all members
or none, no resample differs and the interval would have no width; its ends are then those of
Clopper and Pearson over the members of one model. Draws are public pseudo-random words, so equal
results give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools, Floats, checked, resolvable
from radpriv.attacks.public_random import public_words

RESAMPLES = 400
BLOCK = 2**19
"""Candidates times draws that are held at once: 4 MiB an array."""


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
    alone = [p.curves(np.ones((1, m)), rates) for p in parts]
    found = np.concatenate([curve for curve, _ in alone])
    gains = np.concatenate([best for _, best in alone])
    points, tops = np.empty((RESAMPLES, len(rates))), np.empty(RESAMPLES)
    for start, weights, share in _draws(m, len(parts)):
        stop = start + len(weights)
        points[start:stop], tops[start:stop] = 0.0, 0.0
        for part, of_seed in zip(parts, share.T):
            curves, best = part.curves(weights, rates)
            points[start:stop] += of_seed[:, None] * curves
            tops[start:stop] += of_seed * best
    tail = 50 * (1 - confidence)
    low, high = np.percentile(points, [tail, 100 - tail], axis=0)
    few = min(int((~p.member).sum()) for p in parts)
    mean, gain = found.mean(axis=0), float(gains.mean())
    ends = np.percentile(tops, [tail, 100 - tail])
    members = min(int(p.member.sum()) for p in parts)
    slack, alarm = (1 - (tail / 100) ** (1 / n) for n in (members, few))
    low = np.where((mean == 1) & (rates < 1), np.minimum(low, 1 - slack), low)
    high = np.where((mean == 0) & (rates < 1), np.maximum(high, slack), high)
    if gain == 1:
        ends[0] = min(ends[0], 1 - slack - alarm)
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

    def curves(self, weights: Floats, rates: Floats) -> tuple[Floats, Floats]:
        """How often each candidate counts, float64 (draws, m), to the best TPR among points whose
        FPR is at most each rate, (draws, rates), and to max (TPR − FPR), (draws,).

        A class without weight gives zeros.
        """
        w = weights[:, self.order]
        hits = np.cumsum(w * self.member, axis=1)[:, self.last]
        alarms = np.cumsum(w * ~self.member, axis=1)[:, self.last]
        tpr = hits / np.maximum(hits[:, -1:], 1.0)
        fpr = alarms / np.maximum(alarms[:, -1:], 1.0)
        at = np.zeros((len(w), len(rates)))
        for i in range(len(w)):
            # The curve rises, so the best is the last point that keeps within the rate.
            place = np.searchsorted(fpr[i], rates + 1e-12, side="right")
            at[i] = np.where(place > 0, tpr[i, np.maximum(place - 1, 0)], 0.0)
        return at, np.maximum((tpr - fpr).max(axis=1), 0.0)


def _draws(m: int, k: int) -> Iterator[tuple[int, Floats, Floats]]:
    """RESAMPLES draws in blocks: the first one's number, how often each candidate was drawn,
    (draws, m), and the share of each of the k seeds, (draws, k)."""
    block = max(1, BLOCK // (m + k))
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        words = public_words(size * (m + k), "roc bootstrap", m, k, start)
        rows, seeds = words[: size * m].reshape(size, m), words[size * m :].reshape(size, k)
        yield start, _counted(rows, m), _counted(seeds, k) / k


def _counted(words: NDArray[np.uint64], many: int) -> Floats:
    """How often each of `many` was drawn in every row, float64 (rows, many)."""
    chosen = (words % np.uint64(many)).astype(np.int64) + many * np.arange(len(words))[:, None]
    counts = np.bincount(chosen.ravel(), minlength=many * len(words))
    return counts.reshape(len(words), many).astype(np.float64)
