"""Where CT-RATE's four files lie: the Hugging Face repository as downloaded, or the files alone.

Looked for in `data/ct-rate/`, `data/CT-RATE/` and `data/` itself, and there in
`dataset/<folder>/`, `<folder>/` and the place itself. The repository calls the second split
"validation" in one file name and "valid" in the other; either spelling is taken for either file,
and the one in the repository is what an error asks for. The images are not needed. Each of the four
is looked for by its name, so it may be a link, as all files in Hugging Face's cache are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.datasets.ct_rate.volume_names import SPLITS
from radpriv.benchmark.datasets.io.sources import Form, Part, Sources

AGAIN = "get it again from Hugging Face"


def _part(name: str, folder: str, end: str, *spellings: str) -> Part:
    """A file of the repository; the first spelling is the repository's own."""
    files = [f"{spelling}_{end}.csv" for spelling in spellings]
    places = (f"dataset/{folder}/", f"{folder}/", "")
    return Part(name, Form(*(place + file for place in places for file in files)))


_REPORTS = ("radiology_text_reports", "reports")
_LABELS = ("multi_abnormality_labels", "predicted_labels")

SOURCES = Sources(
    "CT-RATE",
    places=("ct-rate", "CT-RATE", "."),
    parts=(
        _part("train reports", *_REPORTS, "train"),
        _part("train labels", *_LABELS, "train"),
        _part("valid reports", *_REPORTS, "validation", "valid"),
        _part("valid labels", *_LABELS, "valid", "validation"),
    ),
    no_folder="no data folder given; name one by --data or RADPRIV_DATA. {get}",
    no_such_folder="the data folder {data} does not exist; make it. {get}",
    absent="{data} holds no ct-rate/ with its files. {get}",
    half="half a download, {missing} missing beside {present}. {get}",
    again=AGAIN,
    get="To get it: accept the terms at huggingface.co/datasets/ibrahimhamamci/CT-RATE, then run: "
    "hf download ibrahimhamamci/CT-RATE --repo-type dataset --include "
    "'dataset/radiology_text_reports/*' 'dataset/multi_abnormality_labels/*' "
    "--local-dir {home}",
)


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split."""

    reports: Path
    labels: Path


def find_place(data: Path | None) -> Path:
    """The place that holds all four files; DataError that says what is missing or there twice."""
    place = SOURCES.place(data)
    SOURCES.inside(place)
    return place


def split_files(place: Path) -> dict[str, SplitFiles]:
    """The files of each split under a place that has all; DataError for one that is no CSV."""
    found = SOURCES.inside(place)
    return {s: SplitFiles(found[f"{s} reports"], found[f"{s} labels"]) for s in SPLITS}


def sources_sha256(place: Path) -> dict[str, str]:
    """SHA-256 of each of the four files by its part, e.g. "train reports"; not by its path."""
    return SOURCES.inside(place).sha256()
