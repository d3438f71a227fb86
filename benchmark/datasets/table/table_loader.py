"""A dataset of your own, without code: a CSV or Parquet file and the names of its columns.

    [[datasets]]
    name = "table"
    n_public = 400
    [datasets.options]
    file = "clinic/reports.csv"        # under --data, or absolute
    text = "report"
    patient = "mrn"
    labels = ["effusion", "opacity"]
    split = "part"
    release = "nothing"                # what may leave the machine; there is no default

A label is 1, 0 or blank (not observed). docs/own_dataset.md tells the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

from radpriv.benchmark.datasets.absent_section import has_text, says_absent
from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.datasets.public_coins import hashed
from radpriv.benchmark.datasets.table.table_files import Line, fault, read
from radpriv.benchmark.datasets.texts import even_line_ends
from radpriv.benchmark.registry import did_you_mean
from radpriv.benchmark.store.dataset_card import Release
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import DataError, SuiteError

RELEASES = get_args(Release)
SUFFIXES = (".csv", ".csv.gz", ".parquet")
SPLITS = {"train": "train", "test": "test", "validate": "validate", "validation": "validate"}
NOT_SAID = "not said"

CARD = Card(
    title="table: a CSV or Parquet file of your own",
    licence=NOT_SAID,
    access="a file of the user's",
    release="nothing",
    labels_from=NOT_SAID,
    unit_note="a row is a report; equal texts in different rows are different units",
)
NO_PATIENT = "there is no column of patients: each row counts as a patient of its own"
NO_SPLIT = "there is no official split: a public hash of the patient decides it"


@datasets.register("table")
@dataclass(frozen=True)
class TableLoader(StreamedLoader):
    """file: a .csv, .csv.gz or .parquet file, under the data folder or absolute.

    text: the column that holds the report.  labels: the columns that hold a label each, 1, 0 or
    blank; their names are those of the labels.  patient: the column that says whose report it is;
    without it each row is a patient of its own.  split: the column that says train, test or
    validate; without it a public hash of the patient decides.  test_share: of the patients, where
    there is no column for the split.  release: what may leave the machine, "open", "aggregates" or
    "nothing"; it must be said.  title, licence, labels_from: lines of the card.
    """

    name = "table"
    card = CARD

    file: str = ""
    text: str = ""
    labels: tuple[str, ...] = ()  # type: ignore[misc]  # the option, and the labels of the loader
    patient: str = ""
    split: str = ""
    test_share: float = 0.2
    release: str = ""
    title: str = ""
    licence: str = ""
    labels_from: str = ""

    def __post_init__(self) -> None:
        if self.release not in RELEASES:
            said = f"'{self.release}'" if self.release else "not said"
            raise SuiteError(
                f"dataset 'table': option 'release' is {said}: what may leave the machine, one of "
                f"{', '.join(RELEASES)}{did_you_mean(self.release, RELEASES)}"
            )
        for option in ("file", "text", "labels"):
            if not getattr(self, option):
                raise SuiteError(f"dataset 'table': option '{option}' is missing")
        if not self.file.lower().endswith(SUFFIXES):
            raise SuiteError(
                f"dataset 'table': option 'file' = '{self.file}': one of {', '.join(SUFFIXES)}"
            )
        if not 0 < self.test_share < 1:
            raise SuiteError(
                f"dataset 'table': option 'test_share' = {self.test_share:g}: between 0 and 1"
            )
        if not all(isinstance(label, str) and label for label in self.labels):
            raise SuiteError("dataset 'table': option 'labels': give names of columns")
        named = [column for _, column in self.columns()]
        if twice := [column for column, count in Counter(named).items() if count > 1]:
            raise SuiteError(f"dataset 'table': column '{twice[0]}' is named twice")
        missing = (() if self.patient else (NO_PATIENT,)) + (() if self.split else (NO_SPLIT,))
        card = replace(
            CARD,
            title=self.title or f"table: {Path(self.file).name}",
            licence=self.licence or NOT_SAID,
            release=cast(Release, self.release),  # checked above
            labels_from=self.labels_from or NOT_SAID,
            known_errors=missing,
        )
        object.__setattr__(self, "card", card)

    def columns(self) -> list[tuple[str, str]]:
        """(option, column) of every column that is read."""
        single = [(o, getattr(self, o)) for o in ("text", "patient", "split")]
        return [(o, column) for o, column in single if column] + [
            ("labels", label) for label in self.labels
        ]

    def find(self, data: Path | None) -> Path:
        path = Path(self.file).expanduser()
        if not path.is_absolute():
            if data is None:
                raise DataError(
                    f"dataset 'table': '{self.file}' lies under the data folder: name it by --data "
                    "or RADPRIV_DATA, or give an absolute path"
                )
            path = data / path
        if not path.is_file():
            beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
            raise DataError(f"{path}: no such file{did_you_mean(path.name, beside)}")
        return path

    def identity(self, data: Path | None) -> dict[str, Any]:
        path = self.find(data)
        try:
            found = file_sha256(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        options = {**self.options(), "file": path.name}  # where it lies decides nothing
        return {"loader": self.name, "options": options, "source_sha256": found}

    def told(self, source: Path | None) -> str:
        return f" ({source.name})" if source else ""

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None  # `find` gives one or raises
        seen: dict[str, tuple[str, str]] = {}  # patient -> split, and the place of its first row
        counts.update(rows=0, without_text=0, section_not_given=0, kept=0, patients=0)
        for number, line in enumerate(read(source, self.columns()), 1):
            progress(1)
            counts["rows"] += 1
            record = f"row{number:09d}"
            patient = line.cells["patient"] if self.patient else record
            if not patient:
                raise fault(source, line, self.patient, "blank: give each row its patient")
            split = self._split(source, line, patient)
            before, place = seen.setdefault(patient, (split, line.place))
            if before != split:
                raise fault(
                    source,
                    line,
                    self.split,
                    f"its patient is in '{before}' at {place}, and here in '{split}': a patient "
                    "belongs to one split",
                )
            text = even_line_ends(line.cells["text"])
            if not has_text(text):
                counts["without_text"] += 1
                counts["section_not_given"] += says_absent(text)
                continue
            counts["kept"] += 1
            yield Row(record, patient, split, text, line.states)
        counts["patients"] = len(seen)

    def _split(self, source: Path, line: Line, patient: str) -> str:
        if not self.split:
            return "test" if hashed(f"radpriv/table/test/{patient}") < self.test_share else "train"
        if line.cells["split"] not in SPLITS:
            raise fault(source, line, self.split, f"no split: one of {', '.join(SPLITS)}")
        return SPLITS[line.cells["split"]]
