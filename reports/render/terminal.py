"""A Table for the terminal: laid out for the width at hand, with nothing cut off.

    console.print(TerminalTable(table))

Where all fits, cells keep the words they have on the page; otherwise they get shorter ones, then
closer columns, then more lines, broken between words. Methods and the intervals beside them stay
on one line. What a short form means stands below; long reasons move there too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from radpriv.reports.render.characters import encodable, visible
from radpriv.reports.render.grid import Grid
from radpriv.reports.render.numbers import NON_PRIVATE
from radpriv.reports.render.table import Table, TableCell

NUMERIC = frozenset({"number", "best", "tie", "missing", "absent"})
STYLES = {"best": "bold green", "tie": "bold", "missing": "red", "outside": "red", "absent": "dim"}
HEADINGS = {
    "method (encoder)": "method",
    "AUC, 95% interval": "AUC [95%]",
    "TPR at 5% FPR": "TPR@5%",
    "TPR at 1% FPR": "TPR@1%",
    "ε lower bound": "ε ≥",
    "candidates": "n",
    "references": "refs",
}
LONGEST_REASON = 16
"""Characters of a reason that a cell may hold; a longer one moves below the table."""

LEGEND = {
    "n/r": "n/r: not resolvable, too few candidates",
    "ε ≥": "ε ≥: lower bound at 95%",
    "n": "n: candidates",
    "k": "k: seeds",
    "refs": "refs: models of other seeds that each was compared with",
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
    """Title, table, reasons, findings, legend. Notes are left to the page.

    said: reasons that stand above already, and are not said again.
    """

    table: Table
    said: frozenset[str] = frozenset()

    @property
    def row_count(self) -> int:
        return len(self.table.rows)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        width = options.max_width
        yield from self._lines([self.table.title], "bold", console, width)
        if self.table.rows:
            grids = [self.grid(layout) for layout in LAYOUTS]
            shown = [grid.readable(console.encoding) for grid in grids]
            chosen = next((n for n, g in enumerate(shown) if g.natural <= width), -1)
            yield from (Text(), *shown[chosen].fitted(width), Text())
            yield from self._lines(self.reasons, "red", console, width)
        yield from self._lines(self.table.findings, "", console, width)
        if self.table.rows:
            yield from self._lines([self.legend(grids[chosen])], "dim", console, width)

    @staticmethod
    def _lines(texts: Sequence[str], style: str, console: Console, width: int) -> Iterator[Text]:
        """Each text wrapped between words, without the blanks that wrapping leaves behind."""
        for text in filter(None, texts):
            shown = encodable(visible(text), console.encoding)
            for line in Text(shown, style).wrap(console, width):
                line.rstrip()
                yield line

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
        """A line for each long reason for what is missing, with all the places it keeps empty."""
        places: dict[str, dict[str, list[str]]] = {}
        for row in self.table.rows:
            for column, cell in zip(self.table.columns, row):
                if cell.kind == "missing" and len(cell.text) > LONGEST_REASON:
                    where = row[1].text if self.table.columns[1] == "budget" else column
                    text = cell.text.removeprefix("missing: ")
                    places.setdefault(text, {}).setdefault(row[0].text, []).append(where)
        return [
            f"missing: {'; '.join(', '.join([name, *on]) for name, on in found.items())}: "
            + self._not_again(text)
            for text, found in places.items()
        ]

    def _not_again(self, text: str) -> str:
        """The count of a reason without its sentence, where that stands above."""
        count, _, sentence = text.partition(" (")
        return f"{count} (said above)" if any(s in sentence for s in self.said) else text

    @property
    def sentences(self) -> frozenset[str]:
        """The reasons that this table says."""
        missing = (c.text for row in self.table.rows for c in row if c.kind == "missing")
        found = (text.partition(" (")[2] for text in missing if len(text) > LONGEST_REASON)
        return frozenset(s for s in found if s) | self.said

    def legend(self, grid: Grid) -> str:
        lines = [f"encoder: {self.encoders[0]}"] if len(self.encoders) == 1 else []
        cells = [text for row in grid.rows for text in row[1:]]
        for mark, meaning in LEGEND.items():
            inside = any(text.endswith(mark) or f"{mark} " in text for text in cells)
            if mark in grid.headings or (mark not in ("n", "k") and inside):
                lines.append(meaning)
        return " · ".join(lines)

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


def _heading(text: str, short: bool) -> str:
    if not short:
        return text
    return {"budget": "ε", NON_PRIVATE: "ε = ∞"}.get(text, text)


def _words(cell: TableCell, short: bool) -> str:
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
