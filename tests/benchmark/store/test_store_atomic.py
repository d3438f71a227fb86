"""Files are whole or absent: concurrent writers, killed writers, full disks, odd values."""

from __future__ import annotations

import errno
import fcntl
import math
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.store import atomic
from radpriv.benchmark.store.atomic import (
    atomic_write,
    read_json,
    read_parquet,
    sweep,
    write_json,
    write_parquet,
)
from radpriv.errors import StoreError

FORK = multiprocessing.get_context("fork")


def temporaries(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.name.endswith(".tmp")]


def write_many(path: Path, writer: int, errors: Path, times: int) -> None:
    """Write `times` valid states; whatever goes wrong is noted."""
    try:
        for number in range(times):
            write_json(path, {"writer": writer, "number": number, "fill": "x" * 3000})
    except BaseException as error:
        errors.joinpath(f"{os.getpid()}").write_text(repr(error))
        raise


def test_killed_writers_never_fail_nor_leave_half_a_file(
    tmp_path: Path,
) -> None:
    """Four writers that are killed at random never fail and never leave half a file."""
    path, errors = tmp_path / "cell" / "status.json", tmp_path / "errors"
    errors.mkdir()
    write_json(path, {"writer": -1, "number": -1, "fill": ""})
    draw = random.Random(33)
    killed = reads = 0

    def start(writer: int) -> multiprocessing.process.BaseProcess:
        process = FORK.Process(target=write_many, args=(path, writer, errors, 400))
        process.start()
        return process

    running = {writer: start(writer) for writer in range(4)}
    while running:
        value = read_json(path)  # raises on anything but a whole file
        assert set(value) == {"writer", "number", "fill"}
        reads += 1
        for writer, process in list(running.items()):
            if not process.is_alive():
                process.join()
                assert process.exitcode in (0, -signal.SIGKILL)
                del running[writer]
                if process.exitcode != 0:
                    running[writer] = start(writer)  # each ends with 400 writes in a row
        if killed < 12 and draw.random() < 0.05 and running:
            os.kill(draw.choice(list(running.values())).pid or 0, signal.SIGKILL)
            killed += 1
        time.sleep(0.001)
    assert list(errors.iterdir()) == []
    assert killed >= 4 and reads > 50
    assert read_json(path)["number"] == 399
    sweep(path.parent)
    assert temporaries(tmp_path) == []
    assert [p.name for p in path.parent.iterdir()] == ["status.json"]


def test_sweep_removes_a_killed_writers_file_not_the_one_in_use(
    tmp_path: Path,
) -> None:
    """Sweep removes the file of a killed writer and keeps the one in use."""

    def stall(path: Path) -> None:
        original = os.fsync

        def wait(handle: int) -> None:
            original(handle)
            path.with_suffix(".ready").touch()
            time.sleep(60)

        atomic.os.fsync = wait  # type: ignore[attr-defined]
        atomic_write(path, b"half")

    process = FORK.Process(target=stall, args=(tmp_path / "a.json",))
    process.start()
    while not (tmp_path / "a.ready").exists():
        time.sleep(0.005)
    held = temporaries(tmp_path)
    assert len(held) == 1
    assert sweep(tmp_path) == [] and temporaries(tmp_path) == held
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert sweep(tmp_path) == held and temporaries(tmp_path) == []
    assert not (tmp_path / "a.json").exists()


