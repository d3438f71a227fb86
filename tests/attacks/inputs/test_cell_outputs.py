"""Damaged, inconsistent or mixed cells are refused, and the sentence names the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.attacks.inputs.cell_outputs import Withheld, load, open_cell, unreadable
from radpriv.attacks.run_family import attack_family
from radpriv.errors import AttackError

WriteCell = Callable[..., Path]
Seeds = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture
def folder(write_cell: WriteCell, untrained: Seeds) -> Path:
    return write_cell(0, *untrained[0])


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def test_arrays_come_back_as_they_were_written(folder: Path, untrained: Seeds) -> None:
    outputs = load(open_cell(folder))
    logits, labels, member = untrained[0]
    assert outputs.logits.dtype == np.float32 and np.array_equal(outputs.logits, logits)
    assert np.array_equal(outputs.labels, labels, equal_nan=True) and np.isnan(labels).any()
    assert np.array_equal(outputs.member, member) and outputs.member.dtype == np.bool_
    assert outputs.slots[:3].tolist() == [1, 4, 7] and len(outputs.patient) == 600


def test_slots_of_flags_and_candidates_must_agree(folder: Path) -> None:
    path = folder / "private" / "flags.parquet"
    rewrite(path, lambda t: t.slice(0, 599))
    with pytest.raises(AttackError, match=r"flags\.parquet: 1 slots .*first: 1798"):
        load(open_cell(folder))


def test_equal_length_does_not_hide_other_slots(folder: Path) -> None:
    path = folder / "private" / "flags.parquet"
    rewrite(path, lambda t: t.set_column(0, "slot", pa.array(np.arange(600) * 3 + 2)))
    with pytest.raises(AttackError, match=r"flags\.parquet: 1200 slots"):
        load(open_cell(folder))


def test_rows_out_of_slot_order_are_refused(folder: Path) -> None:
    rewrite(folder / "private" / "candidates.parquet", lambda t: t.take([1, 0, 2]))
    with pytest.raises(AttackError, match=r"candidates\.parquet: row 1 is out of slot order"):
        load(open_cell(folder))


@pytest.mark.parametrize("name", ["record.json", "test.parquet", "private/flags.parquet"])
@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_absent_or_cut_file_is_named(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AttackError, match=name.split("/")[-1].replace(".", r"\.")) as caught:
        load(open_cell(folder))
    assert "run it again" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file_decides_what_one_is_told_to_do(folder: Path) -> None:
    """What to do is told by what is not there.

    A copy without private/ is whole, and nothing of it is to be deleted.
    """
    private = folder / "private"
    (private / "candidates.parquet").rename(folder / "kept")
    with pytest.raises(AttackError, match="copy it from where the cell was run, or delete"):
        load(open_cell(folder))
    shutil.rmtree(private)
    with pytest.raises(Withheld, match=r"copy without private files.*copy private/ too") as caught:
        load(open_cell(folder))
    assert "delete" not in str(caught.value) and "damaged" not in str(caught.value)
    closed = str(unreadable(private / "flags.parquet", PermissionError(13, "Permission denied")))
    assert "only its owner may read it" in closed and "delete" not in closed


def test_missing_column_empty_entry_and_short_row_are_named(folder: Path) -> None:
    """A missing column, an empty entry and a short row are named."""
    path = folder / "private" / "candidates.parquet"
    whole = pq.read_table(path)
    short = pa.array([[0.0]] * 600, type=pa.list_(pa.float32()))
    empty = pa.array([None, *range(599)], type=pa.int32())
    at = whole.column_names.index
    for table, words in (
        (whole.drop_columns(["patient"]), "column 'patient' is missing"),
        (whole.set_column(at("length"), "length", empty), "column 'length' has empty entries"),
        (whole.set_column(at("logits"), "logits", short), "'logits' must have 5 entries"),
    ):
        pq.write_table(table, path)
        with pytest.raises(AttackError, match=words):
            load(open_cell(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "another"}, "its family is another"),
        ({"fingerprint": "beef"}, "its fingerprint is beef"),
        ({"role": "control"}, "its role is control"),
        ({"status": "diverged"}, "ended as diverged"),
    ],
)
def test_cells_that_do_not_belong_together_are_refused(
    write_cell: WriteCell, untrained: Seeds, changes: dict[str, Any], words: str
) -> None:
    cells = [
        open_cell(write_cell(0, *untrained[0])),
        open_cell(write_cell(1, *untrained[1], **changes)),
    ]
    with pytest.raises(AttackError, match=words):
        attack_family("loss", {}, cells, "f")


def test_one_cell_twice_and_no_cell_are_refused(folder: Path) -> None:
    cell = open_cell(folder)
    with pytest.raises(AttackError, match="seed 0 was given twice"):
        attack_family("loss", {}, [cell, cell], "f")
    with pytest.raises(AttackError, match="at least one finished cell"):
        attack_family("loss", {}, [], "f")


def test_seeds_with_other_candidates_are_refused(write_cell: WriteCell, untrained: Seeds) -> None:
    cells = [open_cell(write_cell(s, *untrained[s])) for s in range(2)]
    path = cells[1].folder / "private" / "candidates.parquet"
    renamed = [f"x{i:05d}" for i in range(600)]
    rewrite(path, lambda t: t.set_column(1, "record", pa.array(renamed)))
    with pytest.raises(AttackError, match=r"candidates\.parquet: other candidates"):
        attack_family("loss", {}, cells, "f")


def test_audit_set_of_one_side_is_refused_with_a_sentence(
    write_cell: WriteCell, untrained: Seeds
) -> None:
    """An audit set whose coins all fell alike is refused with a sentence."""
    logits, labels, _ = untrained[0]
    cell = open_cell(write_cell(0, logits[:3], labels[:3], np.ones(3, dtype=bool)))
    with pytest.raises(AttackError, match="none of them non-members"):
        attack_family("loss", {}, [cell], "f")
