"""A table as data: columns, rows of cells, notes, and the full-precision records behind them.

One `Table` is rendered as Markdown, CSV, HTML and for the terminal (renderers.py, page.py), so that
the four never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

Value = str | float | int | bool | None
Record = Mapping[str, Value]
"""A line of a CSV file, as its columns."""


@dataclass(frozen=True)
class TableCell:
    """kind: "name", "label", "number", "best", "tie", "missing", "absent" or "text".

    note: a detail, shown where there is room.
    """

    text: str
    kind: str = "text"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """findings: sentences computed from the numbers; notes: definitions and caveats.

    columns: headings; the first cell of each row is its heading. apart: number of rows at the end
    that are set apart (trivial or reference rows). records: the lines of its CSV.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    apart: int = 0
    records: tuple[Record, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["records"] = [
            {k: (None if isinstance(v, float) and math.isnan(v) else v) for k, v in r.items()}
            for r in self.records
        ]
        return plain


def record(line: Any) -> dict[str, Value]:
    """The fields of a line as columns; those of a dataclass inside it stand in its place."""
    found: dict[str, Value] = {}
    for field in fields(line):
        value = getattr(line, field.name)
        nested = is_dataclass(value) and not isinstance(value, type)
        found |= record(value) if nested else {field.name: value}
    return found
