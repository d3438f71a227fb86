"""The life of a result: asked for, begun under a lock, finished or failed, found again."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from radpriv.benchmark.store import atomic, examples, pending_result
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import write
from radpriv.benchmark.store.store import (
    PendingResult,
    Store,
    read_json,
    write_json,
    write_parquet,
)
from radpriv.errors import CellFailed, StoreError

FORK = multiprocessing.get_context("fork")
CELL, PRINT = "openi.minilm.dp_lora.eps1.s0-3fa94c1200112233", "00ff00ff00ff00ff"


def fill(job: PendingResult[FinishedCell], value: int = 5) -> None:
    folder = job.folder
    (folder / "ledger.jsonl").write_text('{"step": 0}\n')
    write_parquet(folder / "test.parquet", pa.table({"record": ["a", "b"]}))
    write_parquet(folder / "private" / "flags.parquet", pa.table({"slot": [1], "member": [True]}))
    (folder / "model").mkdir()
    (folder / "model" / "head.safetensors").write_bytes(b"\0" * 64)
    write(folder / "record.json", record(value))


def record(value: int = 5, fingerprint: str = PRINT) -> CellRecord:
    return examples.cell_record(cell_id=CELL, fingerprint=fingerprint, trainable_parameters=value)


def finish(store: Store, value: int = 5) -> FinishedCell:
    with store.begin(CELL, PRINT) as job:
        fill(job, value)
        return job.finish()


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_cell_is_a_miss_until_it_is_finished_and_then_a_hit(tmp_path: Path) -> None:
    """A cell is a miss until it is finished and a hit afterwards."""
    store = Store(tmp_path / "store")
    assert store.lookup(CELL, PRINT) is None
    with store.begin(CELL, PRINT) as job:
        fill(job)
        assert store.lookup(CELL, PRINT) is None
        job.finish()
    found = Store(tmp_path / "store").lookup(CELL, PRINT)
    assert found is not None and found.record.trainable_parameters == 5
    assert found.folder == store.cell_folder(CELL, PRINT)
    assert found.table("private/flags.parquet")["member"].to_pylist() == [True]
    assert files(found.folder) == [
        "ledger.jsonl",
        "model/head.safetensors",
        "private/flags.parquet",
        "record.json",
        "test.parquet",
    ]
    assert store.lookup(CELL, "11ff00ff00ff00ff") is None
    assert not (store.root / "work" / CELL / PRINT).exists()
    assert store.attempts(CELL) == []


def test_finished_cell_is_read_only_and_private_for_the_owner(
    tmp_path: Path,
) -> None:
    """A finished cell is read-only and its private part for the owner alone."""
    folder = finish(Store(tmp_path)).folder
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.rglob("*")}
    assert modes["private"] == 0o700 and modes["flags.parquet"] == 0o400
    assert all(modes[Path(name).name] & 0o222 == 0 for name in files(folder))


def test_a_private_folder_is_closed_while_the_cell_is_running(tmp_path: Path) -> None:
    with Store(tmp_path).begin(CELL, PRINT) as job:
        (job.folder / "private" / "run.key").write_bytes(b"k" * 32)
        assert stat.S_IMODE((job.folder / "private").stat().st_mode) == 0o700
        fill(job)
        done = job.finish()
    assert stat.S_IMODE((done.folder / "private" / "run.key").stat().st_mode) == 0o400


def test_a_result_without_its_record_cannot_be_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match=r"record\.json: absent"), store.begin(CELL, PRINT) as job:
        job.finish()
    assert store.lookup(CELL, PRINT) is None
    assert [a.why.reason for a in store.attempts(CELL)] == ["failed"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (None, "absent"),
        (b'{"schema": 1,', "line 1: damaged"),
        (b"[]", "expected a table of keys"),
        (b"{}", "key schema is missing"),
        (b'{"schema": 99}', "schema 99, not 1"),
        (b'{"schema": 1, "cell_id": "other", "fingerprint": "f"}', "cell_id is 'other'"),
    ],
)
def test_a_damaged_cell_is_an_error_that_names_the_file(
    tmp_path: Path, damage: bytes | None, expected: str
) -> None:
    store = Store(tmp_path)
    path = finish(store).folder / "record.json"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    with pytest.raises(StoreError) as caught:
        store.lookup(CELL, PRINT)
    assert str(path) in str(caught.value) and expected in str(caught.value)
    with pytest.raises(StoreError, match=r"record\.json"), store.begin(CELL, PRINT):
        pytest.fail("work began on a damaged cell")


def test_first_finished_result_stays_and_a_second_is_discarded(tmp_path: Path) -> None:
    """What is finished first stays and a second result is discarded."""
    store = Store(tmp_path)
    finish(store, 5)
    with store.begin(CELL, PRINT) as job:
        assert job.done is not None
        fill(job, 9)
        assert job.finish().record.trainable_parameters == 5
    found = store.lookup(CELL, PRINT)
    assert found is not None and found.record.trainable_parameters == 5
    with store.begin(CELL, PRINT) as job:
        pass  # seen to be done, left alone
    assert store.attempts(CELL) == [] and not job.folder.exists()


def test_a_result_that_came_from_elsewhere_meanwhile_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.begin(CELL, PRINT) as job:
        fill(job, 9)
        elsewhere = store.cell_folder(CELL, PRINT)
        elsewhere.mkdir(parents=True)
        write(elsewhere / "record.json", record(1))
        assert job.finish().record.trainable_parameters == 1
    assert not job.folder.exists()


def test_failure_keeps_the_ledger_and_the_reason_alone(tmp_path: Path) -> None:
    """A failure keeps the ledger and the reason and nothing else."""
    store = Store(tmp_path)
    with store.begin(CELL, PRINT) as job:
        fill(job)
        job.fail("stuck", "an adapter did not move; give another rank")
    assert store.lookup(CELL, PRINT) is None
    (attempt,) = store.attempts(CELL)
    assert (attempt.why.reason, attempt.releases, attempt.fingerprint) == ("stuck", 1, PRINT)
    assert attempt.why.sentence == "an adapter did not move; give another rank"
    assert files(attempt.folder) == ["ledger.jsonl", "reason.json"]
    finish(store)  # it may be tried again
    assert len(store.attempts(CELL)) == 1


def test_an_exception_counts_as_failure_and_passes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(CellFailed), store.begin(CELL, PRINT):
        raise CellFailed("no coin fell")
    with pytest.raises(KeyboardInterrupt), store.begin(CELL, PRINT):
        raise KeyboardInterrupt
    with store.begin(CELL, PRINT):
        pass
    assert {(a.why.reason, a.why.sentence) for a in store.attempts(CELL)} == {
        ("failed", "no coin fell"),
        ("interrupted", "the run was interrupted; run again"),
        ("failed", "the run ended without a result"),
    }


def test_foreign_exception_message_is_not_kept_as_it_may_quote(
    tmp_path: Path,
) -> None:
    """The message of a foreign exception is not kept, since it may quote a report."""
    store = Store(tmp_path)
    with pytest.raises(ValueError), store.begin(CELL, PRINT):
        raise ValueError("cannot tokenise 'No acute cardiopulmonary process'")
    (attempt,) = store.attempts(CELL)
    assert "ValueError at test_store.py" in attempt.why.sentence
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"cardiopulmonary" not in path.read_bytes()


def die_in(store: Store, ledger: str) -> None:
    with store.begin(CELL, PRINT) as job:
        (job.folder / "ledger.jsonl").write_text(ledger)
        (job.folder / "private" / "run.key").write_bytes(b"k" * 32)
        os._exit(9)


@pytest.mark.parametrize(("ledger", "kept"), [("one\ntwo\n", 1), ("", 0)])
def test_the_ledger_of_a_killed_run_is_kept_and_its_key_is_not(
    tmp_path: Path, ledger: str, kept: int
) -> None:
    store = Store(tmp_path)
    process = FORK.Process(target=die_in, args=(store, ledger))
    process.start()
    process.join()
    assert (store.root / "work" / CELL / PRINT / "private" / "run.key").exists()
    with store.begin(CELL, PRINT) as job:
        assert files(job.folder) == []
        fill(job)
        job.finish()
    assert [(a.why.reason, a.releases) for a in store.attempts(CELL)] == [("killed", 2)][:kept]
    assert not list(tmp_path.rglob("run.key"))


def test_a_reason_that_was_written_before_the_kill_stands(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = tmp_path / "work" / CELL / PRINT
    folder.mkdir(parents=True)
    write_json(folder / "reason.json", {"reason": "stuck", "sentence": "a", "when": "2026"})
    finish(store)
    assert [a.why.reason for a in store.attempts(CELL)] == ["stuck"]


def compute(root: Path, log: Path, start: Any) -> None:
    store = Store(root)
    start.wait()
    with store.begin(CELL, PRINT) as job:
        if job.done is None:
            with log.open("a") as file:
                file.write("computed\n")
            time.sleep(0.1)
            fill(job)
            job.finish()


def test_processes_that_want_one_cell_at_once_compute_it_once(tmp_path: Path) -> None:
    start, log = FORK.Event(), tmp_path / "log"
    processes = [
        FORK.Process(target=compute, args=(tmp_path / "store", log, start)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join()
    assert [p.exitcode for p in processes] == [0] * 4
    assert log.read_text() == "computed\n"
    assert Store(tmp_path / "store").lookup(CELL, PRINT) is not None


def test_busy_cell_is_refused_with_the_process_that_computes_it(tmp_path: Path) -> None:
    """A busy cell is refused with the process that computes it."""
    ready, over = threading.Event(), threading.Event()

    def hold() -> None:
        with Store(tmp_path).begin(CELL, PRINT) as job:
            ready.set()
            over.wait(10)
            fill(job)
            job.finish()

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(10)
    busy = f"process {os.getpid()} is computing it"
    with pytest.raises(StoreError, match=busy), Store(tmp_path).begin(CELL, PRINT, wait=0):
        pytest.fail("two worked on one cell")
    over.set()
    with Store(tmp_path).begin(CELL, PRINT, wait=10) as job:
        assert job.done is not None
    holder.join()


def test_full_disk_in_a_run_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk inside a run is one sentence and keeps what is finished."""
    store = Store(tmp_path)
    finish(store)
    other = "11ff00ff00ff00ff"

    class SafetensorError(Exception):
        """As the library raises it."""

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for error in (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ):
        with pytest.raises(StoreError, match="no space is left") as caught:  # noqa: SIM117
            with store.begin(CELL, other) as job:
                monkeypatch.setattr(atomic.os, "fsync", full)
                raise error
        monkeypatch.undo()
        assert "\n" not in str(caught.value) and str(job.folder) in str(caught.value)
    with pytest.raises(StoreError, match="no space is left"), store.begin(CELL, other) as job:
        write(job.folder / "record.json", record(fingerprint=other))
        monkeypatch.setattr(pending_result.os, "rename", full)
        job.finish()
    monkeypatch.undo()
    assert store.lookup(CELL, PRINT) is not None and store.lookup(CELL, other) is None
    with store.begin(CELL, other) as job:
        write(job.folder / "record.json", record(fingerprint=other))
        job.finish()
    assert store.lookup(CELL, other) is not None


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="store: a file, not a folder"):
        Store(tmp_path / "store")
    with (
        pytest.raises(StoreError, match="a file"),
        Store(tmp_path / "store" / "in").begin("a", "b"),
    ):
        pytest.fail("work began inside a file")


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder of a user to whom permission bits apply, as whom the test then runs."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    for place in [folder, *folder.rglob("*")]:
        if place.is_dir():
            place.chmod(0o700)
    if root:
        os.seteuid(0)
    shutil.rmtree(folder)


