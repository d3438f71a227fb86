"""CT-RATE's rows per reconstruction joined to one entry per scan, in memory that texts do not fill.

Labels of a scan: positive if any of its reconstructions is. Report of a scan: that of its lowest
reconstruction that has one. In the published files reconstructions agree in both, so scans where
they do not are counted.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from radpriv.benchmark.datasets.absent_section import has_text, says_absent
from radpriv.benchmark.datasets.ct_rate.ct_rate_sources import AGAIN
from radpriv.benchmark.datasets.ct_rate.volume_names import FORM, LABELS, Volume, parse_volume
from radpriv.benchmark.datasets.io.strict_csv import CsvLine, CsvTable
from radpriv.benchmark.store.caches import cache_folder, make_private

SECTIONS = {"findings": "Findings_EN", "impression": "Impressions_EN"}
KEY = "VolumeName"


@dataclass(slots=True)
class Labelled:
    """y: 1.0 or 0.0 per label. differ: reconstructions of the scan have other labels."""

    y: tuple[float, ...]
    differ: bool = False

    def add(self, y: tuple[float, ...]) -> None:
        if y != self.y:
            self.differ = True
            self.y = tuple(map(max, self.y, y))


@dataclass(slots=True)
class Reported:
    """Where the text of a scan lies in the spool: that of reconstruction `number` (-1: none has
    any). differ: reconstructions have different texts. not_given: a section says that it is absent.
    """

    number: int = -1
    begin: int = 0
    size: int = 0
    digest: bytes = b""
    differ: bool = False
    not_given: bool = False

    def add(self, number: int, text: str, spool: Spool) -> None:
        if not text:
            return
        digest = hashlib.sha256(text.encode()).digest()[:16]
        known = self.number >= 0
        self.differ |= known and digest != self.digest
        if not known or (number < self.number and digest != self.digest):
            self.begin, self.size = spool.write(text)
        if not known or number < self.number:
            self.number, self.digest = number, digest


class Spool:
    """Texts on disk in the order of the file, to be read in the order of ids."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = 0

    def write(self, text: str) -> tuple[int, int]:
        """Where it begins and how many bytes it has."""
        begin, data = self._end, text.encode()
        self._file.seek(begin)
        self._end += self._file.write(data)
        return begin, len(data)

    def read(self, begin: int, size: int) -> str:
        self._file.seek(begin)
        return self._file.read(size).decode()


@contextmanager
def spooled() -> Iterator[Spool]:
    """A spool among the private caches that has no name, so that nothing of it can be left."""
    with tempfile.TemporaryFile(dir=make_private(cache_folder() / "tables")) as file:
        yield Spool(file)


def read_labels(path: Path, split: str, tick: Callable[[int], None]) -> dict[str, Labelled]:
    """Scan -> labels. The classifier answers 1 or 0 for each label: anything else is refused."""
    table = CsvTable(path, (KEY,), labels=LABELS, states=("1", "0"), advice=AGAIN)
    scans: dict[str, Labelled] = {}
    kept: dict[tuple[float, ...], tuple[float, ...]] = {}  # equal rows as one object
    for volume, line in _volumes(table, split, tick):
        y = kept.setdefault(line.states, line.states)
        scans.setdefault(volume.scan, Labelled(y)).add(y)
    return scans


def read_reports(
    path: Path, split: str, sections: tuple[str, ...], spool: Spool, tick: Callable[[int], None]
) -> dict[str, Reported]:
    """Scan -> where its text lies; the texts of `sections` go to the spool."""
    table = CsvTable(path, (KEY, *SECTIONS.values()), advice=AGAIN)
    take = [1 + list(SECTIONS).index(section) for section in sections]
    scans: dict[str, Reported] = {}
    for volume, line in _volumes(table, split, tick):
        cells = [line.cells[i] for i in take]
        report = scans.setdefault(volume.scan, Reported())
        report.not_given |= any(map(says_absent, cells))
        report.add(volume.number, join_sections(cells), spool)
    return scans


def join_sections(cells: list[str]) -> str:
    """The cells that hold a text, blanks evened out; "" if none does."""
    evened = (" ".join(cell.split()) for cell in cells)
    return " ".join(cell for cell in evened if has_text(cell))


def _volumes(
    table: CsvTable, split: str, tick: Callable[[int], None]
) -> Iterator[tuple[Volume, CsvLine]]:
    """The rows of a table with their volumes, each once and of this split."""
    lines: dict[Volume, int] = {}
    for line in table:
        volume = parse_volume(line.cells[0])
        if volume is None:
            raise table.fault(line.number, KEY, f"not of the form {FORM}; {AGAIN}")
        if volume.split != split:
            raise table.fault(
                line.number, KEY, f"{volume} is no volume of the split {split}; {AGAIN}"
            )
        first = lines.setdefault(volume, line.number)
        if first != line.number:
            raise table.fault(line.number, KEY, f"{volume} repeats line {first}; delete one")
        tick(1)
        yield volume, line
