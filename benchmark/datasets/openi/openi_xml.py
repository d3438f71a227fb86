"""Open-i's own files: one XML per report, in NLM's archive (read as it lies) or unpacked.

No error made here quotes a report: it names the file, the member and the kind of damage.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Any
from xml.etree import ElementTree

from radpriv.benchmark.datasets.io.links import inside
from radpriv.errors import DataError

_MEMBER = re.compile(r"(?:^|/)(\d{1,9})\.xml$")
_LARGEST = 4 << 20  # bytes of one report; the real ones have about 8,000
_AGAIN = "get it again: NLM's NLMCXR_reports.tgz from openi.nlm.nih.gov"


@dataclass(frozen=True)
class XmlReport:
    """One report as it lies in the source. number: NLM's id.  codes: MeSH, as coded by people."""

    number: int
    codes: tuple[str, ...]
    findings: str = field(repr=False)
    impression: str = field(repr=False)

    @property
    def indexed(self) -> bool:
        """False where nobody coded the report: it has no labels, which is not the same as none."""
        return bool(self.codes) and all(c.strip().lower() != "no indexing" for c in self.codes)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses a DOCTYPE before any entity it declares could be expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a DOCTYPE, which no report has")


def parse_report(data: bytes, where: str) -> XmlReport:
    """The report in one XML file; DataError naming `where` if it is no such file."""
    number = _MEMBER.search(where)
    if number is None:
        raise DataError(f"{where}: a report is called by its number, as in 2016.xml")
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        parser.feed(data)
        root: ElementTree.Element = parser.close()
    except ElementTree.ParseError as error:
        line, column = error.position
        raise DataError(
            f"{where}: malformed XML at line {line}, column {column}; {_AGAIN}"
        ) from None
    except (ValueError, LookupError) as error:
        reason = error if isinstance(error, ValueError) else "unknown encoding"
        raise DataError(f"{where}: refused, {reason}; {_AGAIN}") from None
    if root.tag != "eCitation":
        raise DataError(f"{where}: its root element is not eCitation, so it is no Open-i report")
    sections = {a.get("Label"): _text(a) for a in root.iter("AbstractText")}
    codes = tuple(code for e in root.iterfind("MeSH/major") if (code := _text(e)))
    return XmlReport(
        int(number[1]), codes, sections.get("FINDINGS", ""), sections.get("IMPRESSION", "")
    )


def _text(element: ElementTree.Element) -> str:
    return "".join(element.itertext()).strip()


def read_archive(path: Path) -> list[XmlReport]:
    """All reports of NLM's .tgz, streamed; DataError if it is cut short, damaged or empty."""
    try:
        with gzip.open(path, "rb") as unzipped:
            watched = _Tail(unzipped)
            with tarfile.open(fileobj=watched, mode="r|") as archive:  # type: ignore[call-overload]
                reports = _in_order(path, _members(path, archive))
            watched.drain()  # reaches the checksum, and the blocks that end a whole archive
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile) as error:
        kind = "cut short" if isinstance(error, EOFError) else "damaged or not a .tgz archive"
        raise DataError(f"{path}: {kind}; {_AGAIN}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not watched.ended:
        raise DataError(f"{path}: cut short (no end of archive); {_AGAIN}")
    return reports


def read_folder(path: Path, files: Iterable[Path]) -> list[XmlReport]:
    """All reports of an unpacked archive; DataError naming the first file that is damaged."""
    return _in_order(path, (parse_report(read_file(file), str(file)) for file in files))


def read_file(file: Path) -> bytes:
    """The bytes of one report; DataError if it cannot be read or is far too large."""
    try:
        if file.stat().st_size > _LARGEST:
            raise DataError(f"{file}: larger than {_LARGEST >> 20} MiB, so it is no report")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def report_files(folder: Path) -> list[Path]:
    """The XML files of an unpacked archive, in order of number; DataError for a pipe or folder, or
    for a link that leads out of `folder`."""
    files = [file for file in folder.glob("*.xml") if _MEMBER.search(file.name)]
    for file in files:
        if file.is_symlink():
            inside(file, folder)
        if not file.is_file():
            raise DataError(f"{file}: no regular file; {_AGAIN}")
    return sorted(files, key=lambda file: (int(file.stem), file.name))


def other_files(folder: Path) -> int:
    """How many files of an unpacked archive are not called by a number, so are not read."""
    seen = (file for file in folder.iterdir() if not file.name.startswith("."))
    return sum(not _MEMBER.search(file.name) for file in seen)


def _members(path: Path, archive: tarfile.TarFile) -> Iterator[XmlReport]:
    for member in archive:
        if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
            raise DataError(f"{path}: member {member.name[:100]!r} leads out of it; {_AGAIN}")
        if not member.isreg() or not _MEMBER.search(member.name):
            continue
        where = f"{path}: {member.name}"
        if member.size > _LARGEST:
            raise DataError(f"{where}: larger than {_LARGEST >> 20} MiB, so it is no report")
        content = archive.extractfile(member)
        if content is None:
            raise DataError(f"{where}: has no content; {_AGAIN}")
        yield parse_report(content.read(), where)


def _in_order(path: Path, reports: Iterable[XmlReport]) -> list[XmlReport]:
    """Reports by number; DataError if there is none, or one twice."""
    ordered = sorted(reports, key=lambda report: report.number)
    if not ordered:
        raise DataError(f"{path}: holds no report (no ecgen-radiology/N.xml); {_AGAIN}")
    for one, two in pairwise(ordered):
        if one.number == two.number:
            raise DataError(f"{path}: report {one.number} occurs twice; {_AGAIN}")
    return ordered


class _Tail:
    """A file that remembers whether the last bytes read were the 1,024 zeros that end a tar."""

    def __init__(self, file: IO[bytes] | Any) -> None:
        self._file = file
        self._last = b""

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._last = (self._last + data[-1024:])[-1024:]
        return data

    def drain(self) -> None:
        while self.read(1 << 20):
            pass

    @property
    def ended(self) -> bool:
        return self._last == bytes(1024)
