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
from pathlib import Path

from radpriv.benchmark.datasets.io.sources import Form, FoundParts, Near, Part, Sources, reading
from radpriv.benchmark.datasets.mimic_cxr.report_files import scan
from radpriv.benchmark.store.atomic import atomic_write
from radpriv.benchmark.store.caches import cache_folder, make_private

ZIP = "mimic-cxr-reports.zip"
SPLIT, RADIOLOGIST = "split", "test-set-labeled"
LABELLERS = ("chexpert", "negbio")
GET = (
    f"get {ZIP} (physionet.org/content/mimic-cxr) and the tables of mimic-cxr-jpg there, with your "
    "own credentials, and put them under mimic-cxr/ as they are"
)
MANY = 10_000
"""Files from which on hashing takes so long that it is announced."""

_VERSION = "[0-9].[0-9].[0-9]"
_FOLDERS = (
    "mimic-cxr",
    "mimic-cxr-jpg",
    ".",
    "physionet.org/files/mimic-cxr",
    "physionet.org/files/mimic-cxr-jpg",
)
_LOOKED = (
    "looked in it and in mimic-cxr/, mimic-cxr-jpg/, physionet.org/files/ and a folder of the "
    "version in each there; {get}"
)


def find_sources(data: Path | None, labeller: str, radiologist: bool) -> FoundParts:
    """The files of `data`; DataError that names all that is missing and says how to get it.

    Parts: reports (the zip, or the folder that holds p10/ ... p19/), labels, split, and test_labels
    where radiologists' labels are used for the test split.
    """
    unpacked = ("files", "mimic-cxr-reports/files", ".")
    parts = [
        Part(
            "reports",
            Form(ZIP),
            Form(*unpacked, folder=lambda path: bool(next(scan(path), None)), sha256=tree_sha256),
            called=f"{ZIP} (or its files/p10/ ... p19/)",
        ),
        _table("labels", labeller),
        _table("split", SPLIT),
        *([_table("test_labels", RADIOLOGIST)] if radiologist else []),
    ]
    return Sources(
        "MIMIC-CXR",
        places=tuple(p for f in _FOLDERS for p in (f, f"{f}/{_VERSION}")),
        parts=tuple(parts),
        absent=f"{{data}} holds no {{missing}}; {_LOOKED}",
        near=tuple(
            Near(
                "labels",
                _table("labels", other).forms[0],
                f"{{data}} holds no {{missing}} (there is {{near.name}}: --option "
                f"labeller={other}); {_LOOKED}",
            )
            for other in LABELLERS
            if other != labeller
        ),
        get=GET,
    ).find(data)


def _table(name: str, end: str) -> Part:
    """The newest table of that name in the first place that has one; zipped before plain."""
    names = [f"mimic-cxr-{_VERSION}-{end}.{suffix}" for suffix in ("csv.gz", "csv")]
    return Part(name, Form(*names), called=f"mimic-cxr-*-{end}.csv.gz (or .csv)")


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


def _version(facts: os.stat_result) -> str:
    return f"{facts.st_size} {facts.st_ino} {facts.st_mtime_ns} {facts.st_ctime_ns}"
