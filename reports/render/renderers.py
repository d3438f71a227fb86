"""Renderers of a Table: Markdown, CSV (full precision) and the terminal."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable

from radpriv.reports.render.characters import visible
from radpriv.reports.render.table import Record, Table, Value
from radpriv.reports.render.terminal import NUMERIC, TerminalTable

__all__ = ["NUMERIC", "escaped", "markdown", "terminal", "to_csv"]


_MARKS = re.compile(r"[\\`*$~|]|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])|^(?:#|=|[-+](?=[-+ ]|$))")
"""What marks up a line: inside of it, and at its beginning."""
_LISTED = re.compile(r"^(\d{1,9})([.)])(?= |$)")


def markdown(table: Table) -> str:
    """A heading, findings, a pipe table, notes."""
    lines = [f"### {escaped(table.title)}", ""]
    lines += [f"**{escaped(finding)}**  " for finding in table.findings]
    lines += [""] if table.findings else []
    if table.rows:
        lines.append("| " + " | ".join(escaped(c) for c in table.columns) + " |")
        lines.append("|" + "|".join(" --- " for _ in table.columns) + "|")
    first_apart = len(table.rows) - table.apart
    for i, row in enumerate(table.rows):
        texts = [
            f"**{escaped(c.text)}**" if c.kind in ("best", "tie") else escaped(c.text) for c in row
        ]
        if i >= first_apart:
            texts[0] = f"*{texts[0]}*"
        lines.append("| " + " | ".join(texts) + " |")
    lines += ["", *(f"- {escaped(note)}" for note in table.notes), ""]
    return "\n".join(lines)


def to_csv(records: Iterable[Record]) -> str:
    """One line per record; columns in order of first appearance; inf as "inf", NaN as ""."""
    rows = list(records)
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_plain(row.get(name)) for name in names])
    return out.getvalue()


def terminal(table: Table, said: Iterable[str] = ()) -> TerminalTable:
    """For rich's console, at whatever width it has; notes are left to the page. said: reasons that
    stand above it already."""
    return TerminalTable(table, frozenset(said))


def escaped(text: str) -> str:
    """One line of text for Markdown: nothing in it is HTML, a link, mathematics or another mark."""
    text = _MARKS.sub(r"\\\g<0>", " ".join(visible(text).split()))
    text = _LISTED.sub(r"\1\\\2", text)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, entity)
    return text


def _plain(value: Value) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)
