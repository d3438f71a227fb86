"""The tables beside the reports: labels of a labeller, the official split, radiologists' labels.

All are read by column name, as their order differs between descriptions. The split has one row per
image, so a study comes several times and must say the same each time. A file that contradicts
itself (a study of two patients, a patient in two splits) is damaged and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.io.strict_csv import CsvTable

SPLITS = ("train", "validate", "test")
RENAMED = {"Airspace Opacity": "Lung Opacity"}
AGAIN = "get the file from PhysioNet (mimic-cxr-jpg) again"
_DIGITS = 8

States = tuple[float, ...]
"""1.0, 0.0, -1.0 or NaN (blank) for each of CHEXPERT."""


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """Whose a study is, and which split it belongs to."""

    patient: int
    split: str


def read_split(path: Path) -> dict[int, StudyPlace]:
    """Study -> place. DataError if a study has two patients, or a patient two splits."""
    table = CsvTable(path, ("study_id", "subject_id", "split"), advice=AGAIN)
    places: dict[int, StudyPlace] = {}
    splits: dict[int, str] = {}
    for number, (study_id, subject_id, split), _ in table:
        study = _number(table, number, "study_id", study_id)
        patient = _number(table, number, "subject_id", subject_id)
        if split not in SPLITS:
            raise table.fault(number, "split", f"none of {', '.join(SPLITS)}; {AGAIN}")
        known = places.get(study)
        if known is None:
            name = SPLITS[SPLITS.index(split)]  # one object for all rows
            places[study] = known = StudyPlace(patient, name)
        if known.patient != patient:
            raise table.fault(
                number, "subject_id", f"study {study} has another patient further up; {AGAIN}"
            )
        if splits.setdefault(patient, split) != split:
            raise table.fault(
                number, "split", f"patient {patient} is in another split further up; {AGAIN}"
            )
    return places


def read_labels(path: Path, places: Mapping[int, StudyPlace]) -> dict[int, States]:
    """Study -> states; DataError if a study comes twice or has another patient than in `places`."""
    table = CsvTable(path, ("study_id", "subject_id"), CHEXPERT, key=("study_id",), advice=AGAIN)
    labels: dict[int, States] = {}
    shared: dict[bytes, States] = {}
    for number, (study_id, subject_id), states in table:
        study = _number(table, number, "study_id", study_id)
        patient = _number(table, number, "subject_id", subject_id)
        place = places.get(study)
        if place is not None and place.patient != patient:
            raise table.fault(
                number, "subject_id", f"study {study} has another patient in the split; {AGAIN}"
            )
        labels[study] = shared.setdefault(_bytes(states), states)
    return labels


def read_radiologist(path: Path) -> dict[int, States]:
    """Study -> states of the radiologist-labelled test set, which names no patients."""
    table = CsvTable(path, ("study_id",), CHEXPERT, ("study_id",), RENAMED, advice=AGAIN)
    return {_number(table, n, "study_id", study): states for n, (study,), states in table}


def _bytes(states: States) -> bytes:
    """A key under which equal rows meet (NaN is not equal to itself)."""
    return bytes(3 if s != s else int(s) + 1 for s in states)


def _number(table: CsvTable, number: int, column: str, cell: str) -> int:
    if len(cell) != _DIGITS or not (cell.isascii() and cell.isdigit()):
        raise table.fault(number, column, f"not a number of {_DIGITS} digits; {AGAIN}")
    return int(cell)
