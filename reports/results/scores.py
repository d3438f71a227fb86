"""From cells to rows: scores of each cell, their intervals, and the paired differences of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.store.plan_schema import PlannedCell
from radpriv.errors import ReportError
from radpriv.reports.results.dataset_scores import DatasetScores, PairedDifference, ScoreRow, pooled
from radpriv.reports.results.load import Done, Results, Scores
from radpriv.reports.statistics.f1 import (
    Floats,
    LabelCounts,
    bootstrap_weights,
    class_weighted_f1,
    count,
    label_f1,
    macro_f1,
    resampled,
    weighted_f1,
)
from radpriv.reports.statistics.intervals import (
    DIFFERENCE,
    SCORE,
    ResampledScore,
    estimate,
    pool_differences,
    pool_seeds,
)


def score(results: Results, dataset: str) -> DatasetScores | None:
    """Rows, intervals and paired differences of one dataset; None where no cell is finished."""
    entries = [e for e in results.entries if e.dataset == dataset and e.role != "control"]
    cells = [results.done[e.cell_id] for e in entries if e.done]
    if not cells:
        return None
    labels, groups, reference = _common(cells)
    patients = int(groups.max()) + 1
    trained_on, tested_on, transferred = _sides(cells[0], dataset)
    # A test set is drawn in one way wherever a model was trained, so that ratios are paired.
    weights = bootstrap_weights(tested_on, patients)
    grouped: dict[tuple[str, str, float], list[PlannedCell]] = {}
    for e in entries:
        grouped.setdefault((e.label, e.encoder, e.epsilon), []).append(e)
    rows = [_row(es, results, labels, groups, weights) for es in grouped.values()]
    rows = [_estimated(r, rows) for r in rows]
    constants = {"all positive": True, "all negative": False}
    trivial = tuple(
        _trivial(name, value, reference.y, labels, groups, weights)
        for name, value in constants.items()
    )
    return DatasetScores(
        dataset,
        trained_on,
        tested_on,
        transferred,
        tuple(reference.records),
        labels,
        tuple(int(x) for x in np.nansum(reference.y == 1, axis=0)),
        len(reference.y),
        patients,
        tuple(rows),
        trivial,
        tuple(_differences(rows)),
    )


def _sides(cell: Done, dataset: str) -> tuple[str, str, bool]:
    """(trained on, tested on, transferred), by the identity of the cell's dataset."""
    asked = cell.record.cell
    options = asked.dataset_identity.get("options")
    if asked.dataset == "transfer" and isinstance(options, dict):
        return str(options["train"]), str(options["test"]), True
    return asked.dataset, asked.dataset, False


def _common(cells: Sequence[Done]) -> tuple[tuple[str, ...], NDArray[np.int64], Scores]:
    """Label names, patient numbers and the scores all cells must agree with in their rows."""
    first = cells[0]
    if first.scores is None:
        raise ReportError(f"cell {first.entry.cell_id}: it has no test scores")
    reference, labels = first.scores, first.record.label_names
    for cell in cells[1:]:
        s, pair = cell.scores, f"cells {first.entry.cell_id} and {cell.entry.cell_id}"
        if cell.record.label_names != labels:
            raise ReportError(f"{pair} name different labels; they cannot share a table")
        if s is None or s.records != reference.records or s.patients != reference.patients:
            raise ReportError(f"{pair} scored different test records; they cannot share a table")
        if not np.array_equal(s.y, reference.y, equal_nan=True):
            raise ReportError(f"{pair} have different test labels; they cannot share a table")
    _, groups = np.unique(np.array(reference.patients), return_inverse=True)
    return labels, groups.astype(np.int64), reference


