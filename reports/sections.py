"""The registry of tables and figures: what a report shows, and where.

    @table("trivial", Place(Section.DETAILS, 40))
    def trivial_table(of: DatasetResults) -> Table | None: ...

    @figure("roc", Place(Section.LEAKAGE, 20), title="…", description="… on {title}.", caption="…")
    def roc(datasets: Sequence[DatasetResults], theme: Theme) -> Figure | None: ...

A file in tables/ or figures/ with one such function is all that a new one takes: page, Markdown,
CSV, JSON and terminal take it from here, in the order of the places. Two of one key, place or CSV
file are an error as soon as the second is imported, and so is a table under a key of no place.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Flag, IntEnum, auto
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from radpriv.errors import ReportError
from radpriv.reports.render.own_settings import own_settings
from radpriv.reports.render.table import Table
from radpriv.reports.render.theme import Theme
from radpriv.reports.results.dataset_results import DatasetResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Section(IntEnum):
    """The sections of a report, in their order."""

    UTILITY = auto()
    LEAKAGE = auto()
    DETAILS = auto()


class Format(Flag):
    """Where a table or figure is shown. A figure is written as PNG and SVG whatever is said here;
    for Markdown it stands at the head, drawn for all datasets together."""

    PAGE = auto()
    MARKDOWN = auto()
    JSON = auto()
    TERMINAL = auto()


PAGES = Format.PAGE | Format.MARKDOWN | Format.JSON
EVERYWHERE = PAGES | Format.TERMINAL


@dataclass(frozen=True, order=True)
class SectionPlace:
    """order: among the tables and figures of the section."""

    section: Section
    order: int

    def __str__(self) -> str:
        return f"{self.section.name} {self.order}"


MakeTable = Callable[[DatasetResults], Table | Sequence[Table] | None]
"""None: there is nothing to show."""
DrawFigure = Callable[[Sequence[DatasetResults], Theme], "Figure | None"]
"""For the page: of one dataset. None: there is nothing to draw."""
M = TypeVar("M", bound=MakeTable)
D = TypeVar("D", bound=DrawFigure)


@dataclass(frozen=True)
class TableEntry:
    """key: of the table; one that ends in a colon begins the keys of several.

    csv: file that takes the records of all datasets.  folded: the place among the tables that stand
    folded at the end of a dataset's part of the page; None: a card.  narrow: for the terminal.
    """

    key: str
    place: SectionPlace
    make: MakeTable = field(repr=False)
    formats: Format
    csv: str = ""
    folded: int | None = None
    narrow: Callable[[Table], Table] = field(default=lambda table: table, repr=False)

    def of(self, tables: Mapping[str, Table]) -> list[Table]:
        """Those of its key."""
        return [t for key, t in tables.items() if self.has(key)]

    def has(self, key: str) -> bool:
        return key.startswith(self.key) if self.key.endswith(":") else key == self.key


@dataclass(frozen=True)
class FigureEntry:
    """key: begins the names of its files.  description: for who cannot see it, with "{title}" of a
    dataset.  together: one file has all datasets of a plan; otherwise there is one for each."""

    key: str
    place: SectionPlace
    draw: DrawFigure = field(repr=False)
    formats: Format
    title: str
    description: str
    caption: str
    together: bool = False


Entry = TableEntry | FigureEntry


class Sections:
    """Tables and figures by key."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def table(
        self,
        key: str,
        place: SectionPlace,
        *,
        formats: Format = PAGES,
        csv: str = "",
        folded: int | None = None,
        narrow: Callable[[Table], Table] = lambda table: table,
    ) -> Callable[[M], M]:
        """Registers the function that makes a table; see TableEntry. ReportError: what it claims
        is taken."""

        def bind(make: M) -> M:
            self._add(TableEntry(key, place, make, formats, csv, folded, narrow))
            return make

        return bind

    def figure(
        self,
        key: str,
        place: SectionPlace,
        *,
        title: str,
        description: str,
        caption: str,
        formats: Format = Format.PAGE,
        together: bool = False,
    ) -> Callable[[D], D]:
        """Registers the function that draws a figure; see FigureEntry. ReportError: what it claims
        is taken."""

        def bind(draw: D) -> D:
            drawn = own_settings()(draw)
            entry = FigureEntry(key, place, drawn, formats, title, description, caption, together)
            self._add(entry)
            return draw

        return bind

    def placed(self) -> list[Entry]:
        """All, in the order of a report."""
        return sorted(self._entries.values(), key=lambda e: e.place)

    def tables(self, format: Format | None = None) -> list[TableEntry]:
        """In the order of a report; those of one format."""
        found = [e for e in self.placed() if isinstance(e, TableEntry)]
        return [e for e in found if format is None or format in e.formats]

    def figures(self, format: Format | None = None) -> list[FigureEntry]:
        found = [e for e in self.placed() if isinstance(e, FigureEntry)]
        return [e for e in found if format is None or format in e.formats]

    def shown(self, tables: Mapping[str, Table], format: Format) -> list[Table]:
        """Those of one format, in the order of a report."""
        return [table for entry in self.tables(format) for table in entry.of(tables)]

    def make_tables(self, of: DatasetResults) -> dict[str, Table]:
        """What there is of a dataset, by key in the order of a report. ReportError: a table's key
        is not the one it was registered under."""
        found: dict[str, Table] = {}
        for entry in self.tables():
            given = entry.make(of)
            for table in [given] if isinstance(given, Table) else given or ():
                if not entry.has(table.key) or table.key in found:
                    raise ReportError(
                        f"a table of key '{table.key}' has no place: it was registered as "
                        f"'{entry.key}'; give both the same key"
                    )
                found[table.key] = table
        return found

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """What is registered inside the block is forgotten after it."""
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

    def _add(self, entry: Entry) -> None:
        for other in self._entries.values():
            if (shared := _shared(entry, other)) and _origin(entry) != _origin(other):
                raise ReportError(
                    f"{_origin(entry)} and {_origin(other)} both claim {shared}; change one"
                )
        self._entries[entry.key] = entry


def _shared(one: Entry, other: Entry) -> str:
    """What only one of two may have."""
    if one.key == other.key:
        return f"the key '{one.key}'"
    if one.place == other.place:
        return f"the place {one.place}"
    if isinstance(one, TableEntry) and isinstance(other, TableEntry):
        if one.csv and one.csv == other.csv:
            return f"the file {one.csv}"
        if one.folded is not None and one.folded == other.folded:
            return f"the place {one.folded} of those that are folded"
    return ""


def _origin(entry: Entry) -> str:
    function = entry.make if isinstance(entry, TableEntry) else entry.draw
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}"


def discover(*packages: ModuleType) -> None:
    """Imports every module of the packages, so that each has registered what it shows."""
    for package in packages:
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


sections = Sections()
table, figure = sections.table, sections.figure
