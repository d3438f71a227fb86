"""What a cell writes: hashed ids, tables in order, and nothing that tells a member."""

from __future__ import annotations

import json

import numpy as np
import torch

from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.privacy.records import TrainingDiagnostics
from radpriv.benchmark.runs.record import (
    candidates_table,
    diagnostics_table,
    flags_table,
    hashed_id,
    provenance,
)
from radpriv.benchmark.runs.record import (
    test_table as table_of_test,
)
from radpriv.benchmark.store.cell_schema import Provenance
from radpriv.benchmark.store.schema import dump, parse


def universe_of(made_up: Dataset, kind: str = "natural") -> Universe:
    return draw(made_up, AuditPolicy(share=0.5, canaries=kind), b"audit", 30, 0)


def test_an_id_is_a_keyed_hash() -> None:
    assert hashed_id(b"k", "r1") == hashed_id(b"k", "r1")
    names = {hashed_id(key, name) for key in (b"k", b"l") for name in ("r1", "r2", "")}
    assert len(names) == 6 and all(
        len(n) == 24 and set(n) <= set("0123456789abcdef") for n in names
    )


def test_test_records_are_ordered_by_hash_with_labels_and_logits(made_up: Dataset) -> None:
    """Test records are in order of their hash, with labels and logits."""
    rows = made_up.rows("test")
    logits = np.arange(len(rows) * 3, dtype=np.float32).reshape(-1, 3)
    table = table_of_test(made_up, rows, logits, b"k").to_pylist()
    assert [r["record"] for r in table] == sorted(hashed_id(b"k", made_up.ids[i]) for i in rows)
    by_name = {r["record"]: r for r in table}
    for n, row in enumerate(rows):
        found = by_name[hashed_id(b"k", made_up.ids[row])]
        assert found["logits"] == list(logits[n])
        assert found["patient"] == hashed_id(b"k", made_up.patients[row])
        np.testing.assert_array_equal(np.array(found["labels"], np.float32), made_up.y[row])


def test_candidates_are_in_slot_order_and_tell_no_member(made_up: Dataset) -> None:
    """Candidates are in slot order, and their table tells no member."""
    for kind in ("natural", "mislabelled"):
        universe = universe_of(made_up, kind)
        slots = np.flatnonzero(universe.candidate)
        assert 0 < universe.member[slots].sum() < len(slots)
        logits = np.zeros((len(slots), 3), np.float32)
        likeness = np.linspace(0, 1, len(slots), dtype=np.float32)
        table = candidates_table(universe, slots, logits, likeness, b"k")
        assert set(table.column_names) == {
            "slot", "record", "patient", "labels", "logits", "length", "similarity", "kind",
        }  # fmt: skip
        assert table["slot"].to_pylist() == list(slots)
        assert set(table["kind"].to_pylist()) == {kind}
        labels = np.array(table["labels"].to_pylist(), np.float32)
        np.testing.assert_array_equal(labels, universe.y[slots])
        assert table["similarity"].to_pylist() == list(likeness)
        assert table["length"].to_pylist() == [len(universe.texts[s].split()) for s in slots]


def test_flags_are_the_membership_of_the_candidates(made_up: Dataset) -> None:
    universe = universe_of(made_up)
    slots = np.flatnonzero(universe.candidate)
    table = flags_table(universe, slots)
    assert table["slot"].to_pylist() == list(slots)
    assert table["member"].to_pylist() == [bool(universe.member[s]) for s in slots]


def test_a_diary_without_rows_is_a_table_without_rows() -> None:
    diagnostics = TrainingDiagnostics()
    assert diagnostics_table(diagnostics).num_rows == 0
    diagnostics.note(records=3, loss=0.5, share_clipped=1.0)
    assert diagnostics_table(diagnostics).to_pylist() == [
        {"records": 3.0, "loss": 0.5, "share_clipped": 1.0}
    ]


def test_provenance_says_when_and_at_what_cost() -> None:
    told = provenance(0.0, torch.device("cpu"))
    assert told.wall_s > 1e9 and 10 < told.peak_memory_mb < 1e6
    assert told.started == "1970-01-01T00:00:00Z" < told.finished
    assert parse(Provenance, json.dumps(dump(told)), "here") == told
