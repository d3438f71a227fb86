"""Joining rows per scan, against an obvious way of doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate
from radpriv.benchmark.datasets.ct_rate.scans import (
    Reported,
    Spool,
    join_sections,
    read_labels,
    spooled,
)
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS, parse_volume

SEVERAL = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
def test_order_of_reconstructions_in_the_file_changes_nothing(
    copies: dict[int, str], order: Any
) -> None:
    """The order of reconstructions in the file changes nothing."""
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


def test_progress_counts_every_row_and_a_scan_of_the_right_split(tree: Any) -> None:
    """Progress counts every row, and a scan of the right split."""
    tree.fill(["train_1_a_1", "train_1_a_2", "valid_1_a_1"])
    told: Counter[str] = Counter()
    scans = read_labels(tree.path("train", "labels"), "train", lambda k: told.update({"rows": k}))
    assert told["rows"] == 2 and list(scans) == ["train_1_a"]
    volume = parse_volume("train_1_a_1")
    assert volume is not None and volume.scan in scans
