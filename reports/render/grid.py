"""A table of words for the terminal: how wide each column is, and where lines may break.

    console.print(*grid.fitted(80))
    console.print(word_grid(("method", "ε"), [("dp_lora", "0.5")], numeric={1}))

Columns that do not fit give way in two steps: spare room and what breaks between words in headings
and in rows set apart; then numbers with their intervals break between words. Where a word or a
number would have to be cut, each row is a block of lines instead, one for each column. rich alone,
told not to break numbers, leaves whole columns out at 80 characters (bounds, ceiling, seeds of the
leakage table); told to fold, it takes more lines and breaks the names of methods.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from radpriv.reports.render.characters import encodable, visible


@dataclass(frozen=True)
class Grid:
    """Words and styles of a table, ready to be laid out.

    apart: rows at the end behind a rule.  rules: numbers of other rows that stand below one.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    styles: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    apart: int
    gap: int
    rules: frozenset[int] = frozenset()

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
        for whole in (True, False):
            floors = [self._least(i, whole) for i in columns]
            while sum(sizes) + self._gaps > width:
                free = [i for i in columns if sizes[i] > floors[i]]
                if not free:
                    break
                sizes[max(free, key=lambda i: (sizes[i] - floors[i], sizes[i]))] -= 1
        return sizes

    def readable(self, encoding: str) -> Grid:
        """The same in characters that the encoding has and that only show."""
        return replace(
            self,
            headings=tuple(encodable(visible(h), encoding) for h in self.headings),
            rows=tuple(tuple(encodable(visible(t), encoding) for t in row) for row in self.rows),
        )

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        yield from self.readable(console.encoding).fitted(options.max_width)

    def fitted(self, width: int) -> list[RenderableType]:
        """A table, or where it would cut a word the lines of a block for each row."""
        columns = range(len(self.headings))
        least = sum(self._least(i, False) for i in columns) + self._gaps
        return [self.rich(width)] if least <= width else list(self.blocks(width))

    def blocks(self, width: int) -> Iterator[Text]:
        """A row each: its first column, then a line "column: value" for each that has a value."""
        for n, (row, styles) in enumerate(zip(self.rows, self.styles)):
            if n and row[0]:
                yield Text()
            head = " ".join(row[0].split())
            yield from (Text(line, styles[0] or "bold") for line in textwrap.wrap(head, width))
            for heading, text, style in list(zip(self.headings, row, styles))[1:]:
                line = f"{heading}: {text}" if heading else text
                first, later = ("  ", "    ") if width > 8 else ("", "")
                parts = textwrap.wrap(line, width, initial_indent=first, subsequent_indent=later)
                yield from (Text(part, style) for part in parts if text)

    def rich(self, width: int) -> Table:
        table = Table(
            box=box.HORIZONTALS,
            show_edge=False,
            pad_edge=False,
            padding=(0, self.gap - 1, 0, 0),
        )
        two_lines = any("\n" in row[0] for row in self.rows)
        for i, (heading, size) in enumerate(zip(self.headings, self.widths(width))):
            table.add_column(
                Text(heading, style="bold"),
                justify="right" if self.numeric[i] and i else "left",
                width=size,
                overflow="fold",
                vertical="bottom" if i and two_lines else "top",
            )
        for n, (row, styles) in enumerate(zip(self.rows, self.styles)):
            if n and (n in self.rules or n == len(self.rows) - self.apart):
                table.add_section()
            table.add_row(*(Text(text, style=style) for text, style in zip(row, styles)))
        return table


def word_grid(
    headings: Sequence[str],
    rows: Sequence[Sequence[str | tuple[str, str]]],
    numeric: Collection[int] = (),
    rules: Collection[int] = (),
) -> Grid:
    """A grid of words, some with a style: (text, style). numeric: columns that are set flush
    right and keep their numbers whole.  rules: rows below a rule."""
    cells = [[(c, "") if isinstance(c, str) else c for c in row] for row in rows]
    return Grid(
        tuple(headings),
        tuple(tuple(text for text, _ in row) for row in cells),
        tuple(tuple(style for _, style in row) for row in cells),
        tuple(i in numeric for i in range(len(headings))),
        apart=0,
        gap=2,
        rules=frozenset(rules),
    )
