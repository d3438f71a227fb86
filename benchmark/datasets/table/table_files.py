"""Named columns of a CSV or Parquet file, row by row; whatever is wrong is one line.

    for line in read(path, [("text", "report"), ("labels", "effusion")]):
        line.cells["text"], line.states

An error names file, place and column. It quotes a cell only where that is a short number, and the
columns of the file only where one of those asked for is among them: else the first line may be a
report, and not a header.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from radpriv.benchmark.datasets.io import strict_csv
from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import DataError

ADVICE = "mend the file, or the options of the dataset"
STATES = ("1", "0", "blank")
BATCH = 2048
_WORDS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": math.nan}


class Line(NamedTuple):
    """One row. place: where it stands.  cells: by option, stripped.  states: 1, 0 or NaN."""

    place: str
    cells: Mapping[str, str]
    states: tuple[float, ...]


def read(path: Path, columns: Sequence[tuple[str, str]]) -> Iterator[Line]:
    """The rows of these (option, column); those of the option `labels` hold a label each.

    Raises:
        DataError: a column is missing, a label has another value, or the file is damaged.
    """
    if path.name.lower().endswith(".parquet"):
        return _parquet(path, columns)
    return _csv(path, columns)


def fault(path: Path, line: Line, column: str, what: str) -> DataError:
    """The error for a cell; `what` must not quote a report."""
    return DataError(f"{path} {line.place}, column {column}: {what}")


def _csv(path: Path, columns: Sequence[tuple[str, str]]) -> Iterator[Line]:
    plain = [(option, column) for option, column in columns if option != "labels"]
    table = strict_csv.CsvTable(
        path,
        columns=tuple(column for _, column in plain),
        labels=tuple(column for option, column in columns if option == "labels"),
        states=STATES,
        advice=ADVICE,
    )
    _check_present(path, columns, table.names())
    for number, cells, states in table:
        yield Line(f"line {number}", dict(zip((o for o, _ in plain), cells)), states)


def _parquet(path: Path, columns: Sequence[tuple[str, str]]) -> Iterator[Line]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        file = pq.ParquetFile(path)
        _check_present(path, columns, file.schema_arrow.names)
        for batch in file.iter_batches(BATCH, columns=[column for _, column in columns]):
            values = [batch.column(column).to_pylist() for _, column in columns]
            for row in zip(*values):
                number += 1
                yield _line(path, f"row {number}", columns, row)
    except (pa.ArrowException, OSError) as error:  # its words may quote what it met
        raise DataError(
            f"{path}: cannot be read as Parquet after row {number} ({type(error).__name__}); the "
            "file is cut short or damaged: get it again"
        ) from error
    if not number:
        raise DataError(f"{path}: holds no row; {ADVICE}")


def _line(path: Path, place: str, columns: Sequence[tuple[str, str]], row: Sequence[Any]) -> Line:
    line = Line(place, {}, ())
    cells, states = {}, []
    for (option, column), value in zip(columns, row):
        if option == "labels":
            states.append(_state(path, line, column, value))
        elif value is None or isinstance(value, str | int):
            cells[option] = "" if value is None else str(value).strip()
        else:
            raise fault(path, line, column, f"{type(value).__name__}, not text; {ADVICE}")
    return Line(place, cells, tuple(states))


def _state(path: Path, line: Line, column: str, value: Any) -> float:
    """1, 0 or NaN."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        found = _WORDS.get(value.strip())
    else:
        number = isinstance(value, bool | int | float)
        found = float(value) if number and (value in (0, 1) or value != value) else None
    if found is None:
        shown = f"{value:.6g}" if isinstance(value, int | float) else "this"
        raise fault(
            path, line, column, f"{shown} is no label value ({', '.join(STATES)}); {ADVICE}"
        )
    return found


def _check_present(path: Path, columns: Sequence[tuple[str, str]], present: Sequence[str]) -> None:
    missing = [(option, column) for option, column in columns if column not in present]
    if len(missing) == len(columns):
        named = ", ".join(column for _, column in columns)
        raise DataError(
            f"{path}: none of the columns {named} is there ({len(present)} columns), so it is "
            f"another file or lacks its header; {ADVICE}"
        )
    for option, column in missing:
        names = [strict_csv.shown(name) for name in present]
        raise DataError(
            f"{path}: has no column '{column}', which option '{option}' names"
            f"{did_you_mean(column, names)} (present: {', '.join(names)})"
        )
