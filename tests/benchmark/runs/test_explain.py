"""Why a cell hits or misses, in sentences; and that the id follows what is asked, only that."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.cell import AuditPolicy, Budget, Cell
from radpriv.benchmark.runs.explain import explain
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store, write_json
from radpriv.errors import StoreError

OLD, NEW = "a1" * 32, "b2" * 32


def cell(**changes: Any) -> Cell:
    plain = Cell(
        dataset="openi",
        dataset_identity={"loader": "openi", "options": {"holdout": "test"}, "sha256": "c3" * 32},
        encoder="minilm",
        encoder_sha256=OLD,
        method="dp_lora",
        params={"rank": 8, "steps": 60},
        public=("synthetic-plain",),
        budget=Budget(8.0, 1e-5),
        n_public=2400,
        seed=0,
        suite_key_sha256="d4" * 32,
        noise_mode="replayable",
        audit=AuditPolicy(share=0.2, key_sha256="e5" * 32),
    )
    return replace(plain, **changes)


def how(**changes: Any) -> Fingerprint:
    plain = Fingerprint(
        modules={
            "radpriv.benchmark.runs.runner": "11" * 32,
            "radpriv.benchmark.privacy.sampling": "22",
        },
        data={"radpriv/benchmark/datasets/openi_labels.csv": "33" * 32},
        packages={"numpy": "2.3.1", "torch": "2.13.0"},
        python="3.11",
        device="cpu",
        dtype="float32",
    )
    return replace(plain, **changes)


def put(store: Store, asked: Cell, computed: Fingerprint, status: str = "done") -> Path:
    record = {
        "schema": 1,
        "cell_id": asked.id,
        "fingerprint": computed.digest,
        "status": status,
        "cell": asked.as_dict(),
        "how": computed.as_dict(),
    }
    with store.begin(asked.id, computed.digest) as work:
        write_json(work.folder / "record.json", record)
        return work.finish().folder


def test_one_changed_weight_makes_another_id_and_names_the_hash(
    tmp_path: Path,
) -> None:
    """One changed weight of a model gives another cell id, and the hash is named."""
    store, before, after = Store(tmp_path), cell(), cell(encoder_sha256=NEW)
    put(store, before, how())
    assert after.id != before.id and store.lookup(after.id, how().digest) is None
    lines = explain(store, after.id, how(), after.as_dict())
    assert lines[0].startswith("miss: ")
    assert before.id in lines[1]
    assert lines[2:] == [f"encoder_sha256: {OLD[:12]}… → {NEW[:12]}…"]


def test_axes_and_parameters_in_any_order_have_one_id_and_hit(tmp_path: Path) -> None:
    """Axes and parameters in another order have the same id and hit."""
    store, before = Store(tmp_path), cell()
    put(store, before, how())
    identity = dict(reversed(before.dataset_identity.items()))
    permuted = cell(params={"steps": 60, "rank": 8}, dataset_identity=identity)
    assert list(permuted.params) != list(before.params)
    assert (permuted.id, permuted.family) == (before.id, before.family)
    assert store.lookup(permuted.id, how().digest) is not None
    assert explain(store, permuted.id, how(), permuted.as_dict())[0].startswith("hit: ")
    shuffled = {key: permuted.as_dict()[key] for key in sorted(permuted.as_dict(), reverse=True)}
    assert explain(store, permuted.id, how(), shuffled)[0].startswith("hit: ")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": 1}, "seed: 0 → 1"),
        ({"budget": Budget(1.0, 1e-5)}, "budget.epsilon: 8.0 → 1.0"),
        ({"params": {"rank": 4, "steps": 60}}, "params.rank: 8 → 4"),
        ({"params": {"rank": 8}}, "params.steps: 60 → absent"),
        (
            {"audit": AuditPolicy(0.2, key_sha256="ff" * 32)},
            "audit.key_sha256: e5e5e5e5e5e5…",
        ),
        ({"limited": 50}, "limited: None → 50"),
        (
            {
                "dataset_identity": {
                    "loader": "openi",
                    "options": {"holdout": "x"},
                    "sha256": "c3" * 32,
                }
            },
            "dataset_identity.options.holdout: test → x",
        ),
    ],
)
def test_field_that_differs_from_the_nearest_cell_is_named(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    """The field in which the nearest stored cell differs is named."""
    store = Store(tmp_path)
    put(store, cell(), how())
    put(store, cell(method="tfidf", params={}, encoder="", seed=7), how())
    lines = explain(store, cell(**changes).id, how(), cell(**changes).as_dict())
    assert lines[0].startswith("miss: ") and cell().id in lines[1]
    assert len(lines) == 3 and lines[2].startswith(expected)


def test_infinite_budgets_are_compared_as_they_are_stored(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, cell(budget=Budget(math.inf, 0.0)), how())
    lines = explain(store, cell().id, how(), cell().as_dict())
    assert "budget.epsilon: inf → 8.0" in lines


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"modules": {"radpriv.benchmark.runs.runner": "11" * 32}},
            "module radpriv.benchmark.privacy.sampling is used no more",
        ),
        (
            {
                "modules": {
                    "radpriv.benchmark.runs.runner": "11" * 32,
                    "radpriv.benchmark.privacy.sampling": "23",
                }
            },
            "module radpriv.benchmark.privacy.sampling changed",
        ),
        (
            {"data": {"radpriv/benchmark/datasets/openi_labels.csv": "44" * 32}},
            "data file radpriv/benchmark/datasets/openi_labels.csv changed",
        ),
        ({"packages": {"numpy": "2.4.0", "torch": "2.13.0"}}, "package numpy 2.3.1 → 2.4.0"),
        (
            {"packages": {"numpy": "2.3.1", "torch": "2.13.0", "peft": "0.18"}},
            "package peft is new",
        ),
        ({"python": "3.12"}, "python 3.11 → 3.12"),
        ({"device": "cuda"}, "device cpu → cuda"),
        ({"dtype": "float64"}, "dtype float32 → float64"),
    ],
)
def test_a_miss_names_the_one_thing_that_changed(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    store = Store(tmp_path)
    put(store, cell(), how())
    lines = explain(store, cell().id, how(**changes), cell().as_dict())
    assert lines[0] == f"miss: {cell().id} is stored, but not as it would be computed now"
    assert lines[1:] == [expected]


def test_the_nearest_of_several_stored_results_is_compared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, cell(), how(python="3.10", device="cuda", dtype="float64"))
    put(store, cell(), how(packages={"numpy": "2.3.0", "torch": "2.13.0"}))
    assert explain(store, cell().id, how())[1:] == ["package numpy 2.3.0 → 2.3.1"]


def test_a_hit_says_how_the_cell_ended_and_where_it_lies(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = put(store, cell(), how(), status="diverged")
    expected = [f"hit: {cell().id} is stored as diverged in {folder}"]
    assert explain(store, "openi.minilm", how()) == expected
    assert explain(store, cell().id) == [f"{cell().id} is stored as diverged in {folder}"]


def test_code_that_is_never_cached_says_so_with_its_reason(tmp_path: Path) -> None:
    store = Store(tmp_path)
    put(store, cell(), how())
    never = how(why_not_cached="plug-in mine.py:3 uses exec", nonce="1")
    (line,) = explain(store, cell().id, never)
    assert line.startswith("miss: ") and "plug-in mine.py:3 uses exec" in line


def test_failed_attempts_are_told_with_their_reasons(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.begin(cell().id, how().digest) as work:
        (work.folder / "ledger.jsonl").write_text("1\n2\n")
        work.fail("stuck", "an adapter did not move")
    lines = explain(store, cell().id)
    assert lines[0] == f"miss: {cell().id} never finished"
    assert "stuck, 2 releases" in lines[1] and "an adapter did not move" in lines[1]
    put(store, cell(), how())
    lines = explain(store, cell().id, how(), cell().as_dict())
    assert lines[0].startswith("hit: ") and "an adapter did not move" in lines[1]


def test_unknown_cell_is_told_apart_from_a_planned_one(
    tmp_path: Path,
) -> None:
    """A cell that was never heard of is told apart from one that is planned."""
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="no cell is called"):
        explain(store, cell().id)
    lines = explain(store, cell().id, how(), cell().as_dict())
    assert lines == [f"miss: {cell().id} was never run to its end as it is asked now"]


def test_damaged_record_is_told_and_the_others_are_compared(tmp_path: Path) -> None:
    """A damaged record is reported, and the others are still compared."""
    store = Store(tmp_path)
    folder = put(store, cell(seed=3), how())
    put(store, cell(seed=4), how())
    (folder / "record.json").unlink()
    lines = explain(store, cell().id, how(), cell().as_dict())
    assert "record.json" in lines[0] and lines[0].startswith("damaged: ")
    assert lines[-1] == "seed: 4 → 0"
    assert "record.json" in explain(store, cell(seed=3).id, how())[0]
