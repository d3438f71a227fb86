"""Reads the results of one plan from a store; the one module of the reports that reads it.

Everything that must not share a table is refused here, in one line that names the cells: mixed
fingerprints within a family, package versions, device or dtype that differ within a dataset
(unless allowed, then noted), and results of `--limit` among others (never allowed). A cell that is
not `done` keeps its place and its reason; it is never averaged around.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radpriv.benchmark.store.attack_schema import AttackResult, Superseded, read_result
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.plan_schema import CONTROL, REFERENCE, PlannedCell
from radpriv.benchmark.store.store import Store
from radpriv.errors import RadprivError, ReportError, StoreError


@dataclass(frozen=True)
class Scores:
    """Test records of one cell: ids and patients (n,), y and logits float32 (n, labels)."""

    records: tuple[str, ...]
    patients: tuple[str, ...]
    y: NDArray[np.float32] = field(repr=False)
    logits: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Done:
    """A finished cell: its record.json, and its scores (None for a control)."""

    entry: PlannedCell
    record: CellRecord = field(repr=False)
    scores: Scores | None = field(repr=False)


@dataclass(frozen=True)
class Results:
    """What a report is made of. `mixed`: sentences about what was allowed to differ.

    unread: attack id and reason of results that are asked for and cannot be read. apart: how many
    results there are of attacks that are not asked for, by name. damaged: a line for each cell that
    the plan calls done and that cannot be read.
    """

    suite: str
    short_recipe: bool
    limited: int | None
    note: str
    datasets: tuple[str, ...]
    entries: tuple[PlannedCell, ...]
    done: Mapping[str, Done]
    attacks: tuple[AttackResult, ...]
    mixed: tuple[str, ...]
    unread: tuple[tuple[str, str], ...] = ()
    apart: Mapping[str, int] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()


def load(
    store: Path,
    suite: str,
    allow_mixed: bool = False,
    attack_ids: Collection[str] | None = None,
    apart: Mapping[str, int] | None = None,
) -> Results:
    """The results of `suite`. attack_ids: which attack results to use; None: every one over the
    plan's families. apart: how many there are of attacks that are not asked for, by name.
    """
    opened = Store(store)
    plan = opened.read_plan(suite)
    entries = tuple(cell for cell in plan.cells if cell.role != REFERENCE)
    entries, done, damaged = _read_cells(opened, entries)
    _refuse_limited(done.values(), plan.limited, suite)
    mixed = [*_mixed_families(entries), *_mixed_tables(done.values(), plan.datasets)]
    attacks, doubles, unread = _attacks(opened, entries, attack_ids)
    mixed += doubles
    if mixed and not allow_mixed:
        raise ReportError(f"{mixed[0]}; run the suite again, or allow mixed results")
    return Results(
        plan.suite,
        plan.short_recipe,
        plan.limited,
        plan.note or "",
        plan.datasets,
        entries,
        done,
        attacks,
        tuple(mixed),
        unread,
        apart or {},
        damaged,
    )


def _read_cells(
    store: Store, entries: Sequence[PlannedCell]
) -> tuple[tuple[PlannedCell, ...], dict[str, Done], tuple[str, ...]]:
    """The entries, those that cannot be read as missing with the reason; the others' results.

    One damaged cell costs a report that cell, not all. RadprivError if no other is left.
    """
    done: dict[str, Done] = {}
    faults: dict[str, RadprivError] = {}
    for entry in entries:
        if entry.done:
            try:
                done[entry.cell_id] = _done(store, entry)
            except RadprivError as error:
                faults[entry.cell_id] = error
    if faults and not done:
        raise next(iter(faults.values()))
    kept = tuple(
        replace(e, status="failed", reason=f"damaged: {fault}") if fault else e
        for e in entries
        for fault in [faults.get(e.cell_id)]
    )
    return kept, done, tuple(f"{cell}: left out: {fault}" for cell, fault in faults.items())


def _done(store: Store, entry: PlannedCell) -> Done:
    found = store.lookup(entry.cell_id, entry.fingerprint)
    if found is None:
        folder = store.cell_folder(entry.cell_id, entry.fingerprint)
        raise ReportError(
            f"cell {entry.cell_id}: the plan says done, but there is no {folder}; "
            "run the suite again"
        )
    if not found.record.done:
        raise ReportError(
            f"cell {entry.cell_id}: the plan says done, its record says {found.record.status}; "
            "run the suite again"
        )
    labels = len(found.record.label_names)
    scores = _scores(found.folder / "test.parquet", labels) if entry.role != CONTROL else None
    return Done(entry, found.record, scores)


def _scores(path: Path, labels: int) -> Scores:
    try:
        table = pq.read_table(path, columns=["record", "patient", "labels", "logits"])
        y, logits = (_matrix(table[name], labels) for name in ("labels", "logits"))
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ReportError(f"{path}: cannot be read ({line}); run the suite again") from error
    if not len(y):
        raise ReportError(f"{path}: holds no test record; check the dataset's split")
    if np.isnan(logits).any():
        row = int(np.flatnonzero(np.isnan(logits).any(axis=1))[0])
        raise ReportError(f"{path} row {row}: a logit is NaN in a finished cell; run it again")
    return Scores(
        tuple(table["record"].to_pylist()), tuple(table["patient"].to_pylist()), y, logits
    )


def _matrix(column: pa.ChunkedArray, labels: int) -> NDArray[np.float32]:
    values = np.array(column.to_pylist(), dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != labels:
        raise ValueError(f"expected {labels} values a row, found shape {values.shape}")
    return values


def _refuse_limited(done: Iterable[Done], limited: int | None, suite: str) -> None:
    for cell in done:
        found = cell.record.cell.limited
        if found != limited:
            raise ReportError(
                f"cell {cell.entry.cell_id}: limited = {found}, but the plan {suite} has "
                f"{limited}; limited results never share a table with others"
            )


def _mixed_families(entries: Iterable[PlannedCell]) -> list[str]:
    families: dict[str, dict[str, str]] = defaultdict(dict)
    for e in entries:
        if e.done:
            families[e.family].setdefault(e.fingerprint, e.cell_id)
    return [
        f"family {family} mixes fingerprints: "
        + ", ".join(f"{cell} ({print_[:8]})" for print_, cell in sorted(found.items()))
        for family, found in sorted(families.items())
        if len(found) > 1
    ]


def _mixed_tables(done: Iterable[Done], datasets: Iterable[str]) -> list[str]:
    """Package versions are compared where two cells both name the package."""
    cells = list(done)
    messages = []
    for dataset in datasets:
        seen: dict[str, dict[str, str]] = defaultdict(dict)
        for cell in (c for c in cells if c.entry.dataset == dataset):
            facts = {f"package {p}": v for p, v in cell.record.how.packages.items()}
            facts |= {"device": cell.record.device_kind, "dtype": cell.record.dtype}
            for name, value in facts.items():
                seen[name].setdefault(str(value), cell.entry.cell_id)
        for name, found in sorted(seen.items()):
            if len(found) > 1:
                each = ", ".join(f"{value} in {cell}" for value, cell in sorted(found.items()))
                messages.append(f"the table of {dataset} mixes {name}: {each}")
    return messages


def _attacks(
    store: Store, entries: Iterable[PlannedCell], wanted: Collection[str] | None
) -> tuple[tuple[AttackResult, ...], list[str], tuple[tuple[str, str], ...]]:
    """Results whose input cells are exactly the finished cells of a family, as computed now; what
    is there twice; and what cannot be read: that costs a report one result, not all."""
    families: dict[str, dict[str, str]] = defaultdict(dict)
    for e in entries:
        if e.done:
            families[e.family][e.cell_id] = e.fingerprint
    chosen: dict[tuple[str, str, str], AttackResult] = {}
    doubles, unread = [], []
    for name in sorted(store.attack_ids() if wanted is None else wanted):
        folder = store.attack_folder(name)
        try:
            result = read_result(folder, "result.json")
        except Superseded:
            continue
        except StoreError as error:
            gone = not (folder / "result.json").exists()
            what = "result.json is gone" if gone else str(error)
            unread.append((name, f"{what}; run the attack again"))
            continue
        now = families.get(result.family, {})
        if not now or result.cell_fingerprints != now:
            continue
        key = (result.family, result.attack, json.dumps(result.params, sort_keys=True))
        if key in chosen:
            old = chosen[key]
            doubles.append(
                f"two results of attack {result.attack} on family {result.family} "
                f"({result.cells[0]}, …): {old.attack_id} and {result.attack_id}"
            )
            if old.version > result.version:
                continue
        chosen[key] = result
    return tuple(chosen[key] for key in sorted(chosen)), doubles, tuple(unread)
