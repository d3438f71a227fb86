"""Where MIMIC-CXR lies under the data folder, and the hashes that name what was read.

Looked for as PhysioNet gives it, in `data/mimic-cxr/`, `data/mimic-cxr-jpg/`, `data/` itself, a
folder of the version in one of them, and where `wget -r` puts it (`data/physionet.org/files/...`):
the reports (the zip, or unpacked), the labels, the split, and, if asked for, the labels that
radiologists gave to a part of the test split.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.datasets.mimic_cxr.report_files import scan
from radpriv.benchmark.store import digests
from radpriv.benchmark.store.atomic import atomic_write
from radpriv.benchmark.store.caches import cache_folder, make_private
from radpriv.errors import DataError

ZIP = "mimic-cxr-reports.zip"
SPLIT, RADIOLOGIST = "split", "test-set-labeled"
LABELLERS = ("chexpert", "negbio")
PLACES = "mimic-cxr/, mimic-cxr-jpg/, physionet.org/files/ and a folder of the version in each"
GET = (
    f"get {ZIP} (physionet.org/content/mimic-cxr) and the tables of mimic-cxr-jpg there, with your "
    "own credentials, and put them under mimic-cxr/ as they are"
)
MANY = 10_000
"""Files from which on hashing takes so long that it is announced."""


@dataclass(frozen=True)
class Sources:
    """reports: the zip, or the folder that holds p10/ ... p19/.

    radiologist: None where the official labels are used for the test split too.
    """

    reports: Path
    labels: Path
    split: Path
    radiologist: Path | None

    def paths(self) -> tuple[Path, ...]:
        """What is read, of all that may lie there."""
        return (self.reports, self.labels, self.split, *filter(None, (self.radiologist,)))

    def sha256(self) -> dict[str, str]:
        """SHA-256 of each source by its part; for a folder, of its list of (path, SHA-256)."""
        files = {"labels": self.labels, "split": self.split}
        if self.radiologist:
            files["test_labels"] = self.radiologist
        found = {part: _file_sha256(path) for part, path in files.items()}
        tree = self.reports.is_dir()
        return {**found, "reports": (tree_sha256 if tree else _file_sha256)(self.reports)}


def find_sources(data: Path | None, labeller: str, radiologist: bool) -> Sources:
    """The files of `data`; DataError that names all that is missing and says how to get it."""
    if data is None:
        raise DataError(
            f"MIMIC-CXR: no data folder given; {GET}, and name the folder by --data or RADPRIV_DATA"
        )
    if not data.is_dir():
        raise DataError(f"MIMIC-CXR: the data folder {data} does not exist; make it, then {GET}")
    parts = {part: _table(data, part) for part in (labeller, SPLIT, RADIOLOGIST)}
    reports = _reports(data)
    missing = [f"{ZIP} (or its files/p10/ ... p19/)"] * (reports is None)
    wanted = (labeller, SPLIT, RADIOLOGIST) if radiologist else (labeller, SPLIT)
    missing += [f"mimic-cxr-*-{part}.csv.gz (or .csv)" for part in wanted if parts[part] is None]
    labels, split = parts[labeller], parts[SPLIT]
    if missing or reports is None or labels is None or split is None:
        raise DataError(
            f"MIMIC-CXR: {data} holds no {', no '.join(missing)}{_instead(data, labeller, parts)}; "
            f"looked in it and in {PLACES} there; {GET}"
        )
    return Sources(reports, labels, split, parts[RADIOLOGIST] if radiologist else None)


def tree_sha256(folder: Path) -> str:
    """SHA-256 of the list of (path, SHA-256) of all reports below `folder`, in order of path.

    Reading 227,835 files takes minutes on a slow disk, so the answer is kept in RADPRIV_CACHE under
    the hash of the list of (path, size, inode, times): one file changed, even with its old size and
    time of modification set again, and all are read again.
    """
    listing = hashlib.sha256(f"{folder.resolve()}\n".encode())
    paths = []
    for _, file in scan(folder):
        with reading(file.path):
            facts = file.stat()
        listing.update(f"{file.path} {_version(facts)}\n".encode())
        paths.append(file.path)
    memo = make_private(cache_folder() / "sources") / f"{listing.hexdigest()}.sha256"
    if memo.is_file() and len(known := memo.read_text("utf-8")) == 64:
        return known
    if len(paths) >= MANY:
        print(f"mimic-cxr: hashing {len(paths):,} files, once", file=sys.stderr, flush=True)
    contents = hashlib.sha256()
    for path in paths:
        with reading(path), open(path, "rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        contents.update(f"{Path(path).relative_to(folder).as_posix()} {sha256}\n".encode())
    atomic_write(memo, contents.hexdigest().encode(), mode=0o600)
    return contents.hexdigest()


def _instead(data: Path, labeller: str, parts: Mapping[str, Path | None]) -> str:
    """The labels of the other labeller, if they lie there."""
    if parts[labeller] is not None:
        return ""
    found = {name: _table(data, name) for name in LABELLERS if name != labeller}
    return "".join(
        f" (there is {path.name}: --option labeller={name})" for name, path in found.items() if path
    )


def _places(data: Path) -> Iterator[Path]:
    jpg, text = "mimic-cxr-jpg", "mimic-cxr"
    downloads = data / "physionet.org" / "files"
    for place in (data / text, data / jpg, data, downloads / text, downloads / jpg):
        yield place
        yield from sorted(place.glob("[0-9].[0-9].[0-9]"), reverse=True)


def _table(data: Path, part: str) -> Path | None:
    """The newest table of that name in the first place that has one; zipped before plain."""
    for place in _places(data):
        for suffix in ("csv.gz", "csv"):
            if found := sorted(place.glob(f"mimic-cxr-[0-9].[0-9].[0-9]-{part}.{suffix}")):
                return found[-1]
    return None


def _reports(data: Path) -> Path | None:
    places = list(_places(data))
    for place in places:
        if (place / ZIP).is_file():
            return place / ZIP
    for place in places:
        for folder in (place / "files", place / "mimic-cxr-reports" / "files", place):
            if folder.is_dir() and next(scan(folder), None):
                return folder
    return None


def _file_sha256(path: Path) -> str:
    with reading(path):
        return digests.file_sha256(path)


def _version(facts: os.stat_result) -> str:
    return f"{facts.st_size} {facts.st_ino} {facts.st_mtime_ns} {facts.st_ctime_ns}"


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns what the file system says into a DataError about `path`."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
