"""Joining rows per scan, against an obvious way of doing it; and what a faulty file says."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.ctrate import CTRate
from radpriv.benchmark.datasets.ctrate_names import LABELS, parse_volume
from radpriv.benchmark.datasets.ctrate_scans import (
    Reported,
    Spool,
    join_sections,
    read_labels,
    spooled,
)

SEVERAL = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
STEMS = st.builds(
    "{}_{}_{}_{}".format,
    st.sampled_from(("train", "valid")),
    st.integers(1, 12),
    st.sampled_from("ab"),
    st.integers(1, 12),
)
CELLS = st.sampled_from(("", "nan", "One.", 'Two, "quoted"\nand a line.', "Dr\u00fc\u2028se"))


def obvious(
    reports: dict[str, tuple[str, str]], labels: dict[str, set[str]]
) -> dict[str, tuple[str, set[str]]]:
    """scan -> (text, positive labels) of what must be kept."""
    kept = {}
    for scan in {v.rpartition("_")[0] for v in reports} & {v.rpartition("_")[0] for v in labels}:
        mine = [v for v in reports if v.rpartition("_")[0] == scan]
        texts = [
            " ".join(" ".join(c.split()) for c in reports[v] if c not in ("", "nan"))
            for v in sorted(mine, key=lambda v: int(v.rpartition("_")[2]))
        ]
        on = set().union(*(labels[v] for v in labels if v.rpartition("_")[0] == scan))
        if any(texts):
            kept[scan] = (next(filter(None, texts)), on)
    return kept


@given(
    reports=st.dictionaries(STEMS, st.tuples(CELLS, CELLS), max_size=25),
    labels=st.dictionaries(STEMS, st.sets(st.sampled_from(LABELS), max_size=3), max_size=25),
)
@SEVERAL
def test_any_two_tables_join_as_the_obvious_way_does(
    trees: Callable[[], Any], reports: dict[str, tuple[str, str]], labels: dict[str, set[str]]
) -> None:
    for split in ("train", "valid"):  # a split that joins nothing is refused
        reports[f"{split}_99_a_1"], labels[f"{split}_99_a_1"] = ("One.", ""), set()
    tree = trees()
    for split in ("train", "valid"):
        tree.reports(split, {v: r for v, r in reports.items() if v.startswith(split)})
        tree.labels(split, {v: on for v, on in labels.items() if v.startswith(split)})
    data = CTRate().load(tree.data)
    expected = obvious(reports, labels)
    assert list(data.ids) == sorted(expected)
    for scan, text, row in zip(data.ids, data.texts, data.y):
        assert (text, {n for n, on in zip(LABELS, row) if on}) == expected[scan]
    left = ("without_report", "without_labels", "without_text", "held_back")
    scans = {v.rpartition("_")[0] for v in (*reports, *labels)}
    assert data.counts["scans"] == len(scans) == len(data) + sum(data.counts[n] for n in left)


@given(
    copies=st.dictionaries(st.integers(1, 9), st.sampled_from(("", "one", "two")), min_size=1),
    order=st.randoms(use_true_random=False),
)
@SEVERAL
def test_the_order_of_reconstructions_in_the_file_changes_nothing(
    copies: dict[int, str], order: Any
) -> None:
    numbers = list(copies)
    order.shuffle(numbers)
    with spooled() as spool:
        report = Reported()
        for number in numbers:
            report.add(number, copies[number], spool)
        said = {n: text for n, text in copies.items() if text}
        assert (report.number >= 0) == bool(said)
        if said:
            assert report.number == min(said)
            assert spool.read(report.begin, report.size) == said[min(said)]
        assert report.differ == (len(set(said.values())) > 1)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20), st.randoms(use_true_random=False))
@SEVERAL
def test_a_spool_gives_back_each_text_in_any_order(texts: list[str], order: Any) -> None:
    texts = [text.encode(errors="replace").decode() for text in texts]
    with spooled() as spool:
        places = [(spool.write(text), text) for text in texts]
        order.shuffle(places)
        for (begin, size), text in places:
            assert spool.read(begin, size) == text


def test_a_spool_has_no_name_and_leaves_nothing(cache: Path) -> None:
    with spooled() as spool:
        assert isinstance(spool, Spool)
        spool.write("private")
        assert list((cache / "tables").iterdir()) == []
    assert (cache / "tables").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (["A.", "B."], "A. B."),
        (["nan", "B."], "B."),
        (["NaN", " None "], ""),
        (["<NA>", "null"], ""),
        (["...", "-"], ""),
        (["No nan here.", ""], "No nan here."),
        (["None of the lesions grew.", "nan"], "None of the lesions grew."),
        ([" a \r\n b ", "\tc"], "a b c"),
        ([""], ""),
    ],
)
def test_a_blank_cell_never_becomes_a_text(cells: list[str], text: str) -> None:
    assert join_sections(cells) == text


def test_columns_come_in_any_order_with_an_index_and_line_ends_of_windows(tree: Any) -> None:
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
def test_the_header_of_the_classifier_s_own_table_is_refused_by_name(tree: Any, kind: str) -> None:
    path = tree.fill().path("train", kind)
    path.write_text(path.read_text().replace("VolumeName", "AccessionNo", 1))
    message = tree.refusal()
    assert f"{path} line 1" in message and "VolumeName" in message.partition("present:")[0]
    assert "AccessionNo" in message.partition("present:")[2]


def labels_file(cells: dict[str, object], volume: str = "train_1_a_1.nii.gz") -> list[object]:
    return [volume, *(cells.get(name, 0) for name in LABELS)]


@pytest.mark.parametrize("cell", [-1, "-1.0", "", "2", 0.5, "nan", "yes", "unspeakable"])
def test_a_label_that_a_classifier_cannot_have_given_is_refused_by_row_and_column(
    tree: Any, cell: object
) -> None:
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


def test_the_marker_that_stands_in_the_texts_is_seen_when_it_does_come_out(tree: Any) -> None:
    data = CTRate().load(tree.fill().data)
    assert tree.marker in data.texts[0]
    assert tree.marker not in repr(data) + repr(data.texts) + repr(data.counts)


def test_progress_tells_of_every_row_and_a_scan_of_the_right_split(tree: Any) -> None:
    tree.fill(["train_1_a_1", "train_1_a_2", "valid_1_a_1"])
    told: Counter[str] = Counter()
    scans = read_labels(tree.path("train", "labels"), "train", lambda k: told.update({"rows": k}))
    assert told["rows"] == 2 and list(scans) == ["train_1_a"]
    volume = parse_volume("train_1_a_1")
    assert volume is not None and volume.scan in scans
