"""F1 of one dataset as rows: one row is method × encoder × ε, its cells differ in the seed only.

A row with a missing cell has no score at all, takes no part in a pool or a ranking, and is listed
with the reason. `prior`, `keyword` and the trivial classifiers draw no randomness and look at no
member, so they stay out of the pool of seed variances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.reports.statistics.intervals import Estimate, Pool, ResampledScore, pool_seeds

DETERMINISTIC = frozenset({"prior", "keyword"})
TRIVIAL = frozenset({"prior"})


@dataclass(frozen=True)
class ScoreRow:
    """One row of results. `estimates` maps a metric ("weighted", "macro", "class_weighted",
    "label:NAME") to its interval; it is empty where a cell is missing."""

    label: str
    method: str
    encoder: str
    epsilon: float
    seeds: tuple[int, ...]
    cell_ids: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    records: tuple[CellRecord, ...] = field(repr=False)
    measured: dict[str, ResampledScore] = field(repr=False)
    estimates: dict[str, Estimate] = field(repr=False)

    @property
    def private(self) -> bool:
        return math.isfinite(self.epsilon)

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def trivial(self) -> bool:
        return self.method in TRIVIAL or not self.cell_ids

    @property
    def deterministic(self) -> bool:
        """Whether seeds change nothing."""
        return self.method in DETERMINISTIC or not self.cell_ids

    @property
    def name(self) -> str:
        return f"{self.label} ({self.encoder})" if self.encoder else self.label


@dataclass(frozen=True)
class PairedDifference:
    """Weighted F1 of `first` minus `second`, paired by seed and resample."""

    first: ScoreRow
    second: ScoreRow
    estimate: Estimate
    identical: bool

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.identical and (self.estimate.low > 0 or self.estimate.high < 0)


@dataclass(frozen=True)
class DatasetScores:
    """Everything about F1 on one dataset. trivial: all positive, all negative.

    trained_on, tested_on: names of datasets. transferred: whether the test set is of another
    dataset than the training set, or of another arrangement of it.
    records: of the test set, as the store names them.
    """

    dataset: str
    trained_on: str
    tested_on: str
    transferred: bool
    records: tuple[str, ...] = field(repr=False)
    labels: tuple[str, ...]
    support: tuple[int, ...]
    test_records: int
    test_patients: int
    rows: tuple[ScoreRow, ...]
    trivial: tuple[ScoreRow, ...]
    differences: tuple[PairedDifference, ...]

    def pools(self, private: bool) -> Pool | None:
        """The pool of weighted F1 over private or over non-private rows."""
        used = [r.measured["weighted"].values for r in self.rows if pooled(r, private)]
        return pool_seeds(used)


def best(scores: DatasetScores, epsilon: float) -> tuple[ScoreRow | None, frozenset[str]]:
    """The highest complete row at ε and the names of those whose difference to it may be 0."""
    rows = [
        r
        for r in scores.rows
        if r.epsilon == epsilon
        and not r.trivial
        and "weighted" in r.estimates
        and r.estimates["weighted"].defined
    ]
    if len(rows) < 2:
        return (rows[0] if rows else None), frozenset()
    top = max(rows, key=lambda r: r.estimates["weighted"].mean)
    settled = set()
    for d in scores.differences:
        if d.first.epsilon == epsilon and d.resolved and top.name in (d.first.name, d.second.name):
            settled |= {d.first.name, d.second.name}
    # A row that was not compared (its seeds differ) has not been beaten either.
    ties = {r.name for r in rows if r is not top and r.name not in settled}
    return top, frozenset(ties)


def pooled(row: ScoreRow, private: bool) -> bool:
    """Whether a row takes part in the seed variance of its kind."""
    return row.complete and not row.deterministic and row.private == private
