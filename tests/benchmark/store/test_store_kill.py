"""Workers killed at random moments: nothing half-written is read, what is finished stays."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from radpriv.benchmark.store import examples
from radpriv.benchmark.store.schema import write
from radpriv.benchmark.store.store import Finished, PendingResult, Store, write_json, write_parquet

FORK = multiprocessing.get_context("fork")
PRINT = "00ff00ff00ff00ff"
CELLS = [f"tiny.tfidf.eps1.s{i}-{i:016x}" for i in range(6)]
ROWS = 4000


def fill(job: PendingResult[Finished], cell_id: str) -> None:
    """A small run: releases, then tables, then the record. Equal for equal cells."""
    draw = random.Random(cell_id)
    with (job.folder / "ledger.jsonl").open("a") as ledger:
        for step in range(5):
            ledger.write(f'{{"step": {step}}}\n')
            ledger.flush()
            os.fsync(ledger.fileno())
    values = [draw.random() for _ in range(ROWS)]
    write_parquet(job.folder / "test.parquet", pa.table({"logit": values}))
    write_parquet(job.folder / "private" / "flags.parquet", pa.table({"slot": range(ROWS)}))
    mean = (sum(values) / ROWS,)
    record = examples.cell_record(cell_id=cell_id, fingerprint=PRINT, thresholds=mean)
    write(job.folder / "record.json", record)


def run_all(root: Path, log: Path) -> None:
    store = Store(root)
    for cell_id in CELLS:
        with store.begin(cell_id, PRINT) as job:
            if job.done is None:
                fill(job, cell_id)
                job.finish()
                with log.open("a") as file:
                    file.write(f"{cell_id}\n")

    def write(folder: Path) -> None:
        write_parquet(folder / "private" / "rows.parquet", pa.table({"slot": range(ROWS)}))
        write_json(folder / "result.json", {"schema": 1, "attack_id": "loss-1", "auc": 0.5})

    store.finish_attack("loss-1", write)


def contents(root: Path) -> dict[str, bytes]:
    """Every file under cells/ and attacks/, by its path in the store."""
    places = [root / "cells", root / "attacks"]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def read_everything(root: Path) -> int:
    """Read all that claims to be finished, from its own process' view; how much there is."""
    store, count = Store(root), 0
    for folder in store.cells():
        found = store.open(folder)
        assert found.table("test.parquet").num_rows == ROWS
        assert found.table("private/flags.parquet").num_rows == ROWS
        assert len((folder / "ledger.jsonl").read_text().splitlines()) == 5
        count += 1
    attack = store.lookup_attack("loss-1")
    assert attack is None or attack.table("private/rows.parquet").num_rows == ROWS
    return count


def start(target: Any, *args: Any) -> multiprocessing.process.BaseProcess:
    process = FORK.Process(target=target, args=args)
    process.start()
    return process


@pytest.mark.parametrize("workers", [1, 2])
def test_runs_killed_at_random_end_as_an_uninterrupted_one(tmp_path: Path, workers: int) -> None:
    """Runs killed at random end in the store of an uninterrupted run."""
    whole, root, log = tmp_path / "whole", tmp_path / "store", tmp_path / "log"
    begun = time.monotonic()
    process = start(run_all, whole, tmp_path / "other")
    process.join()
    assert process.exitcode == 0
    lasts = time.monotonic() - begun
    draw, kills, stores = random.Random(workers), 0, 0
    while kills < 12:
        stores += 1
        assert stores < 30, "the runs end before they are killed"
        root, log = tmp_path / f"store{stores}", tmp_path / f"log{stores}"
        kept, over = 0, False
        while not over:
            processes = [start(run_all, root, log) for _ in range(workers)]
            time.sleep(draw.uniform(0.1, 0.6) * lasts)
            for process in processes:
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join()
                assert process.exitcode in (0, -signal.SIGKILL)
            killed = sum(process.exitcode != 0 for process in processes)
            kills, over = kills + killed, killed == 0
            finished = read_everything(root)
            assert finished >= kept
            kept = finished
        assert contents(root) == contents(whole)
        computed = log.read_text().split()
        assert len(computed) == len(set(computed))
        assert not list(root.rglob("*.tmp"))
        assert not [p for p in (root / "work").glob("*/*") if p.is_dir()]
    assert len(contents(whole)) == 4 * len(CELLS) + 2


def release_and_wait(root: Path, cell_id: str) -> None:
    with Store(root).begin(cell_id, PRINT) as job:
        with (job.folder / "ledger.jsonl").open("a") as ledger:
            for step in range(100_000):
                ledger.write(f'{{"step": {step}}}\n')
                ledger.flush()
                (job.folder / "private" / "loss.bin").write_bytes(b"x" * step)
        job.finish()


def test_killed_run_that_had_released_leaves_its_ledger(tmp_path: Path) -> None:
    """Each killed run that had released something leaves its ledger."""
    store, draw = Store(tmp_path), random.Random(7)
    sizes = []
    for _ in range(10):
        process = start(release_and_wait, tmp_path, CELLS[0])
        ledger = tmp_path / "work" / CELLS[0] / PRINT / "ledger.jsonl"
        while len(store.attempts(CELLS[0])) < len(sizes):  # the ledger is the one before
            time.sleep(0.002)
        while not (ledger.is_file() and ledger.stat().st_size):
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.03))
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        sizes.append(ledger.stat().st_size)
    with store.begin(CELLS[0], PRINT) as job:
        fill(job, CELLS[0])
        job.finish()
    attempts = store.attempts(CELLS[0])
    assert [a.why.reason for a in attempts] == ["killed"] * 10
    kept = sorted((a.folder / "ledger.jsonl").stat().st_size for a in attempts)
    assert kept == sorted(sizes) and min(kept) > 0
    assert not list((tmp_path / "attempts").rglob("loss.bin"))


def hold(root: Path, ready: Any) -> None:
    with Store(root).begin(CELLS[0], PRINT):
        ready.set()
        time.sleep(60)


def test_the_lock_of_a_killed_worker_is_free_at_once(tmp_path: Path) -> None:
    ready = FORK.Event()
    process = start(hold, tmp_path, ready)
    assert ready.wait(10)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with Store(tmp_path).begin(CELLS[0], PRINT, wait=0) as job:
        fill(job, CELLS[0])
        assert job.finish().record.cell_id == CELLS[0]