def test_file_swept_between_creation_and_lock_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file swept between its creation and its lock is written again."""
    swept: list[Path] = []
    original = fcntl.flock

    def sweep_first(handle: int, how: int) -> None:
        if how == fcntl.LOCK_EX and not swept:
            swept.append(temporaries(tmp_path)[0])
            swept[0].unlink()
        original(handle, how)

    monkeypatch.setattr(atomic.fcntl, "flock", sweep_first)
    atomic_write(tmp_path / "a", b"whole")
    assert len(swept) == 1
    assert (tmp_path / "a").read_bytes() == b"whole" and temporaries(tmp_path) == []


def test_sweep_leaves_files_alone_that_only_look_alike(tmp_path: Path) -> None:
    for name in (".a.json.tmp", "notes.tmp", ".a.json.12-xyz.tmp", "a.json"):
        (tmp_path / name).write_text("mine")
    assert sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
def test_full_disk_at_any_step_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    """A full disk at any step is one sentence and keeps the old file."""
    path = tmp_path / "plan.json"
    write_json(path, {"old": 1})

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic.os, call, full)
    with pytest.raises(StoreError) as caught:
        write_json(path, {"new": 2})
    monkeypatch.undo()
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ") and "free some" in sentence and "\n" not in sentence
    assert read_json(path) == {"old": 1} and temporaries(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode != 0:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_really_full_disk_keeps_what_was_written_before(tiny_disk: Path) -> None:
    write_json(tiny_disk / "a.json", {"kept": True})
    with pytest.raises(StoreError, match=r"b\.json: no space is left"):
        write_json(tiny_disk / "b.json", {"fill": "x" * 200_000})
    assert read_json(tiny_disk / "a.json") == {"kept": True}
    assert [p.name for p in tiny_disk.iterdir()] == ["a.json"]
    write_json(tiny_disk / "b.json", {"fill": "x"})


def test_content_and_name_are_on_disk_when_a_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original_sync, original_replace = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        original_sync(handle)

    def note_rename(source: Path, target: Path) -> None:
        synced.append("rename")
        original_replace(source, target)

    monkeypatch.setattr(atomic.os, "fsync", note_sync)
    monkeypatch.setattr(atomic.os, "replace", note_rename)
    atomic_write(tmp_path / "a", b"whole")
    assert synced == ["file", "rename", "folder"]


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="store: a file lies where a folder belongs"):
        write_json(tmp_path / "store" / "plans" / "a.json", {})


def test_a_folder_that_may_not_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object, *rest: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(atomic.os, "open", refuse)
    with pytest.raises(StoreError, match=r"a\.json: not permitted .*make it writable"):
        write_json(tmp_path / "a.json", {})


def test_files_in_private_folders_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "private" / "loss.json", [1.0])
        write_json(tmp_path / "record.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "private" / "loss.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "record.json").stat().st_mode) == 0o644


def test_json_has_sorted_keys_one_space_and_infinity_as_text(tmp_path: Path) -> None:
    """JSON has sorted keys, one space, and infinity as text."""
    path = tmp_path / "a.json"
    write_json(path, {"b": (1, math.inf), "a": {"d": -math.inf, "c": 0.1}})
    assert path.read_text() == (
        '{\n "a": {\n  "c": 0.1,\n  "d": "-inf"\n },\n "b": [\n  1,\n  "inf"\n ]\n}\n'
    )
    write_json(path, {"n": np.int64(3), "x": np.float64(0.5), "v": np.arange(2)})
    assert read_json(path) == {"n": 3, "x": 0.5, "v": [0, 1]}


def test_nan_is_refused_and_its_field_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"rows\[1\]\.auc is NaN"):
        write_json(tmp_path / "a.json", {"rows": [{"auc": 1.0}, {"auc": math.nan}]})
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_json_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"a\.json: .*set"):
        write_json(tmp_path / "a.json", {"cells": {1, 2}})


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_json_comes_back_as_it_was_whatever_the_order_of_keys(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]
) -> None:
    """JSON comes back as it was, whatever the order of its keys."""
    first = tmp_path_factory.getbasetemp() / "a.json"
    write_json(first, value)
    bytes_before = first.read_bytes()
    write_json(first, dict(reversed(value.items())))
    assert first.read_bytes() == bytes_before
    assert read_json(first) == value


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (b'{\n "a": 1,\n "b": ', "line 3: damaged"),
        (b"", "line 1: damaged"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"\xff\xfe\xff", "damaged"),
    ],
)
def test_a_damaged_json_file_is_named_with_its_line(
    tmp_path: Path, damage: bytes, expected: str
) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(damage)
    with pytest.raises(StoreError) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and expected in str(caught.value)


def candidates(count: int = 50) -> pa.Table:
    return pa.table(
        {
            "slot": pa.array(range(count), pa.int64()),
            "record": pa.array([f"r{i}" for i in range(count)]),
            "labels": pa.array(
                [[float(i % 2), math.nan] for i in range(count)], pa.list_(pa.float32())
            ),
            "length": pa.array([i % 7 for i in range(count)], pa.int32()),
            "member": pa.array([i % 3 == 0 for i in range(count)]),
        }
    )


def same(table: pa.Table) -> pa.Table:
    return table


def in_chunks(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 13), table.slice(13)])  # one row group either way


def with_metadata(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({"pandas": "{}", "made": "yesterday"})


def with_field_ids(table: pa.Table) -> pa.Table:
    fields = [f.with_metadata({"PARQUET:field_id": str(7 + i)}) for i, f in enumerate(table.schema)]
    return table.cast(pa.schema(fields))


@pytest.mark.parametrize("history", [same, in_chunks, with_metadata, with_field_ids])
def test_equal_tables_have_equal_bytes_whatever_their_history(
    tmp_path: Path, history: Callable[[pa.Table], pa.Table]
) -> None:
    write_parquet(tmp_path / "a.parquet", candidates())
    write_parquet(tmp_path / "b.parquet", history(candidates()))
    write_parquet(tmp_path / "c.parquet", read_parquet(tmp_path / "a.parquet"))
    expected = (tmp_path / "a.parquet").read_bytes()
    assert (tmp_path / "b.parquet").read_bytes() == expected
    assert (tmp_path / "c.parquet").read_bytes() == expected
    assert b"yesterday" not in expected


def test_a_table_comes_back_with_its_types_and_missing_labels(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", candidates())
    back = read_parquet(tmp_path / "a.parquet")
    assert [f.name for f in back.schema] == [f.name for f in candidates().schema]
    assert back["slot"].type == pa.int64() and back["length"].type == pa.int32()
    assert back["labels"].type.value_type == pa.float32() and back["member"].type == pa.bool_()
    flat = pc.list_flatten(back["labels"]).to_numpy()
    np.testing.assert_array_equal(flat, pc.list_flatten(candidates()["labels"]).to_numpy())
    changed = candidates().set_column(3, "length", pa.array([1] * 50, pa.int32()))
    write_parquet(tmp_path / "b.parquet", changed)
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "b.parquet").read_bytes()


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.parquet"
    write_parquet(path, candidates())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"test\.parquet: damaged"):
        read_parquet(path)
    with pytest.raises(StoreError, match=r"gone\.parquet: absent"):
        read_parquet(tmp_path / "gone.parquet")