def test_a_store_that_cannot_be_written_is_read_all_the_same(unprivileged_folder: Path) -> None:
    store = Store(unprivileged_folder)
    finish(store)
    store.write_plan(examples.plan(suite="tiny"))
    for folder in [store.root, *store.root.rglob("*")]:
        if folder.is_dir():
            folder.chmod(0o500)
    again = Store(store.root)
    found = again.lookup(CELL, PRINT)
    assert found is not None and found.table("private/flags.parquet").num_rows == 1
    assert again.read_plan("tiny") == examples.plan(suite="tiny")
    with pytest.raises(StoreError, match="not permitted"):
        again.write_plan(examples.plan(suite="tiny"))
    with pytest.raises(StoreError, match="not permitted"), again.begin("new", "f"):
        pytest.fail("work began in a read-only store")
    with pytest.raises(StoreError, match="not permitted"):
        again.secret()


def test_opening_a_store_writes_nothing_and_sweeps_leftovers(tmp_path: Path) -> None:
    Store(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    places = [tmp_path, tmp_path / "plans", tmp_path / "sources" / "ab", tmp_path / "work" / CELL]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        (place / f".a.json.1-{'0' * 16}.tmp").write_text("half")
    Store(tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_the_reason_of_an_attempt_is_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.begin(CELL, PRINT) as job:
        job.fail("stuck", "a sentence")
    (attempt,) = store.attempts(CELL)
    assert set(read_json(attempt.folder / "reason.json")) == {"reason", "sentence", "when"}
