"""Canaries in an attack's result: by kind, one candidate per coin, apart from the headline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from radpriv.attacks.evaluation.candidates import parts_of
from radpriv.attacks.inputs.cell_outputs import load, open_cell
from radpriv.attacks.run_family import attack_family
from radpriv.benchmark.store.attack_schema import CanaryKind, Interval, Role, Summary
from radpriv.benchmark.store.results import FinishedCell

WriteCell = Callable[..., Path]
OWN, RARE, COPIED, COPIES, GRADIENT = 400, 60, 30, 4, 20
KINDS = (
    ["natural"] * OWN + ["rare-token"] * RARE + ["secret*4"] * COPIED * COPIES
    + ["gradient"] * GRADIENT
)  # fmt: skip
PATIENTS = (
    [f"p{i:03d}" for i in range(OWN + RARE)]
    + [f"c{i // COPIES:03d}" for i in range(COPIED * COPIES)]
    + [f"g{i:03d}" for i in range(GRADIENT)]
)


def cell(write_cell: WriteCell, seed: int, leak: Sequence[str] = ("rare-token",)) -> FinishedCell:
    """Members of the kinds in `leak` fit much better; nothing else depends on membership."""
    rng = np.random.default_rng(seed)
    m = len(KINDS)
    number = {p: i for i, p in enumerate(dict.fromkeys(PATIENTS))}
    coins = rng.random(len(number)) < 0.5
    member = np.array([coins[number[p]] for p in PATIENTS])
    labels = (rng.random((m, 4)) < 0.4).astype(np.float32)
    shift = 2.5 * member * np.isin(KINDS, leak)
    logits = rng.standard_normal((m, 4)) + shift[:, None] * (2 * labels - 1)
    folder = write_cell(seed, logits.astype(np.float32), labels, member)
    path = folder / "private" / "candidates.parquet"
    table = pq.read_table(path).drop_columns(["patient", "kind"])
    table = table.append_column("patient", pa.array(PATIENTS))
    pq.write_table(table.append_column("kind", pa.array(KINDS)), path)
    return open_cell(folder)


def attacked(cells: Sequence[FinishedCell]) -> Mapping[Role, Summary]:
    return attack_family("loss", {}, cells, "f")[0].summary


def by_kind(summary: Summary) -> dict[str, CanaryKind]:
    return {line.kind: line for line in summary.canaries}


def auc(line: CanaryKind) -> Interval:
    assert line.auc is not None
    return line.auc


def test_copies_of_a_canary_are_one_candidate(write_cell: WriteCell) -> None:
    """Copies of a canary are one candidate, and gradient canaries none."""
    found = load(cell(write_cell, 0))
    scores = np.arange(len(KINDS), dtype=float)
    parts = parts_of(found, scores, "report")
    assert list(parts) == ["natural", "rare-token", "secret*4"]
    copied = parts["secret*4"]
    first = OWN + RARE + COPIES * np.arange(COPIED)
    np.testing.assert_array_equal(copied.slots, found.slots[first])
    np.testing.assert_allclose(copied.scores, first + 1.5)  # the mean of four in a row
    np.testing.assert_array_equal(copied.member, found.member[first])


def test_leaking_canaries_show_it_in_their_own_row_alone(write_cell: WriteCell) -> None:
    """Canaries that leak show it in their own row and not in the headline."""
    cells = [cell(write_cell, s, ("rare-token", "secret*4")) for s in range(3)]
    summary = attacked(cells)
    rows = by_kind(summary["attack"])
    assert set(rows) == {"rare-token", "secret*4"}
    assert rows["rare-token"].candidates == RARE and rows["secret*4"].candidates == COPIED
    assert auc(rows["rare-token"]).value > 0.95 and auc(rows["secret*4"]).value > 0.95
    headline = summary["attack"]
    assert headline.candidates == headline.audited == OWN
    assert headline.auc.low < 0.5 < headline.auc.high
    for line in by_kind(summary["null"]).values():
        assert auc(line).low < 0.5 < auc(line).high


def test_copies_bound_no_epsilon(write_cell: WriteCell) -> None:
    rows = by_kind(attacked([cell(write_cell, s, KINDS) for s in range(2)])["attack"])
    bound = rows["rare-token"].bound
    assert rows["secret*4"].bound is None
    assert bound is not None and 0 < bound.epsilon <= bound.ceiling


def test_headline_is_what_it_is_without_canaries(write_cell: WriteCell, tmp_path: Path) -> None:
    """Oracle: the same cells with the planted rows cut out of both files."""
    cells = [cell(write_cell, s) for s in range(2)]
    whole = attacked(cells)
    for found in cells:
        for name in ("candidates", "flags"):
            path = found.folder / "private" / f"{name}.parquet"
            pq.write_table(pq.read_table(path).slice(0, OWN), path)
    alone = attacked(cells)
    assert set(whole) == set(alone) == {"attack", "null", "known"}
    for role, summary in whole.items():
        if role != "known":
            assert summary.canaries and replace(summary, canaries=()) == alone[role]


def test_few_canaries_have_no_auc(write_cell: WriteCell) -> None:
    found = cell(write_cell, 0)
    for name in ("candidates", "flags"):
        path = found.folder / "private" / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, OWN + 12), path)
    row = by_kind(attacked([found])["attack"])["rare-token"]
    assert row.auc is None and row.candidates == 12
    assert row.bound is not None and row.bound.epsilon == 0
