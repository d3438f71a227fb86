"""Lines of f1.csv and of the paired differences in full precision, one class each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radpriv.reports.results.dataset_scores import DatasetScores, PairedDifference, ScoreRow
from radpriv.reports.statistics.intervals import Estimate


@dataclass(frozen=True)
class Numbers:
    """An estimate in full precision; None throughout for a row with a missing cell."""

    mean: float | None = None
    half_width: float | None = None
    low: float | None = None
    high: float | None = None
    k: int | None = None
    df: int | None = None
    v: float | None = None
    s2: float | None = None
    undefined_share: float | None = None
    flags: str = "missing"

    @staticmethod
    def of(e: Estimate) -> Numbers:
        flags = "; ".join(e.flags)
        return Numbers(e.mean, e.half, e.low, e.high, e.k, e.df, e.v, e.s2, e.undefined, flags)


@dataclass(frozen=True)
class F1Record:
    """One row and metric. values: by seed; cells: their ids; missing: ids with reasons."""

    dataset: str
    method: str
    label: str
    encoder: str
    epsilon: float
    metric: str
    numbers: Numbers
    seeds: str
    cells: str
    missing: str
    values: str


@dataclass(frozen=True)
class DifferenceRecord:
    """Weighted F1 of first minus second. identical: both have the same scores bit by bit."""

    first: str
    second: str
    epsilon: float
    numbers: Numbers
    identical: bool


def f1_records(scores: DatasetScores) -> list[F1Record]:
    """One for each row and metric; a row with a missing cell keeps its place."""
    found = []
    for row in (*scores.rows, *scores.trivial):
        estimates: Mapping[str, Estimate | None] = row.estimates or {"weighted": None}
        found += [_f1_record(scores.dataset, row, m, e) for m, e in estimates.items()]
    return found


def difference_record(d: PairedDifference) -> DifferenceRecord:
    numbers = Numbers.of(d.estimate)
    return DifferenceRecord(d.first.name, d.second.name, d.first.epsilon, numbers, d.identical)


def _f1_record(dataset: str, row: ScoreRow, metric: str, e: Estimate | None) -> F1Record:
    return F1Record(
        dataset=dataset,
        method=row.method or row.label,
        label=row.label,
        encoder=row.encoder,
        epsilon=row.epsilon,
        metric=metric,
        numbers=Numbers() if e is None else Numbers.of(e),
        seeds=" ".join(map(str, row.seeds)),
        cells=" ".join(row.cell_ids),
        missing="; ".join(f"{cell}: {reason}" for cell, reason in row.missing),
        values="" if e is None else " ".join(map(repr, e.values)),
    )
