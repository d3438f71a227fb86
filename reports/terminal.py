"""A Table for the terminal: laid out for the width at hand, with nothing cut off.

    console.print(TerminalTable(table))

Where all fits, cells keep the words they have on the page; otherwise they get shorter ones, then
closer columns, then more lines, broken between words. Methods and the intervals beside them stay
on one line. What a short form means stands below; long reasons move there too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from radpriv.reports.tables import NON_PRIVATE, Cell, Table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

NUMERIC = frozenset({"number", "best", "tie", "missing", "absent"})
STYLES = {"best": "bold green", "tie": "bold", "missing": "red", "absent": "dim"}
HEADINGS = {
    "method (encoder)": "method",
    "AUC, 95% interval": "AUC [95%]",
    "TPR at 5% FPR": "TPR@5%",
    "TPR at 1% FPR": "TPR@1%",
    "ε lower bound": "ε ≥",
    "candidates": "n",
}
LONGEST_REASON = 16
"""Characters of a reason that a cell may hold; a longer one moves below the table."""

LEGEND = {
    "n/r": "n/r: not resolvable, fewer than 10/f non-members",
    "ε ≥": "ε ≥: lower bound at 95%",
    "n": "n: candidates",
    "k": "k: seeds",
    "▲": "▲ best at its ε",
    "△": "△ tied best",
    "*": "* see the notes in the report",
}


@dataclass(frozen=True)
class Layout:
    """short: shorter words in cells, and one of several encoders below its method, not beside it.
    gap: spaces between columns."""

    short: bool
    gap: int


LAYOUTS = (Layout(False, 3), Layout(False, 2), Layout(True, 2), Layout(True, 1))


@dataclass(frozen=True)
class TerminalTable:
    """Title, table, reasons, findings, legend. Notes are left to the page."""

    table: Table

    @property
    def row_count(self) -> int:
        return len(self.table.rows)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich.text import Text

        width = options.max_width
        yield Text(self.table.title, style="bold")
        if self.table.rows:
            yield Text()
            grids = [self.grid(layout) for layout in LAYOUTS]
            grid = next((g for g in grids if g.natural <= width), grids[-1])
            yield grid.rich(width)
            yield Text()
            yield from (Text(line, style="red") for line in self.reasons)
        yield from map(Text, self.table.findings)
        if self.table.rows and (said := self.legend(grid)):
            yield Text(said, style="dim")

    @property
    def encoders(self) -> list[str]:
        """Encoders that the rows name, longest first, so that no name hides in another."""
        found = {str(r["encoder"]) for r in self.table.records if r.get("encoder")}
        ends = [row[0].text for row in self.table.rows]
        used = {e for e in found if any(text.endswith(f" ({e})") for text in ends)}
        return sorted(used, key=lambda e: (-len(e), e))

    def named(self, row: int) -> tuple[str, str]:
        """Method and encoder ("" for none) of a row; rows set apart lose what follows a colon."""
        text = self.table.rows[row][0].text
        if row >= self.row_count - self.table.apart:
            text = text.split(":")[0]
        for encoder in self.encoders:
            if text.endswith(f" ({encoder})"):
                return text.removesuffix(f" ({encoder})"), encoder
        return text, ""

    @property
    def reasons(self) -> list[str]:
        """Long reasons for what is missing, each once per row."""
        said = []
        for n, row in enumerate(self.table.rows):
            for column, cell in zip(self.table.columns, row):
                if cell.kind == "missing" and len(cell.text) > LONGEST_REASON:
                    budget = self.table.columns[1] == "budget"
                    where = row[1].text if budget else column
                    text = cell.text.removeprefix("missing: ")
                    said.append(f"missing: {' '.join(self.named(n)).strip()}, {where}: {text}")
        return said

    def legend(self, grid: Grid) -> str:
        said = [f"encoder: {self.encoders[0]}"] if len(self.encoders) == 1 else []
        cells = [text for row in grid.rows for text in row[1:]]
        for mark, meaning in LEGEND.items():
            inside = any(text.endswith(mark) or f"{mark} " in text for text in cells)
            if mark in grid.headings or (mark not in ("n", "k") and inside):
                said.append(meaning)
        return " · ".join(said)

    def grid(self, layout: Layout) -> Grid:
        """The words of each cell under a layout."""
        several = len(self.encoders) > 1
        beside = several and not layout.short
        headings = [HEADINGS.get(c, c) for c in self.table.columns]
        rows, styles = [], []
        for n, row in enumerate(self.table.rows):
            method, encoder = self.named(n)
            head = f"{method}\n  {encoder}" if several and encoder and not beside else method
            texts = [head, *(_words(cell, layout.short) for cell in row[1:])]
            kinds = [cell.kind for cell in row]
            if beside:
                texts.insert(1, encoder)
                kinds.insert(1, "text")
            rows.append(tuple(texts))
            styles.append(tuple(STYLES.get(kind, "") for kind in kinds))
        numeric = [
            any(row[i].kind in NUMERIC for row in self.table.rows)
            for i in range(len(self.table.columns))
        ]
        if beside:
            headings.insert(1, "encoder")
            numeric.insert(1, False)
        return Grid(
            tuple(_heading(h, layout.short) for h in headings),
            tuple(rows),
            tuple(styles),
            tuple(numeric),
            self.table.apart,
            layout.gap,
        )


@dataclass(frozen=True)
class Grid:
    """Words and styles of a table, ready to be laid out. apart: rows at the end behind a rule."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    styles: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    apart: int
    gap: int

    @property
    def natural(self) -> int:
        """Width at which no cell needs a second line."""
        return sum(map(self._longest, range(len(self.headings)))) + self._gaps

    @property
    def _gaps(self) -> int:
        return self.gap * (len(self.headings) - 1)

    def _longest(self, column: int) -> int:
        from rich.cells import cell_len

        texts = [self.headings[column], *(row[column] for row in self.rows)]
        return max(cell_len(line) for text in texts for line in text.split("\n"))

    def _least(self, column: int, whole: bool) -> int:
        """Width that breaks no word; whole: nor any number of the rows that are not apart."""
        from rich.cells import cell_len

        body = self.rows[: len(self.rows) - self.apart]
        texts = [self.headings[column], *(row[column] for row in self.rows)]
        words = [cell_len(word) for text in texts for word in text.split()]
        kept = [cell_len(row[column]) for row in body] if whole and self.numeric[column] else []
        return self._longest(0) if column == 0 else max([*words, *kept])

    def widths(self, width: int) -> list[int]:
        """One per column; the widest gives first, and none more than it can without need."""
        columns = range(len(self.headings))
        made = [self._longest(i) for i in columns]
        for floors in (
            [self._least(i, True) for i in columns],
            [self._least(i, False) for i in columns],
            [1 for _ in columns],
        ):
            while sum(made) + self._gaps > width:
                free = [i for i in columns if made[i] > floors[i]]
                if not free:
                    break
                made[max(free, key=lambda i: (made[i] - floors[i], made[i]))] -= 1
        return made

    def rich(self, width: int) -> RenderableType:
        from rich import box
        from rich.table import Table as RichTable

        made = RichTable(
            box=box.HORIZONTALS,
            show_edge=False,
            pad_edge=False,
            padding=(0, self.gap - 1, 0, 0),
        )
        for i, (heading, size) in enumerate(zip(self.headings, self.widths(width))):
            made.add_column(
                _text(heading, "bold"),
                justify="right" if self.numeric[i] and i else "left",
                width=size,
                overflow="fold",
                vertical="bottom" if i else "top",
            )
        for n, (row, styles) in enumerate(zip(self.rows, self.styles)):
            if self.apart and n == len(self.rows) - self.apart:
                made.add_section()
            made.add_row(*(_text(text, style) for text, style in zip(row, styles)))
        return made


def _text(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style=style)


def _heading(text: str, short: bool) -> str:
    if not short:
        return text
    return {"budget": "ε", NON_PRIVATE: "ε = ∞"}.get(text, text)


def _words(cell: Cell, short: bool) -> str:
    text = "n/r" if cell.text == "not resolvable" else cell.text
    if cell.kind == "missing" and len(text) > LONGEST_REASON:
        return "missing"
    if not short:
        return text
    if cell.kind == "label":
        return "∞" if text == NON_PRIVATE else text.removeprefix("ε = ")
    if text.startswith("all ") and text.endswith(" families"):
        return "all"
    return text.replace(" (tied best)", " △").replace(" (best)", " ▲")
