"""CT-RATE's volume names: `train_1_a_2.nii.gz` is reconstruction 2 of scan a of patient train_1.

A scan is one visit to the scanner and has one report; its reconstructions are the same recording
computed with other kernels, and each has a row in every file. Rows are therefore joined by scan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LABELS = (
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
)
"""The 18 labels in the official order, which is that of the published label files."""

SPLITS = ("train", "valid")
"""The official splits as volume names spell them; "validation" in a name is read as "valid"."""

FORM = "train_1_a_2.nii.gz or valid_1_a_2.nii.gz"
_NAME = re.compile(
    r"(train|valid)(?:(?<=valid)ation)?_(0|[1-9][0-9]{0,8})_([a-z]{1,3})_(0|[1-9][0-9]{0,5})"
    r"(?:\.nii(?:\.gz)?)?"
)


@dataclass(frozen=True, slots=True, order=True)
class Volume:
    """One reconstruction. Volumes of one scan sort by their number."""

    split: str
    person: int
    letter: str
    number: int

    @property
    def patient(self) -> str:
        """The patient; numbers start anew in each split, so the split is a part of it."""
        return f"{self.split}_{self.person}"

    @property
    def scan(self) -> str:
        return f"{self.split}_{self.person}_{self.letter}"

    def __str__(self) -> str:
        return f"{self.scan}_{self.number}.nii.gz"


def parse_volume(name: str) -> Volume | None:
    """The volume of that name (the ending may be missing); None if it has another form."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Volume(found[1], int(found[2]), found[3], int(found[4]))


def patient_of(scan: str) -> str:
    """The patient of a scan's id."""
    return scan.rpartition("_")[0]
