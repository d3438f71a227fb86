"""From MeSH codes to labels: a table that a reader can check, and its strict reader.

The table (openi_labels.csv) has one row per decision: head, qualifier (empty: any), label, reason.
A code such as "Opacity/lung/base/left" has head "Opacity" and three qualifiers; a row applies if
its head is the code's and its qualifier is empty or among the code's. The label "none" records that
a head (or the rest of it) was looked at and belongs to no class, so a code without any row shows.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.datasets.chexpert import CHEXPERT, NO_FINDING
from radpriv.errors import DataError

COLUMNS = ("head", "qualifier", "label", "reason")
NONE = "none"
MAPPING = Path(__file__).with_name("openi_labels.csv")


def parts(code: str) -> tuple[str, ...]:
    """Head and qualifiers of a code, blanks and case evened out ("enlarged " occurs)."""
    return tuple(" ".join(part.split()).lower() for part in code.split("/"))


@dataclass(frozen=True)
class Mapping:
    """head -> ((qualifier or "", label), …); a head whose rows say "none" maps to ()."""

    rules: dict[str, tuple[tuple[str, str], ...]]

    def knows(self, code: str) -> bool:
        return parts(code)[0] in self.rules

    def labels(self, codes: Iterable[str]) -> frozenset[str]:
        """Labels of one report's codes. "No Finding" holds only if no code says anything else."""
        split = [parts(code) for code in codes]
        found = {
            label
            for head, *qualifiers in split
            for qualifier, label in self.rules.get(head, ())
            if not qualifier or qualifier in qualifiers
        }
        heads = {head for head, *_ in split}
        if any(("", NO_FINDING) not in self.rules.get(head, ()) for head in heads):
            found.discard(NO_FINDING)
        return frozenset(found)


def read_mapping(path: Path) -> Mapping:
    """The table at `path`; DataError names file, row and field of the first fault."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = list(reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise DataError(f"{path}: the label mapping cannot be read ({error.strerror})") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the label mapping is not a UTF-8 CSV file ({error})") from error
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise DataError(
            f"{path}: column {', '.join(missing)} is missing (present: {', '.join(header)})"
        )
    return _build(path, rows)


def _build(path: Path, rows: list[tuple[int, dict[str, str | None]]]) -> Mapping:
    rules: dict[str, list[tuple[str, str]]] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for line, row in rows:
        head, qualifier, label = (" ".join((row[c] or "").split()) for c in COLUMNS[:3])
        head, qualifier = head.lower(), qualifier.lower()
        where = f"{path} row {line}"
        if None in row:
            raise DataError(f"{where}: more fields than columns; quote a field that has a comma")
        if not head:
            raise DataError(f"{where}, field head: empty; give the head of a MeSH code")
        if label not in (*CHEXPERT, NONE):
            raise DataError(f"{where}, field label: {_unknown(label)}")
        if not (row["reason"] or "").strip():
            raise DataError(f"{where}, field reason: empty; say why, the table is read by people")
        _refuse_clash(where, seen, head, qualifier, label)
        seen[head, qualifier, label] = line
        rules.setdefault(head, [])
        if label != NONE:
            rules[head].append((qualifier, label))
    if not seen:
        raise DataError(f"{path}: the label mapping has no rows")
    return Mapping({head: tuple(rule) for head, rule in rules.items()})


def _refuse_clash(
    where: str, seen: dict[tuple[str, str, str], int], head: str, qualifier: str, label: str
) -> None:
    for (h, q, other), line in seen.items():
        if (h, q) != (head, qualifier):
            continue
        code = f"{h}/{q}" if q else h
        if other == label:
            raise DataError(f"{where}: repeats row {line} ('{code}' is '{label}'); delete one")
        if NONE in (other, label):
            raise DataError(
                f"{where}, field label: '{code}' is '{label}' here and '{other}' in row {line}; "
                "delete one"
            )


def _unknown(label: str) -> str:
    near = difflib.get_close_matches(label, CHEXPERT, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"no label is called '{label}'{hint} (known: {', '.join((*CHEXPERT, NONE))})"
