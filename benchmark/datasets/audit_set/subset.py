"""Fewer patients of a dataset, chosen by a public hash: for what fits a small machine.

    small = subset(dataset, 2400, seed=0)          # in a suite: subset = { reports = 2400 }

Each split gets its share of the n reports, rounded down, and is filled with whole patients in the
order of a hash of (seed, patient) until the next one would not fit. So there are never more than n
reports, and per split fewer than the largest patient's number too few; with one report a patient
the shares are met to one report. A larger n with the same seed keeps every patient of a smaller
one, up to the whole dataset. The order depends on seed and patient alone, not on texts, labels or
other patients. How far a split reaches in it does depend on how many reports the patients before
have, as a limit does: a guarantee is about the training set that results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.audit_set.universe import prf
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.texts import pick
from radpriv.benchmark.store.schema import file_format
from radpriv.errors import DataError, SuiteError


@file_format
@dataclass(frozen=True)
class Subset:
    """What a suite asks for: about `reports` reports of whole patients, chosen by `seed`."""

    reports: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.reports < 1:
            raise SuiteError(f"subset: reports = {self.reports}: give a positive count")
        if self.seed < 0:
            raise SuiteError(f"subset: seed = {self.seed}: none may be negative")


def subset(dataset: Dataset, n: int, seed: int = 0) -> Dataset:
    """At most n reports of whole patients; DataError where n is too large or a split ends empty."""
    if not 1 <= n <= len(dataset):
        raise DataError(
            f"subset of {n} reports: {dataset.name} has {len(dataset)}; give 1 to that many"
        )
    _split_by_patient(dataset)
    chosen: list[int] = []
    for split in sorted(set(dataset.splits)):
        rows = dataset.rows(split)
        room = n * len(rows) // len(dataset)
        kept = _prefix(dataset, rows, room, seed)
        if not kept and split != "validate":
            raise DataError(
                f"subset of {n} reports: no patient of the {split} split of {dataset.name} fits "
                f"into its share of {room}; give more reports"
            )
        chosen += kept
    return taken(dataset, np.sort(np.array(chosen, np.int64)))


def taken(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """These rows of a dataset, which must be in order."""
    return replace(
        dataset,
        ids=tuple(pick(dataset.ids, rows)),
        patients=tuple(pick(dataset.patients, rows)),
        splits=tuple(pick(dataset.splits, rows)),
        texts=pick(dataset.texts, rows),
        y=dataset.y[rows],
    )


def _prefix(dataset: Dataset, rows: NDArray[np.int64], room: int, seed: int) -> list[int]:
    """Rows of the first patients in the order of their hash that fit together."""
    owned: dict[str, list[int]] = {}
    for r in rows:
        owned.setdefault(dataset.patients[r], []).append(int(r))
    kept: list[int] = []
    for patient in sorted(owned, key=lambda p: (prf(b"radpriv/subset", seed, p), p)):
        if len(kept) + len(owned[patient]) > room:
            break
        kept += owned[patient]
    return kept


def _split_by_patient(dataset: Dataset) -> None:
    """Refuse a patient of two splits, whom the share of one split cannot take whole."""
    known: dict[str, str] = {}
    for r, (patient, split) in enumerate(zip(dataset.patients, dataset.splits)):
        if known.setdefault(patient, split) != split:
            raise DataError(
                f"subset: the patient of record {dataset.ids[r]} of {dataset.name} has reports in "
                "more than one split; give a split by patient"
            )
