"""A strict, streaming reader of CSV files with ids and labels, plain or gzipped.

    table = Table(path, ("study_id",), labels=CHEXPERT, key=("study_id",))
    for number, cells, states in table:
        (study,) = cells       # in the order asked for, blanks around them stripped
        states                 # 1.0, 0.0, -1.0 or NaN (blank) per label
        raise table.fault(number, "study_id", f"not a number; {table.advice}")

Columns are found by name, so their order does not matter, and neither does an extra one (the
index that table programs add). A byte order mark, blank lines and line ends of every kind (LF,
CR LF, a bare CR) are fine. Everything else is a DataError of one line that names file, line and
column: a column that is missing or there twice, a row with more or fewer fields than the header, a
repeated key, a label of another value, bytes that are not UTF-8, a gzip file that is damaged or cut
short, a file without rows.

An error quotes a cell only where it is a short number, and column names only where the first line
is a header: any other cell may be the text of a report.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from radpriv.errors import DataError

STATES = ("1", "0", "-1", "blank")
_VALUES = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": math.nan}
_NUMBER = re.compile(r"-?\d{1,6}(\.\d{0,6})?")
_LONGEST_LINE = 1 << 22  # bytes
_CHUNK = 1 << 18  # bytes
_LONGEST_NAME = 60  # characters of a column's name
_GZIP = b"\x1f\x8b"


class CsvLine(NamedTuple):
    """One row. number: of its first line in the file (1 is the header)."""

    number: int
    cells: tuple[str, ...]
    states: tuple[float, ...]


@dataclass(frozen=True)
class CsvTable:
    """A CSV file of which some columns are read; each iteration opens it anew.

    columns: their cells are `CsvLine.cells`, in this order.
    labels: columns that hold a label; their values are `CsvLine.states`, in this order.
    key: those of `columns` whose values together occur once; memory grows by the keys.
    aliases: names in the file that stand for a column or label.
    states: which label values the file may hold, of STATES ("1.0" is 1).
    advice: what to do about a damaged file; ends an error.
    """

    path: Path
    columns: tuple[str, ...]
    labels: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = STATES
    advice: str = "get the file again"

    def __iter__(self) -> Iterator[CsvLine]:
        records = self._records()
        header = next(records, None)
        if header is None:
            raise DataError(f"{self.path}: is empty; {self.advice}")
        names = self._header(header[1])
        columns = [names.index(name) for name in self.columns]
        labels = [names.index(name) for name in self.labels]
        key = [self.columns.index(name) for name in self.key]
        values = {cell: v for cell, v in _VALUES.items() if _state(v) in self.states}
        seen: dict[tuple[str, ...], int] = {}
        number = 0
        for number, row in records:
            if len(row) != len(names):
                raise self.fault(
                    number,
                    "",
                    f"{len(row)} fields where the header has {len(names)}; {self.advice}",
                )
            cells = tuple([row[i].strip() for i in columns])
            if key:
                first = seen.setdefault(tuple([cells[i] for i in key]), number)
                if first != number:
                    raise self.fault(
                        number, ", ".join(self.key), f"repeats line {first}; {self.advice}"
                    )
            try:
                states = tuple([values[row[i].strip()] for i in labels])
            except KeyError:
                raise self._no_label(number, [row[i].strip() for i in labels], values) from None
            yield CsvLine(number, cells, states)
        if not number:
            raise DataError(f"{self.path}: holds no row below its header; {self.advice}")

    def names(self) -> list[str]:
        """The names in the first line; what is no header is a name here too, so show none as is.

        Raises:
            DataError: the file is empty, or cannot be read.
        """
        header = next(self._records(), None)
        if header is None:
            raise DataError(f"{self.path}: is empty; {self.advice}")
        return [name.strip() for name in header[1]]

    def fault(self, number: int, column: str, what: str) -> DataError:
        """The error for a cell (column "": for the row). `what` must not quote a report."""
        where = f", column {column}" if column else ""
        return DataError(f"{self.path} line {number}{where}: {what}")

    def _no_label(
        self, number: int, cells: Sequence[str], values: Mapping[str, float]
    ) -> DataError:
        label, cell = next((n, c) for n, c in zip(self.labels, cells) if c not in values)
        shown = f"'{cell}'" if _NUMBER.fullmatch(cell) else "this" if cell else "blank"
        known = ", ".join(self.states)
        return self.fault(number, label, f"{shown} is no label value ({known}); {self.advice}")

    def _header(self, row: list[str]) -> list[str]:
        """Names of the columns, aliases resolved; DataError if one is missing or there twice."""
        names = [self.aliases.get(name.strip(), name.strip()) for name in row]
        needed = (*self.columns, *self.labels)
        missing = [name for name in needed if name not in names]
        if len(missing) == len(needed):
            raise self.fault(
                1,
                "",
                f"none of the columns {', '.join(missing)} is there ({len(names)} fields), so it "
                f"is another file or lacks its header; {self.advice}",
            )
        twice = [name for name, count in Counter(names).items() if name and count > 1]
        for what, wrong in (("missing", missing), ("there twice", twice)):
            if wrong:
                raise self.fault(
                    1,
                    ", ".join(map(shown, wrong)),
                    f"{what} (present: {', '.join(map(shown, names))}); {self.advice}",
                )
        return names

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """(number of the first line, fields) of each row that is not blank, the header too."""
        try:
            with _open(self.path) as file:
                reader = csv.reader(self._lines(file), strict=True)
                number = 1
                for row in reader:
                    if row:
                        yield number, row
                    number = reader.line_num + 1
        except csv.Error as error:  # its messages speak of quotes, delimiters and sizes alone
            raise self.fault(
                number, "", f"from here on no whole row ({error}); {self.advice}"
            ) from error
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror})") from error

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        """Decoded lines with their ends."""
        number = 0
        try:
            for number, raw in enumerate(raw_lines(file), 1):
                if len(raw) > _LONGEST_LINE:
                    raise self.fault(
                        number, "", f"longer than {_LONGEST_LINE >> 20} MiB; {self.advice}"
                    )
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self.fault(
                number, "", f"not UTF-8 at its byte {error.start + 1}; {self.advice}"
            ) from None  # the cause would carry the line
        except EOFError as error:
            raise DataError(
                f"{self.path}: cut short after line {number} (a gzip file without its end); "
                f"{self.advice}"
            ) from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.path}: damaged after line {number} (not a whole gzip file); {self.advice}"
            ) from error


def raw_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file with their ends, LF, CR LF or a bare CR; one that grows too long is given
    as far as it was read."""
    rest = b""
    while chunk := file.read(_CHUNK):
        lines = (rest + chunk).splitlines(keepends=True)
        # What has no end yet goes on in the next chunk; a CR may be half of a CR LF.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines
        if len(rest) > _LONGEST_LINE:
            break
    yield from [rest] if rest else []


def _state(value: float) -> str:
    return "blank" if math.isnan(value) else f"{value:g}"


def _open(path: Path) -> BinaryIO:
    """The file, unpacked if it is gzipped whatever its name: browsers unpack and keep the name."""
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path, "rb") if zipped else path.open("rb"))


def shown(name: str) -> str:
    """A column's name for an error; a field that is too long to be one is only counted."""
    if len(name) > _LONGEST_NAME or not name.isprintable():
        return f"(a field of {len(name)} characters)"
    return name or "(no name)"
