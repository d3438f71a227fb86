"""Other orders of columns are read; a faulty file is refused by name, row and column."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS


def test_columns_come_in_any_order_with_index_and_crlf(tree: Any) -> None:
    """Columns come in any order, with an index and the line ends of Windows."""
    tree.fill()
    volume = "train_1_a_1.nii.gz"
    header = ("", *reversed(LABELS), "VolumeName", "Unnamed: 0")
    row = (0, *(int(n == "Consolidation") for n in reversed(LABELS)), volume, 0)
    tree.write(tree.path("train", "labels"), header, [row])
    with tree.path("train", "reports").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(("", "Impressions_EN", "VolumeName", "Findings_EN"))
        writer.writerow((0, "Second.", volume, "First."))
    data = CTRate().load(tree.data)
    assert data.texts[0] == "First. Second."
    assert [n for n, on in zip(LABELS, data.y[0]) if on] == ["Consolidation"]


def test_files_that_somebody_packed_are_read_too(tree: Any) -> None:
    tree.fill()
    for kind in ("reports", "labels"):
        path = tree.path("train", kind)
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert len(CTRate().load(tree.data)) == 2
    path.write_bytes(path.read_bytes()[:-9])
    assert "cut short" in tree.refusal()


@pytest.mark.parametrize("kind", ["reports", "labels"])
def test_header_of_the_classifiers_own_table_is_refused_by_name(tree: Any, kind: str) -> None:
    """The header of the classifier's own table is refused by name."""
    path = tree.fill().path("train", kind)
    path.write_text(path.read_text().replace("VolumeName", "AccessionNo", 1))
    message = tree.refusal()
    assert f"{path} line 1" in message and "VolumeName" in message.partition("present:")[0]
    assert "AccessionNo" in message.partition("present:")[2]


def labels_file(cells: dict[str, object], volume: str = "train_1_a_1.nii.gz") -> list[object]:
    return [volume, *(cells.get(name, 0) for name in LABELS)]


@pytest.mark.parametrize("cell", [-1, "-1.0", "", "2", 0.5, "nan", "yes", "unspeakable"])
def test_impossible_label_is_refused_by_row_and_column(tree: Any, cell: object) -> None:
    """A label that a classifier cannot have given is refused by row and column."""
    path = tree.fill().path("train", "labels")
    rows = [labels_file({}), labels_file({"Lung opacity": cell}, "train_2_a_1.nii.gz")]
    tree.write(path, ("VolumeName", *LABELS), rows)
    message = tree.refusal()
    assert f"{path} line 3, column Lung opacity" in message and "no label value (1, 0)" in message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unspeakable", "not of the form train_1_a_2.nii.gz"),
        ("", "not of the form"),
        ("train_01_a_1.nii.gz", "not of the form"),
        ("valid_1_a_1.nii.gz", "valid_1_a_1.nii.gz is no volume of the split train"),
        ("train_1_a_1.nii.gz", "train_1_a_1.nii.gz repeats line 2"),
        ("train_1_a_1", "train_1_a_1.nii.gz repeats line 2"),
    ],
)
@pytest.mark.parametrize("kind", ["reports", "labels"])
def test_a_name_that_is_wrong_or_there_twice_is_refused_by_line(
    tree: Any, kind: str, name: str, said: str
) -> None:
    path = tree.fill().path("train", kind)
    with path.open("a", newline="") as file:
        row = [name, *([0] * 18)] if kind == "labels" else [name, "", "", tree.marker, ""]
        csv.writer(file).writerow(row)
    message = tree.refusal()
    assert f"{path} line 3, column VolumeName" in message and said in message


@pytest.mark.parametrize("kind", ["reports", "labels"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: data.split(b"\r\n")[0], "holds no row"),
        (lambda data: data + b'train_9_a_1.nii.gz,"unspeakable', "no whole row"),
        (lambda data: data + b"train_9_a_1.nii.gz,unspeakable\r\n", "fields where the header has"),
        (lambda data: data + b"unspeakable \xff\r\n", "not UTF-8"),
        (lambda data: b"<!doctype html>\nunspeakable: you need access", "none of the columns"),
        (lambda data: data.replace(b"train_1_a", b"train_2_a"), "none of its scans is in"),
    ],
)
def test_a_damaged_file_is_refused_by_name_without_its_text(
    tree: Any, kind: str, damage: Callable[[bytes], bytes], said: str
) -> None:
    path = tree.fill().path("train", kind)
    path.write_bytes(damage(path.read_bytes()))
    message = tree.refusal()
    assert str(path) in message and said in message


def test_marker_in_the_texts_is_seen_when_it_comes_out(tree: Any) -> None:
    """The marker that stands in the texts is seen when it does come out."""
    data = CTRate().load(tree.fill().data)
    assert tree.marker in data.texts[0]
    assert tree.marker not in repr(data) + repr(data.texts) + repr(data.counts)


def test_file_cut_short_between_rows_is_refused_by_name(tree: Any) -> None:
    """A file that is cut short between rows is refused by name."""
    volumes = [f"train_{i}_a_1" for i in range(1, 70)]
    for kind in ("labels", "reports"):
        tree.fill([*volumes, "valid_1_a_1"])
        path = tree.path("train", kind)
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:20]))
        said = tree.refusal()
        assert path.name in said and "no row for 50 of the 69 scans" in said
        path.write_text("".join(lines[:60]))  # ten are counted, and told
        counts = CTRate().load(tree.data).counts
        assert counts["without_labels"] + counts["without_report"] == 10
