"""The candidates of one cell by kind: those a headline counts, and each kind of canary by itself.

    parts_of(outputs, scores, unit)        # {"natural": Part(...), "rare-token": Part(...), ...}

What was flipped by one coin is one candidate: a report, all reports of a patient where the claim is
about patients, and all copies of a canary whatever the claim. Its score is the mean; where some of
its records were not scored (NaN, of an extraction alone), that of the others, and NaN if none was.
Gradient canaries are no records, so what a model says of their slots says nothing: they are left
out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.metrics import Bools, Floats
from radpriv.benchmark.canary_spec import GRADIENT
from radpriv.errors import AttackError

OWN = ("natural", "mislabelled")
"""Kinds that are records of the dataset."""


@dataclass(frozen=True, eq=False)
class CandidateGroup:
    """Candidates of one kind, (m,) each: slot of the first record, score, coin, similarity."""

    slots: NDArray[np.int64] = field(repr=False)
    scores: Floats = field(repr=False)
    member: Bools = field(repr=False)
    similarity: NDArray[np.float32] = field(repr=False)


def base_of(outputs: Outputs) -> str:
    """The kind that headlines count."""
    return outputs.cell.record.cell.audit.canaries


def parts_of(
    outputs: Outputs, scores: Floats, unit: str, base: str | None = None
) -> dict[str, CandidateGroup]:
    """By kind: the headline's first, then the others by name. base: the headline's kind, if not
    that of records."""
    kinds = np.array(outputs.kind)
    base = base_of(outputs) if base is None else base
    others = sorted(set(outputs.kind) - {base, GRADIENT})
    found = {}
    for kind in (base, *others):
        rows = np.flatnonzero(kinds == kind)
        together = unit == "patient" or kind not in OWN
        found[kind] = merged(outputs, scores, rows) if together else _each(outputs, scores, rows)
    return found


def _each(outputs: Outputs, scores: Floats, rows: NDArray[np.int64]) -> CandidateGroup:
    return CandidateGroup(
        outputs.slots[rows], scores[rows], outputs.member[rows], outputs.similarity[rows]
    )


def merged(outputs: Outputs, scores: Floats, rows: NDArray[np.int64]) -> CandidateGroup:
    """One candidate for each patient of these rows, in order of first slot; means.

    Coins were flipped per patient, so reports of one patient are one candidate and not many. The
    similarity is a mean as the score is: one common report in a long history makes no copy.
    """
    number = _patients([outputs.patient[r] for r in rows])
    first = np.unique(number, return_index=True)[1]
    count = np.bincount(number)
    members = np.bincount(number, weights=outputs.member[rows])
    if not ((members == 0) | (members == count)).all():
        raise AttackError(
            f"{outputs.cell.folder}: a patient is a member in part, though its coins were flipped "
            "per patient; the cell is damaged: delete its folder and run it again"
        )
    similarity = np.bincount(number, weights=outputs.similarity[rows]) / count
    scored = ~np.isnan(scores[rows])
    total = np.bincount(number, weights=np.where(scored, scores[rows], 0.0))
    counted = np.bincount(number, weights=scored)
    return CandidateGroup(
        outputs.slots[rows][first],
        np.where(counted > 0, total / np.maximum(counted, 1), np.nan),
        members > 0,
        similarity.astype(np.float32),
    )


def _patients(names: Sequence[str]) -> NDArray[np.int64]:
    """int64 (m,): patients numbered by first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(p, len(numbers)) for p in names], np.int64)
