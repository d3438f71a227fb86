"""Error rates of a threshold: near-copies missed, and other reports taken for near-copies.

    measured = measure(texts, labels, compared_words, seed=0)
    measured.only(half).missed(0.7, band)        # Rate: share with its 95% interval (Wilson 1927)

Missed: the share of a report's planted copies below the threshold, averaged over reports. Each
report counts once, so Wilson's interval for as many coins is on the safe side: a share between 0
and 1 varies no more than a coin of its mean. False: the share of reports whose nearest report
*with other labels* reaches the threshold: the two differ in a finding, whatever they share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import sqrt
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.audit_set.similarity import nearest, shingles
from radpriv.benchmark.encoders.features import Features

from .edits import COPIES, Edit, finding_exchanged

Words = Callable[[str], list[str]]
Floats = NDArray[np.float64]
Band = tuple[int, int]
BANDS: tuple[Band, ...] = ((0, 10), (10, 20), (20, 40), (40, 1 << 30))
"""By the number of a report's words, dates, numbers and marks left out: from, to below."""
GRID = tuple(round(0.5 + 0.05 * i, 2) for i in range(9))
MOST_MISSED = 0.05
WIDTH = 3
Z = 1.959963984540054


@dataclass(frozen=True)
class Rate:
    """A share of n with its 95% interval; all NaN where n = 0."""

    value: float
    low: float
    high: float
    n: int

    @staticmethod
    def of(shares: Floats) -> Rate:
        """shares: (n,) in [0, 1], one per report."""
        n = len(shares)
        if n == 0:
            return Rate(float("nan"), float("nan"), float("nan"), 0)
        p = float(shares.mean())
        middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
        return Rate(p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half)), n)


@dataclass(frozen=True)
class Measured:
    """Similarities for n reports.

    words: (n,) how many each has. copies: (n, kinds) to its planted copies, NaN where a kind does
    not apply. finding: (n,) to itself with a finding exchanged, or NaN. others, any: (n,) to the
    nearest report with other labels, and to the nearest at all.
    """

    words: NDArray[np.int64]
    copies: Floats
    finding: Floats
    others: Floats
    any: Floats

    def only(self, chosen: NDArray[np.bool_]) -> Measured:
        return Measured(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def within(self, band: Band) -> Measured:
        return self.only((self.words >= band[0]) & (self.words < band[1]))

    def missed(self, threshold: float, kind: int | None = None) -> Rate:
        """Of one kind, or of all alike."""
        columns = self.copies if kind is None else self.copies[:, [kind]]
        there = ~np.isnan(columns)
        kept = there.any(axis=1)
        below = (there & (columns < threshold)).sum(axis=1)[kept]
        return Rate.of(below / there.sum(axis=1)[kept])

    def false(self, threshold: float) -> Rate:
        return Rate.of((self.others >= threshold).astype(np.float64))

    def left_out(self, threshold: float) -> Rate:
        """Reports whose nearest report, copies of it included, reaches the threshold."""
        return Rate.of((self.any >= threshold).astype(np.float64))

    def findings(self, threshold: float) -> Rate:
        known = self.finding[~np.isnan(self.finding)]
        return Rate.of((known >= threshold).astype(np.float64))


def choose(measured: Measured) -> float:
    """The largest threshold of the grid that misses at most `MOST_MISSED`; else the smallest."""
    fit = [t for t in GRID if measured.missed(t).value <= MOST_MISSED]
    return max(fit, default=GRID[0])


def choosing_half(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Whether a text is one to choose the threshold on, by a bit of its hash."""
    return np.array([hashlib.sha256(t.encode()).digest()[0] < 128 for t in texts], bool)


def measure(texts: Sequence[str], labels: NDArray[np.float32], words: Words, seed: int) -> Measured:
    """labels: (n, k), NaN where not observed. Every text has a word."""
    records = [shingles(words(text), WIDTH) for text in texts]
    ends = np.concatenate([[0], np.cumsum([len(r) for r in records])]).astype(np.int64)
    held = Features(np.concatenate(records), ends, ragged=True)
    rows = np.arange(len(texts))
    same = np.unique(np.nan_to_num(labels, nan=-1.0), axis=0, return_inverse=True)[1].reshape(-1)

    def planted(name: str, edit: Edit) -> Floats:
        found = np.full(len(texts), np.nan)
        for i, text in enumerate(texts):
            rng = np.random.default_rng([seed, crc32(name.encode()), i])
            pair = edit(text, texts[int(rng.integers(len(texts)))], rng)
            if pair is not None:
                found[i] = jaccard(*(shingles(words(one), WIDTH) for one in pair))
        return found

    return Measured(
        np.array([len(words(text)) for text in texts], np.int64),
        np.stack([planted(name, edit) for name, edit in COPIES.items()], axis=1),
        planted("finding", finding_exchanged),
        nearest(held, same.astype(np.int64), rows).astype(np.float64),
        nearest(held, rows, rows).astype(np.float64),
    )


def jaccard(one: NDArray[np.uint64], two: NDArray[np.uint64]) -> float:
    """Of two sorted sets; 1 for two empty ones."""
    common = len(np.intersect1d(one, two, assume_unique=True))
    union = len(one) + len(two) - common
    return common / union if union else 1.0
