"""A table of words for the terminal: how wide each column is, and where lines may break.

    console.print(grid.rich(80))

Columns that do not fit give way in three steps: spare room and what breaks between words in
headings and in rows set apart; then numbers break between words; then words and names break. rich
alone, told not to break numbers, leaves whole columns out at 80 characters (bounds, ceiling, seeds
of the leakage table); told to fold, it takes more lines and breaks the names of methods.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text


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
        texts = [self.headings[column], *(row[column] for row in self.rows)]
        return max(cell_len(line) for text in texts for line in text.split("\n"))

    def _least(self, column: int, whole: bool) -> int:
        """Width that breaks no word; whole: nor any number of the rows that are not apart."""
        body = self.rows[: len(self.rows) - self.apart]
        texts = [self.headings[column], *(row[column] for row in self.rows)]
        words = [cell_len(word) for text in texts for word in text.split()]
        kept = [cell_len(row[column]) for row in body] if whole and self.numeric[column] else []
        return self._longest(0) if column == 0 else max([*words, *kept])

    def widths(self, width: int) -> list[int]:
        """One per column; the widest gives first, and none more than it can without need."""
        columns = range(len(self.headings))
        sizes = [self._longest(i) for i in columns]
        for floors in (
            [self._least(i, True) for i in columns],
            [self._least(i, False) for i in columns],
            [1 for _ in columns],
        ):
            while sum(sizes) + self._gaps > width:
                free = [i for i in columns if sizes[i] > floors[i]]
                if not free:
                    break
                sizes[max(free, key=lambda i: (sizes[i] - floors[i], sizes[i]))] -= 1
        return sizes

    def rich(self, width: int) -> Table:
        table = Table(
            box=box.HORIZONTALS,
            show_edge=False,
            pad_edge=False,
            padding=(0, self.gap - 1, 0, 0),
        )
        for i, (heading, size) in enumerate(zip(self.headings, self.widths(width))):
            table.add_column(
                Text(heading, style="bold"),
                justify="right" if self.numeric[i] and i else "left",
                width=size,
                overflow="fold",
                vertical="bottom" if i else "top",
            )
        for n, (row, styles) in enumerate(zip(self.rows, self.styles)):
            if self.apart and n == len(self.rows) - self.apart:
                table.add_section()
            table.add_row(*(Text(text, style=style) for text, style in zip(row, styles)))
        return table
