"""Reports from a file or from standard input, for a model to label.

    reports = read_reports(Path("new.csv"), "text")
    reports.lines[0], reports.texts[0]              # the line that a report begins on, and its text

.txt and standard input: one report a line, blank lines left out. .csv (also .csv.gz) and .jsonl: a
report may have several lines, and the column or key that holds it is named. Whatever cannot be read
is a DataError of one line that names file and line, and never a word of what stands there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from radpriv.benchmark.datasets.io.strict_csv import CsvTable
from radpriv.errors import DataError

COLUMN = "text"
STDIN = "standard input"


@dataclass(frozen=True)
class Reports:
    """lines: the line of each report in its file, from 1. texts: private data."""

    lines: tuple[int, ...]
    texts: tuple[str, ...] = field(repr=False)


Numbered = Iterator[tuple[int, str]]


def read_reports(path: Path, column: str = COLUMN) -> Reports:
    """All reports of a file, by its ending. column: of a CSV file, or key of JSON Lines."""
    name = path.name.lower()
    for endings, reader in READERS.items():
        if name.endswith(endings):
            return _collected(reader(path, column), str(path), column)
    raise DataError(
        f"{path}: give a file whose name ends in .txt (one report a line), .csv or .jsonl"
    )


def read_lines(lines: Iterable[bytes], source: str = STDIN) -> Reports:
    """One report a line, as from standard input."""
    return _collected(_numbered(lines, source), source, "")


def _collected(found: Numbered, source: str, column: str) -> Reports:
    numbers, texts = list[int](), list[str]()
    for number, text in found:
        if not text.strip():
            raise _fault(source, number, column, "is blank; leave the row out")
        try:
            text.encode()
        except UnicodeEncodeError:
            problem = "holds half of a surrogate pair, which is no character; mend it"
            raise _fault(source, number, column, problem) from None  # the cause carries the text
        numbers.append(number)
        texts.append(text)
    if not texts:
        raise DataError(f"{source}: holds no report; give at least one")
    return Reports(tuple(numbers), tuple(texts))


def _numbered(lines: Iterable[bytes], source: str) -> Numbered:
    """Decoded lines that are not blank."""
    for number, raw in enumerate(lines, 1):
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 at its byte {error.start + 1}; write the file as UTF-8"
            raise _fault(source, number, "", problem) from None
        if text:
            yield number, text


def _plain(path: Path, column: str) -> Numbered:
    if column != COLUMN:
        raise DataError(f"{path}: one report a line has no column '{column}'; leave it out")
    try:
        with path.open("rb") as file:
            yield from _numbered(file, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _csv(path: Path, column: str) -> Numbered:
    for line in CsvTable(path, (column,), advice="mend the file, or name the column by --column"):
        yield line.number, line.cells[0]


def _json_lines(path: Path, column: str) -> Numbered:
    try:
        with path.open("rb") as file:
            for number, line in _numbered(file, str(path)):
                yield number, _value(line, str(path), number, column)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _value(line: str, source: str, number: int, key: str) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        why = f"{error.msg}, at {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        problem = f"no JSON object ({why or type(error).__name__}); give one a line"
        raise _fault(source, number, "", problem) from None  # the cause carries the line
    if not isinstance(found, dict):
        raise _fault(source, number, "", "no JSON object; give one a line")
    if key not in found:
        raise _fault(source, number, key, "is missing; name the key of the text by --column")
    if not isinstance(found[key], str):
        raise _fault(source, number, key, "is no text; give a string")
    return str(found[key])


def _fault(source: str, number: int, column: str, problem: str) -> DataError:
    where = f", column {column}," if column else ":"
    return DataError(f"{source} line {number}{where} {problem}")


READERS: dict[tuple[str, ...], Callable[[Path, str], Numbered]] = {
    (".txt",): _plain,
    (".csv", ".csv.gz"): _csv,
    (".jsonl", ".ndjson"): _json_lines,
}
"""How a file is read, by the ending of its name."""
