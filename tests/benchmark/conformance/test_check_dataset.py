"""The dataset suite: a sound loader passes it, each flaw fails its own check, generators skip."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.conformance.check_dataset import CHECKS, DatasetVerdict, check_dataset
from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets, make_loader
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.datasets.io.strict_csv import CsvTable
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import DataError

LABELS = ("effusion", "opacity")
COLUMNS = ("id", "patient", "split", "text")
FILES = ("north.csv", "south.csv")


def source(data: Path) -> None:
    """Two files of eight reports each."""
    (data / "notes").mkdir()
    for file in FILES:
        with (data / "notes" / file).open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow((*COLUMNS, *LABELS))
            for i in range(8):
                where = f"{file[:5]}{i}"
                text = f"The heart of {where} is quite large, and its lungs are clear today."
                split = "test" if i >= 6 else "train"
                rows.writerow((where, f"{file[0]}{i // 2}", split, text, i % 2, int(i == 3)))


@dataclass(frozen=True)
class Notes(StreamedLoader):
    """Every file of a folder, strictly."""

    name = "notes"
    card = Card("notes", "none", "made up", "open", "made up")
    labels = LABELS

    def find(self, data: Path | None) -> Path:
        folder = (data or Path()) / "notes"
        for file in FILES:
            if not (folder / file).is_file():
                raise DataError(f"{folder / file}: absent; put it there")
        return folder

    def identity(self, data: Path | None) -> dict[str, Any]:
        found = self.find(data)
        return {"loader": self.name, "files": [file_sha256(found / file) for file in FILES]}

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None
        for file in FILES:
            table = CsvTable(source / file, COLUMNS, LABELS, ("id",), states=("1", "0"))
            for line in table:
                one, patient, split, text = line.cells
                if split not in ("train", "test"):
                    raise table.fault(line.number, "split", "neither train nor test")
                yield Row(one, patient, split, text, line.states)


class Changed(Notes):
    """Changes the rows after they were read."""

    def load(self, data: Path | None) -> Dataset:
        found = super().load(data)
        self.change(found)
        return found

    def change(self, found: Dataset) -> None:
        raise NotImplementedError


class ByRow(Changed):
    def change(self, found: Dataset) -> None:
        splits = tuple("test" if i % 2 else "train" for i in range(len(found)))
        object.__setattr__(found, "splits", splits)


class OtherSplit(Changed):
    def change(self, found: Dataset) -> None:
        splits = tuple("dev" if s == "test" else s for s in found.splits)
        object.__setattr__(found, "splits", (*splits[:-2], "test", "test"))


class Uncertain(Changed):
    def change(self, found: Dataset) -> None:
        found.y[0, 1] = -1


class NeverSeen(Changed):
    def change(self, found: Dataset) -> None:
        found.y[:, 1] = np.nan


class OtherLabels(Changed):
    def change(self, found: Dataset) -> None:
        object.__setattr__(found, "labels", ("opacity", "effusion"))


class NoTest(Changed):
    def change(self, found: Dataset) -> None:
        object.__setattr__(found, "splits", ("train",) * len(found))


class Raises(Notes):
    def rows(self, *_: Any) -> Iterator[Row]:
        raise KeyError("The heart of someone is quite large")


class Placed(Notes):
    def identity(self, data: Path | None) -> dict[str, Any]:
        return {**super().identity(data), "place": str(data)}


class BySize(Notes):
    """Files of one size pass for the same."""

    def identity(self, data: Path | None) -> dict[str, Any]:
        return {"loader": self.name, "files": len(FILES)}


class AsListed(Notes):
    """Rows are numbered as the folder lists its files."""

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None
        number = 0
        for file in os.listdir(source):
            for line in CsvTable(source / file, COLUMNS, LABELS, states=("1", "0")):
                _, patient, split, text = line.cells
                number += 1
                yield Row(f"{number:03d}", patient, split, text, line.states)


class Lenient(Notes):
    """What is absent was never there."""

    def find(self, data: Path | None) -> Path:
        return (data or Path()) / "notes"

    def identity(self, data: Path | None) -> dict[str, Any]:
        found = sorted(self.find(data).glob("*.csv"))
        return {"files": [file_sha256(path) for path in found]}

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None
        for file in [f for f in FILES if (source / f).is_file()]:
            for line in CsvTable(source / file, COLUMNS, LABELS, states=("1", "0")):
                yield Row(*line.cells, line.states)


class Skips(Notes):
    """A row that is too short is no row."""

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None
        for file in FILES:
            with (source / file).open(newline="") as lines:
                for cells in list(csv.reader(lines))[1:]:
                    if len(cells) == 6 and set(cells[4:]) <= {"0", "1"}:
                        y = tuple(map(float, cells[4:]))
                        yield Row(cells[0], cells[1], cells[2], cells[3], y)


class Quotes(Notes):
    """An error shows the row."""

    def rows(self, *args: Any) -> Iterator[Row]:
        for row in super().rows(*args):
            if row.patient[:1] not in "ns":
                raise DataError(f"{row.text}: whose report is it?")
            yield row


class QuotesCell(Quotes):
    """An error shows one cell."""

    def rows(self, *args: Any) -> Iterator[Row]:
        for row in Notes.rows(self, *args):
            if not row.id.startswith(("north", "south")):
                raise DataError(f"{row.id}: no id of ours")
            yield row


class Prints(Notes):
    """Shows what it reads."""

    def rows(self, *args: Any) -> Iterator[Row]:
        for row in super().rows(*args):
            print(row.text)
            yield row


@cache
def verdicts(loader: Loader, made: Any = source) -> dict[str, DatasetVerdict]:
    return {v.check: v for v in check_dataset(loader, made)}


def test_a_sound_loader_passes_every_check() -> None:
    found = verdicts(Notes())
    assert [v for v in found.values() if v.passed is not True] == []
    assert tuple(found) == CHECKS


@pytest.mark.parametrize(
    ("flaw", "check", "words"),
    [
        (Raises, "loads", "ended with KeyError at test_check_dataset.py"),
        (NoTest, "loads", "0 rows are 'test'"),
        (Uncertain, "label values", "label 'opacity' has a value beside 0, 1 and NaN"),
        (NeverSeen, "label values", "label 'opacity' is observed in no row"),
        (OtherLabels, "label values", "other labels than its loader"),
        (ByRow, "split by patient", "is in 'train' and in 'test'"),
        (OtherSplit, "split by patient", "a split is called 'dev'"),
        (Placed, "stable identity", "in another folder has another identity"),
        (BySize, "stable identity", "other rows under the same identity"),
        (AsListed, "order of files", "listed backwards: other rows"),
        (Lenient, "near-miss file names", "other rows, and no count says so"),
        (Skips, "truncated input", "read without a word, 5 rows are gone"),
        (Quotes, "no text in an error", "the error quotes a report or a cell"),
        (QuotesCell, "no text in an error", "the error quotes a report or a cell"),
        (Prints, "no text in an error", "as it is: what is printed quotes a report"),
    ],
)
def test_a_flaw_fails_the_check_that_names_it(flaw: type[Notes], check: str, words: str) -> None:
    found = verdicts(flaw())[check]
    assert found.passed is False and words in found.detail, found


def test_what_a_suite_says_quotes_no_report() -> None:
    """A verdict may be pasted into an issue: its own words hold no text either."""
    for flaw in (Raises, Quotes, Prints):
        assert not [v for v in verdicts(flaw()).values() if "heart" in v.detail.lower()]


def test_a_loader_without_a_source_is_told_to_bring_one() -> None:
    (found,) = verdicts(Notes(), None).values()
    assert not found.passed and "give source, a function" in found.detail


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("synthetic-plain", {"reports": 60}),
        ("synthetic-mimic-cxr", {"reports": 200}),
        ("synthetic-ct-rate", {"reports": 200}),
        ("transfer", {"train": "synthetic-plain", "test": "synthetic-mimic-cxr"}),
    ],
)
def test_a_generator_skips_what_is_said_of_files(name: str, options: dict[str, Any]) -> None:
    if name == "transfer":
        options = {**options, "train_options": {"reports": 60}, "test_options": {"reports": 200}}
    assert name in datasets.names()
    found = verdicts(make_loader(name, options), None)
    skipped = [check for check, v in found.items() if v.passed is None]
    assert skipped == ["order of files", "near-miss file names", "truncated input"]
    assert [v for v in found.values() if v.passed is False] == [] and tuple(found) == CHECKS
