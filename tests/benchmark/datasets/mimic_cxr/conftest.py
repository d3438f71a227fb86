"""MIMIC-CXR releases in PhysioNet's layout, made up here; no report is a real one."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LABELS = (  # in the order of one of the real files, which is not the order of the loader
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
MARKER = "unspeakable"
TEXT = f"""                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)
 
 INDICATION:  ___ year old with cough
 
 FINDINGS: 
 
 The lungs are
 clear, {MARKER}.
 
 IMPRESSION: 
 
 No acute process, {MARKER}.
"""


@dataclass(frozen=True)
class Study:
    """cells: label -> cell; what is not named is blank."""

    study: int
    patient: int
    split: str = "train"
    text: str | bytes | None = TEXT
    cells: dict[str, str] = field(default_factory=lambda: {"No Finding": "1.0"})
    images: int = 2
    labelled: bool = True

    @property
    def path(self) -> str:
        return f"files/p{str(self.patient)[:2]}/p{self.patient}/s{self.study}.txt"

    @property
    def id(self) -> str:
        return f"p{self.patient}/s{self.study}"


STUDIES = (
    Study(50000007, 10000032),
    Study(50000003, 10000032, cells={"Edema": "-1.0", "Cardiomegaly": "0.0", "Fracture": "1.0"}),
    Study(50000001, 10000764, "validate"),
    Study(50000009, 11000011, "test"),
    Study(50000002, 11000011, "test", cells={}),
    Study(50000005, 19999999),
)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@dataclass(frozen=True)
class Release:
    """Writes a release under `data`; each part can be written again to damage it."""

    data: Path

    @property
    def folder(self) -> Path:
        return self.data / "mimic-cxr"

    def write(self, studies: Sequence[Study] = STUDIES, form: str = "zip") -> Path:
        """All parts; form: "zip" or "files". Returns the data folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        members = {s.path: raw(s.text) for s in studies if s.text is not None}
        if form == "zip":
            self.zip(members)
        else:
            for path, content in members.items():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_bytes(content)
        self.split(studies)
        for labeller in ("chexpert", "negbio"):
            self.labels(studies, labeller)
        return self.data

    def zip(self, members: dict[str, bytes]) -> Path:
        path = self.folder / "mimic-cxr-reports.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("files/", "")
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    def split(self, studies: Sequence[Study]) -> Path:
        rows = [
            (f"{s.study}-{i:08x}", s.study, s.patient, s.split)
            for s in studies
            for i in range(s.images)
        ]
        return self.gz("split", table(("dicom_id", "study_id", "subject_id", "split"), rows))

    def labels(self, studies: Sequence[Study], labeller: str = "chexpert") -> Path:
        rows = [
            (s.patient, s.study, *(s.cells.get(label, "") for label in LABELS))
            for s in studies
            if s.labelled
        ]
        return self.gz(labeller, table(("subject_id", "study_id", *LABELS), rows))

    def radiologist(self, cells: dict[int, dict[str, str]]) -> Path:
        names = [label.replace("Lung Opacity", "Airspace Opacity") for label in reversed(LABELS)]
        rows = [(study, *(row.get(n, "") for n in names)) for study, row in cells.items()]
        path = self.folder / "mimic-cxr-2.1.0-test-set-labeled.csv"
        path.write_bytes(table(("study_id", *names), rows))
        return path

    def gz(self, part: str, content: bytes) -> Path:
        path = self.folder / f"mimic-cxr-2.0.0-{part}.csv.gz"
        path.write_bytes(gzip.compress(content, mtime=0))
        return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path / "data")


@pytest.fixture(scope="session")
def new_study() -> Callable[..., Study]:
    """Study(study, patient, split, text, cells, images, labelled)."""
    return Study


@pytest.fixture(scope="session")
def studies() -> tuple[Study, ...]:
    """Six studies of four patients in three groups and all three splits."""
    return STUDIES


@pytest.fixture(scope="session")
def labels() -> tuple[str, ...]:
    """The 14 labels, in the order of the files that `release` writes."""
    return LABELS


@pytest.fixture(scope="session")
def marker() -> str:
    """A word that stands in each report and nowhere else."""
    return MARKER
