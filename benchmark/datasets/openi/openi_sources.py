"""Where Open-i lies under the data folder, in which of its three forms, and its SHA-256.

Looked for in `data/openi/` and `data/` itself, in this order: NLM's archive NLMCXR_reports.tgz, its
unpacked ecgen-radiology/*.xml, the re-issue indiana_reports.csv with or without its companion
indiana_projections.csv.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from radpriv.benchmark.datasets.io.sources import Form, Near, Part, Sources, file_sha256
from radpriv.benchmark.datasets.openi.openi_csv import (
    PROJECTIONS,
    count_images,
    projections_beside,
    read_csv,
)
from radpriv.benchmark.datasets.openi.openi_xml import (
    XmlReport,
    read_archive,
    read_folder,
    report_files,
)

ARCHIVE = "NLMCXR_reports.tgz"
FOLDER = "ecgen-radiology"
CSV = "indiana_reports.csv"


def folder_sha256(folder: Path) -> str:
    """SHA-256 of the list of (name, SHA-256) of the folder's reports."""
    lines = [f"{file.name} {file_sha256(file)}\n" for file in report_files(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


SOURCES = Sources(
    "Open-i",
    places=("openi", "."),
    parts=(
        Part(
            "reports",
            Form(ARCHIVE),
            Form(FOLDER, folder=lambda path: bool(report_files(path)), sha256=folder_sha256),
            Form(CSV),
        ),
    ),
    absent=f"{{data}} holds neither openi/{ARCHIVE} nor {FOLDER}/ nor {CSV}; {{get}}",
    near=(
        Near(
            "reports",
            Form(PROJECTIONS),
            f"{{near}} lists images; the reports are missing. Put {CSV} beside it, or {{get}}",
        ),
    ),
    get=f"get {ARCHIVE} from NLM (openi.nlm.nih.gov, Indiana University chest X-rays, reports), "
    "put it under openi/ there as it is",
)


def find_source(data: Path | None) -> Path:
    """The archive, folder or CSV; DataError that says what is missing and how to get it."""
    return SOURCES.find(data)["reports"]


def read_source(source: Path) -> list[XmlReport]:
    """All reports, by number; DataError if the source is damaged."""
    if source.is_dir():
        return read_folder(source, report_files(source))
    return read_csv(source) if source.name == CSV else read_archive(source)


def read_companion(source: Path, reports: list[XmlReport]) -> dict[str, int]:
    """What the list of images beside a CSV says of its reports, in numbers; {} without one."""
    path = _companion(source)
    return count_images(path, reports) if path else {}


def companion_sha256(source: Path) -> dict[str, str]:
    """{"projections_sha256": …} where a list of images lies beside a CSV."""
    path = _companion(source)
    return {"projections_sha256": file_sha256(path)} if path else {}


def _companion(source: Path) -> Path | None:
    return projections_beside(source) if source.name == CSV else None


def source_sha256(source: Path) -> str:
    """SHA-256 of the file, or of the list of (name, SHA-256) of the folder's reports."""
    return folder_sha256(source) if source.is_dir() else file_sha256(source)
