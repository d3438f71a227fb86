"""What the store finds by name: plans, cells by the start of an id, attacks, plug-ins, secret."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pyarrow as pa
import pytest

from radpriv.benchmark.store import examples
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import write
from radpriv.benchmark.store.store import Store, write_json, write_parquet
from radpriv.errors import StoreError

FORK = multiprocessing.get_context("fork")
CELL, PRINT = "openi.minilm.dp_lora.eps1.s0-3fa94c1200112233", "00ff00ff00ff00ff"


def finish(store: Store) -> FinishedCell:
    with store.begin(CELL, PRINT) as job:
        write(job.folder / "record.json", examples.cell_record(cell_id=CELL, fingerprint=PRINT))
        return job.finish()


def test_an_absent_plan_names_the_command_and_the_nearest_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_plan(examples.plan(suite="quickstart"))
    assert store.read_plan("quickstart").suite == "quickstart"
    with pytest.raises(StoreError) as caught:
        store.read_plan("quickstrat")
    assert "run `radpriv run quickstrat` first" in str(caught.value)
    assert "did you mean quickstart?" in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".hidden", "a\nb", ".."])
def test_a_name_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="letters, digits"):
        store.cell_folder(name, PRINT)
    with pytest.raises(StoreError, match="letters, digits"):
        store.cell_folder(CELL, name)
    with pytest.raises(StoreError, match="letters, digits"):
        store.read_plan(name)
    with pytest.raises(StoreError, match="letters, digits"):
        store.attack_folder(name)


def test_cell_is_found_by_the_start_of_its_id_where_unique(tmp_path: Path) -> None:
    """A cell is found by the start of its id where that is unique."""
    store = Store(tmp_path)
    folder = finish(store).folder
    for name in ("openi.tfidf.epsinf.s0-aa", "openi.tfidf.epsinf.s1-bb"):
        (tmp_path / "cells" / name / PRINT).mkdir(parents=True)
    assert store.resolve(CELL) == store.resolve("openi.minilm") == [folder]
    assert next(store.cells()).parent.name == CELL
    with pytest.raises(StoreError, match="fits 2 cells; give more of one"):
        store.resolve("openi.tfidf")
    with pytest.raises(StoreError, match=r"did you mean openi\.tfidf\.epsinf\.s0-aa"):
        store.resolve("openi.tfdif.epsinf.s0-aa")
    with pytest.raises(StoreError, match="no cell is called"):
        store.resolve("")


def test_an_attack_is_written_once_and_whole(tmp_path: Path) -> None:
    store, calls = Store(tmp_path), []

    def write(folder: Path) -> None:
        calls.append(folder)
        assert not store.attack_folder("loss-1").exists()
        write_parquet(folder / "private" / "rows.parquet", pa.table({"slot": [1]}))
        write_json(folder / "result.json", {"schema": 1, "attack_id": "loss-1", "auc": 0.5})

    assert store.lookup_attack("loss-1") is None
    first = store.finish_attack("loss-1", write)
    again = store.finish_attack("loss-1", write)
    assert len(calls) == 1 and first == again == store.lookup_attack("loss-1")
    assert [p.name for p in (tmp_path / "attacks").iterdir()] == ["loss-1"]
    assert stat.S_IMODE((first.folder / "private").stat().st_mode) == 0o700


def test_an_attack_that_fails_leaves_nothing_among_the_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def write(folder: Path) -> None:
        write_json(folder / "result.json", {"schema": 1, "attack_id": "another"})

    with pytest.raises(StoreError, match="attack_id is 'another'"):
        store.finish_attack("loss-1", write)
    with pytest.raises(ZeroDivisionError):
        store.finish_attack("loss-1", lambda folder: print(1 / 0))
    assert not store.attack_folder("loss-1").exists() and store.lookup_attack("loss-1") is None
    assert store.known() == []


def read_secret(root: Path, out: Path) -> None:
    out.write_bytes(Store(root).secret())


def test_the_secret_is_made_once_however_many_ask_first(tmp_path: Path) -> None:
    root = tmp_path / "store"
    outs = [tmp_path / f"out{i}" for i in range(4)]
    processes = [FORK.Process(target=read_secret, args=(root, out)) for out in outs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    (secret,) = {out.read_bytes() for out in outs}
    assert len(secret) == 32 and Store(root).secret() == secret != Store(tmp_path / "b").secret()
    assert stat.S_IMODE((root / "secret").stat().st_mode) == 0o600


def test_secret_that_others_may_read_or_is_damaged_is_refused(tmp_path: Path) -> None:
    """A secret that others may read or that is damaged is refused."""
    store = Store(tmp_path)
    store.secret()
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        store.secret()
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(StoreError, match="5 bytes, not 32"):
        store.secret()


def test_the_snapshot_of_a_plug_in_outlives_a_change_of_the_file(tmp_path: Path) -> None:
    store, plugin = Store(tmp_path / "store"), tmp_path / "mine.py"
    plugin.write_text("x = 1\n")
    kept = store.keep_source(plugin)
    plugin.write_text("x = 2\n")
    other = store.keep_source(plugin)
    assert kept.read_text() == "x = 1\n" and other.read_text() == "x = 2\n"
    assert kept.name == "mine.py" and store.keep_source(plugin) == other
    with pytest.raises(StoreError, match=r"gone\.py"):
        store.keep_source(tmp_path / "gone.py")


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": 2, "suite": "quickstart", "more": 1}'])
def test_damaged_plan_says_to_run_its_suite_again(tmp_path: Path, damage: str) -> None:
    """Its folder holds the other plans, so nobody is told to delete that."""
    store = Store(tmp_path)
    store.write_plan(examples.plan(suite="quickstart")).write_text(damage)
    with pytest.raises(StoreError, match=r"quickstart\.json") as caught:
        store.read_plan("quickstart")
    assert "delete" not in str(caught.value)
