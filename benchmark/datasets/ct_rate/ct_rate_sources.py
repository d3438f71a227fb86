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
from radpriv.benchmark.store import digests
from radpriv.errors import DataError

PLACES = ("ct-rate", "CT-RATE", ".")
KINDS = {
    "reports": ("radiology_text_reports", "reports"),
    "labels": ("multi_abnormality_labels", "predicted_labels"),
}
"""Kind of file -> its folder and the end of its name."""

_SPELLED = {
    ("train", "reports"): ("train",),
    ("train", "labels"): ("train",),
    ("valid", "reports"): ("validation", "valid"),
    ("valid", "labels"): ("valid", "validation"),
}
_POINTER = b"version https://git-lfs"
AGAIN = "get it again from Hugging Face"


@dataclass(frozen=True)
class Files:
    """The files of one split."""

    reports: Path
    labels: Path


def find_place(data: Path | None) -> Path:
    """The place that holds all four files; DataError that says what is missing or there twice."""
    if data is None:
        raise DataError(
            "CT-RATE: no data folder given; name one by --data or RADPRIV_DATA. "
            f"{_get(Path('DATA'))}"
        )
    if not data.is_dir():
        raise DataError(f"CT-RATE: the data folder {data} does not exist; make it. {_get(data)}")
    partial = None
    for place in (data / name for name in PLACES):
        found = _found(place)
        if all(found.values()):
            split_files(place)
            return place
        if partial is None and any(found.values()):
            partial = found
    if partial is None:
        raise DataError(f"CT-RATE: {data} holds no {PLACES[0]}/ with its files. {_get(data)}")
    missing = [official_name(*key) for key, paths in partial.items() if not paths]
    present = [str(path) for paths in partial.values() for path in paths]
    raise DataError(
        f"CT-RATE: half a download, {', '.join(missing)} missing beside {', '.join(present)}. "
        f"{_get(data)}"
    )


def split_files(place: Path) -> dict[str, Files]:
    """The files of each split under a place that has all; DataError for one that is no CSV."""
    chosen: dict[tuple[str, str], Path] = {}
    for key, paths in _found(place).items():
        if not paths:
            raise DataError(f"CT-RATE: {official_name(*key)} is missing under {place}; {AGAIN}")
        if len(paths) > 1:
            both = " and ".join(map(str, paths))
            raise DataError(f"CT-RATE: {both} stand for the same file; delete one")
        chosen[key] = _checked(paths[0])
    return {s: Files(chosen[s, "reports"], chosen[s, "labels"]) for s in SPLITS}


def sources_sha256(place: Path) -> dict[str, str]:
    """SHA-256 of each of the four files by its part, e.g. "train reports"; not by its path."""
    hashed = {}
    for split, files in split_files(place).items():
        for kind in KINDS:
            path = getattr(files, kind)
            try:
                hashed[f"{split} {kind}"] = digests.file_sha256(path)
            except OSError as error:
                raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return hashed


def official_name(split: str, kind: str) -> str:
    """Path of a file in the repository."""
    folder, end = KINDS[kind]
    return f"dataset/{folder}/{_SPELLED[split, kind][0]}_{end}.csv"


def _get(data: Path) -> str:
    """How to get all of it."""
    return (
        "To get it: accept the terms at huggingface.co/datasets/ibrahimhamamci/CT-RATE, then run: "
        "hf download ibrahimhamamci/CT-RATE --repo-type dataset --include "
        "'dataset/radiology_text_reports/*' 'dataset/multi_abnormality_labels/*' "
        f"--local-dir {data / PLACES[0]}"
    )


def _found(place: Path) -> dict[tuple[str, str], list[Path]]:
    """(split, kind) -> the files under `place` that could be it."""
    found: dict[tuple[str, str], list[Path]] = {}
    for (split, kind), spellings in _SPELLED.items():
        folder, end = KINDS[kind]
        names = [f"{spelling}_{end}.csv" for spelling in spellings]
        folders = (place / "dataset" / folder, place / folder, place)
        paths = [inside / name for inside in folders for name in names]
        found[split, kind] = [path for path in paths if path.is_file()]
    return found


def _checked(path: Path) -> Path:
    """`path`, unless git left a pointer in place of the file."""
    try:
        with path.open("rb") as file:
            pointer = file.read(len(_POINTER)) == _POINTER
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if pointer:
        raise DataError(f"{path}: git left a pointer here instead of the file; run: git lfs pull")
    return path
