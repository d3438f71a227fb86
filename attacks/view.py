"""What an attack sees, and who joins the answer with the truth.

A `View` holds the target's outputs and everything an attacker may know *except which candidates of
the target were members*: those flags are not in the object, they stay with the `Scorer` until the
attack has answered. This stops accidents, not malice.

Public: labels as training would have used them, slots, lengths, similarities, patients (HMAC).
Private: all of it is data about private records and is kept in private/ folders of the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools, Floats
from radpriv.errors import AttackError

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Population:
    """Test records, never candidates: logits and labels, float32 (n, L), NaN = not observed."""

    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)

    def __post_init__(self) -> None:
        _matrices("population", self.logits, self.labels, len(self.logits))
        _freeze(self)


@dataclass(frozen=True, eq=False)
class Reference:
    """Another seed of the target's family, over the same candidates, with its own coins.

    logits, labels: float32 (m, L). slots: int64 (m,). member: bool (m,), of *this* run, drawn
    independently of the target's. population: the same test records as the target's.
    """

    seed: int
    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)
    slots: NDArray[np.int64] = field(repr=False)
    member: Bools = field(repr=False)
    population: Population = field(repr=False)

    def __post_init__(self) -> None:
        _matrices(f"reference of seed {self.seed}", self.logits, self.labels, len(self.slots))
        if self.member.shape != self.slots.shape or self.member.dtype != np.bool_:
            raise AttackError(f"reference of seed {self.seed}: one boolean flag per slot is needed")
        _freeze(self)


@dataclass(frozen=True, eq=False)
class View:
    """One target, in slot order, without its flags.

    logits, labels: float32 (m, L), NaN label = not observed.  slots: int64 (m,), increasing.
    length: int32 (m,), words.  similarity: float32 (m,) in [0, 1], to the nearest record of another
    unit, in or out alike (clean.py).  patient: m pseudonyms.  references: the other seeds.
    """

    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)
    slots: NDArray[np.int64] = field(repr=False)
    length: NDArray[np.int32] = field(repr=False)
    similarity: NDArray[np.float32] = field(repr=False)
    patient: tuple[str, ...] = field(repr=False)
    references: tuple[Reference, ...] = field(repr=False)
    population: Population = field(repr=False)

    def __post_init__(self) -> None:
        m = len(self.slots)
        _matrices("view", self.logits, self.labels, m)
        if not len(self.length) == len(self.similarity) == len(self.patient) == m:
            raise AttackError("view: length, similarity and patient need one entry per slot")
        for other in self.references:
            if not np.array_equal(other.slots, self.slots):
                raise AttackError(
                    f"the reference of seed {other.seed} has other candidates than the target: "
                    "one family shares its audit set; run its cells again"
                )
        _freeze(self)

    def __len__(self) -> int:
        return len(self.slots)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Holds the target's flags, bool (m,), and joins them after the attack has answered."""

    member: Bools = field(repr=False)

    def join(self, attack: str, answer: object) -> tuple[Floats, Bools]:
        """(scores, member): the answer as float64 (m,), checked for shape, dtype and finiteness."""
        m = len(self.member)
        if not isinstance(answer, np.ndarray) or answer.shape != (m,):
            given = getattr(answer, "shape", type(answer).__name__)
            raise AttackError(
                f"attack '{attack}' answered {given}: return one score per candidate, shape ({m},)"
            )
        if not np.issubdtype(answer.dtype, np.floating):
            raise AttackError(f"attack '{attack}' answered {answer.dtype}: return floats")
        if bad := int((~np.isfinite(answer)).sum()):
            raise AttackError(
                f"attack '{attack}': {bad} of {m} scores are not finite: mend the attack, or leave "
                "out the run whose logits are not finite"
            )
        return answer.astype(np.float64), self.member


def _matrices(what: str, logits: Matrix, labels: Matrix, rows: int) -> None:
    if logits.ndim != 2 or logits.shape != labels.shape or len(logits) != rows:
        raise AttackError(
            f"{what}: logits {logits.shape} and labels {labels.shape} must both be ({rows}, labels)"
        )


def _freeze(owner: Any) -> None:
    """Arrays become read-only views: an attack cannot change what the next one sees."""
    for name, value in list(vars(owner).items()):
        if isinstance(value, np.ndarray):
            locked = value.view()
            locked.setflags(write=False)
            object.__setattr__(owner, name, locked)
