"""The report files, in PhysioNet's zip or unpacked: files/p10/p10000032/s50414267.txt.

    with open_reports(path) as reports:
        reports.patients            # {study: patient}, as the paths say
        reports.text(study)

A zip is read where it lies, nothing of it is ever written out; one that holds a path out of its
folder, a link, an encrypted or a repeated member, or that is cut short, is refused. No error quotes
a report.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from radpriv.benchmark.datasets.io.links import inside
from radpriv.errors import DataError

LARGEST = 1 << 20
"""Bytes of one report; the longest real ones have some thousands."""

AGAIN = "get mimic-cxr-reports.zip from PhysioNet again"
_REPORT = re.compile(r"(?:^|/)p(\d\d)/p(\d{8})/s(\d{8})\.txt")
_GROUP = re.compile(r"p\d\d")
_PATIENT = re.compile(r"p\d{8}")
_STUDY = re.compile(r"s\d{8}\.txt")
_MISNAMED = re.compile(r"(?!s\d{8}\.txt$).*\.txt", re.IGNORECASE | re.DOTALL)
_IN_PATIENT = re.compile(r"(?:^|/)p\d\d/p\d{8}/(?!s\d{8}\.txt$)[^/]*\.txt$", re.IGNORECASE)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class MimicReports(Protocol):
    """patients: study -> patient of each report there is.

    misnamed: text files beside reports that are called otherwise, and are not read.
    """

    @property
    def patients(self) -> dict[int, int]: ...

    @property
    def misnamed(self) -> int: ...

    def text(self, study: int) -> str:
        """The report; DataError if it cannot be read or is not UTF-8."""


@dataclass(frozen=True)
class Folder:
    """An unpacked tree."""

    path: Path
    patients: dict[int, int] = field(repr=False)
    misnamed: int = 0

    def text(self, study: int) -> str:
        file = self.path / relative_path(self.patients[study], study)
        try:
            with file.open("rb") as opened:
                data = opened.read(LARGEST + 1)
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror})") from error
        return decoded(data, str(file))


@dataclass(frozen=True)
class Archive:
    """PhysioNet's mimic-cxr-reports.zip."""

    path: Path
    archive: zipfile.ZipFile = field(repr=False)
    patients: dict[int, int] = field(repr=False)
    members: dict[int, zipfile.ZipInfo] = field(repr=False)
    misnamed: int = 0

    def text(self, study: int) -> str:
        member = self.members[study]
        where = f"{self.path}: {member.filename}"
        try:
            with self.archive.open(member) as opened:
                data = opened.read(LARGEST + 1)  # the checksum is verified at the end
        except (*_DAMAGE, OSError) as error:
            raise DataError(f"{where}: damaged; {AGAIN}") from error
        return decoded(data, where)


@contextmanager
def open_reports(path: Path) -> Iterator[MimicReports]:
    """The reports of a zip file or of the folder that holds p10/ ... p19/."""
    if path.is_dir():
        yield _folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except _DAMAGE as error:
        raise DataError(f"{path}: cut short, damaged or not a zip file; {AGAIN}") from error
    with archive:
        yield _archive(path, archive)


def relative_path(patient: int, study: int) -> str:
    """Path of one report, from the folder that holds p10/ ... p19/."""
    return f"p{patient:08d}"[:3] + f"/p{patient:08d}/s{study:08d}.txt"


def decoded(data: bytes, where: str) -> str:
    """The text of one file; DataError naming `where` if it is too large or not UTF-8."""
    if len(data) > LARGEST:
        raise DataError(f"{where}: larger than {LARGEST >> 20} MiB, so it is no report; {AGAIN}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 at byte {error.start + 1}; {AGAIN}") from None


def scan(folder: Path) -> Iterator[tuple[int, os.DirEntry[str]]]:
    """(patient, file) of each report below p10/ ... p19/, in order of path.

    What else lies there (images, study folders, index files) is passed over; a patient's folder in
    the group of another is refused, and so is a link that leads out of `folder`.
    """
    try:
        for group in _entries(folder, _GROUP):
            _refuse_link_out(group, folder)
            for patient in _entries(group, _PATIENT):
                _refuse_link_out(patient, folder)
                if patient.name[:3] != group.name:
                    raise DataError(f"{patient.path}: belongs under {patient.name[:3]}/; {AGAIN}")
                for study in _entries(patient, _STUDY):
                    _refuse_link_out(study, folder)
                    if not study.is_file():
                        raise DataError(f"{study.path}: no regular file; {AGAIN}")
                    yield int(patient.name[1:]), study
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _refuse_link_out(entry: os.DirEntry[str], folder: Path) -> None:
    if entry.is_symlink():
        inside(entry, folder)


def _entries(folder: str | os.PathLike[str], name: re.Pattern[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return sorted((e for e in found if name.fullmatch(e.name)), key=lambda e: e.name)


def _folder(path: Path) -> Folder:
    patients: dict[int, int] = {}
    folders: set[str] = set()
    for patient, file in scan(path):
        study = int(file.name[1:-4])
        if study in patients:
            raise DataError(f"{file.path}: this study lies under two patients; {AGAIN}")
        patients[study] = patient
        folders.add(os.path.dirname(file.path))
    return Folder(path, patients, sum(len(_entries(f, _MISNAMED)) for f in folders))


def _archive(path: Path, archive: zipfile.ZipFile) -> Archive:
    """Report members by study; DataError for a member that no honest archive has."""
    members: dict[int, zipfile.ZipInfo] = {}
    patients: dict[int, int] = {}
    for member in archive.infolist():
        found = _REPORT.search(member.filename)
        wrong = _unsafe(member)
        if found and found.end() == len(member.filename) and not wrong:
            study, patient = int(found[3]), int(found[2])
            if found[2][:2] != found[1]:
                wrong = f"belongs under p{found[2][:2]}/"
            elif study in members:
                wrong = "is there twice"
            elif member.file_size > LARGEST:
                wrong = f"is larger than {LARGEST >> 20} MiB, so it is no report"
            members[study], patients[study] = member, patient
        if wrong:
            raise DataError(f"{path}: member {member.filename[:100]!r} {wrong}; {AGAIN}")
    misnamed = sum(bool(_IN_PATIENT.search(name)) for name in archive.namelist())
    return Archive(path, archive, patients, members, misnamed)


def _unsafe(member: zipfile.ZipInfo) -> str:
    """Why a member is refused, "" if it is not."""
    name = member.filename
    if name.startswith("/") or "\\" in name or ":" in name or ".." in PurePosixPath(name).parts:
        return "leads out of the archive"
    if not name.isprintable():
        return "has a name that does not print"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    if member.flag_bits & 1:
        return "is encrypted"
    return ""