def _row(
    entries: Sequence[PlannedCell],
    results: Results,
    labels: tuple[str, ...],
    groups: NDArray[np.int64],
    weights: Floats,
) -> ScoreRow:
    ordered = sorted(entries, key=lambda e: e.seed)
    missing = tuple((e.cell_id, e.why_missing) for e in ordered if not e.done)
    cells = [results.done[e.cell_id] for e in ordered if e.done]
    measured: dict[str, ResampledScore] = {}
    if not missing:
        counts = []
        for cell in cells:
            assert cell.scores is not None
            thresholds = np.asarray(cell.record.thresholds, dtype=np.float32)
            counts.append(count(cell.scores.y, cell.scores.logits > thresholds, groups))
        measured = _measure(counts, labels, weights)
    first = ordered[0]
    return ScoreRow(
        first.label,
        first.method,
        first.encoder,
        first.epsilon,
        tuple(e.seed for e in ordered),
        tuple(e.cell_id for e in ordered),
        missing,
        tuple(cell.record for cell in cells),
        measured,
        {},
    )


def _measure(
    counts: Sequence[LabelCounts], labels: Sequence[str], weights: Floats
) -> dict[str, ResampledScore]:
    """Each metric's values by seed and its seed mean in every resample."""
    totals = [c.total() for c in counts]
    draws = [resampled(c, weights) for c in counts]
    functions = {"weighted": weighted_f1, "macro": macro_f1, "class_weighted": class_weighted_f1}
    found = {
        name: ResampledScore(
            np.array([f(t) for t in totals]), np.mean([f(d) for d in draws], axis=0)
        )
        for name, f in functions.items()
    }
    by_label = np.array([label_f1(t) for t in totals])
    by_label_draws = np.mean([label_f1(d) for d in draws], axis=0)
    for i, label in enumerate(labels):
        found[f"label:{label}"] = ResampledScore(by_label[:, i], by_label_draws[:, i])
    return found


def _estimated(row: ScoreRow, rows: Sequence[ScoreRow]) -> ScoreRow:
    kin = [r for r in rows if pooled(r, row.private)]
    estimates = {}
    for metric, measured in row.measured.items():
        pool = pool_seeds([r.measured[metric].values for r in kin])
        estimates[metric] = estimate(measured, pool, row.deterministic, SCORE)
    return replace(row, estimates=estimates)


def _trivial(
    name: str,
    value: bool,
    y: NDArray[np.float32],
    labels: tuple[str, ...],
    groups: NDArray[np.int64],
    weights: Floats,
) -> ScoreRow:
    measured = _measure([count(y, np.full(y.shape, value), groups)], labels, weights)
    estimates = {m: estimate(x, None, True, SCORE) for m, x in measured.items()}
    return ScoreRow(name, "", "", math.inf, (), (), (), (), measured, estimates)


def _differences(rows: Sequence[ScoreRow]) -> list[PairedDifference]:
    """Every pair at one ε with the same seeds, LoRA first, else in the order of the table.

    The seed variance of a difference is that of both sides, or of the one that has any.
    """
    groups: dict[tuple[float, tuple[int, ...]], list[ScoreRow]] = {}
    for row in rows:
        if row.complete and not row.trivial:
            groups.setdefault((row.epsilon, row.seeds), []).append(row)
    found = []
    for private in (True, False):
        kin = [
            g
            for (e, _), g in sorted(groups.items(), key=lambda x: x[0])
            if math.isfinite(e) == private
        ]
        drawn = [[_weighted(r).values for r in g if not r.deterministic] for g in kin]
        two = pool_differences([np.array(g) for g in drawn if g])
        one = pool_seeds([values for g in drawn for values in g])
        for group in kin:
            ordered = sorted(group, key=lambda r: "lora" not in r.method)
            for i, first in enumerate(ordered):
                for second in ordered[i + 1 :]:
                    a, b = _weighted(first), _weighted(second)
                    still = first.deterministic + second.deterministic
                    difference = estimate(a - b, (two, one, None)[still], still == 2, DIFFERENCE)
                    found.append(PairedDifference(first, second, difference, _same(a, b)))
    return found


def _weighted(row: ScoreRow) -> ResampledScore:
    return row.measured["weighted"]


def _same(a: ResampledScore, b: ResampledScore) -> bool:
    return np.array_equal(a.values, b.values, equal_nan=True) and np.array_equal(
        a.resamples, b.resamples, equal_nan=True
    )
