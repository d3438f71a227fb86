"""The audit set: units whose membership in the training set is an independent fair coin.

    universe = draw(dataset, policy, audit_key, n_public, seed, per_patient)

Candidate iff PRF(key, "candidate", unit) < rate, the same for every seed; a candidate is a member
of seed s iff PRF(key, "member", s, unit) < ½. Coins are independent over units and seeds and never
balanced: with balanced membership the number of other seeds that hold a record gives the answer
away (AUC 1.0 on null data). All that is not a candidate is a member; test records stay untouched.

A unit is a report or a patient. Of a patient with many reports the first `per_patient` in order of
id are training data and the others are left out: a public rule that looks at that patient alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.cell import AuditPolicy, canonical
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.texts import Texts, pick
from radpriv.errors import DataError


@dataclass(frozen=True)
class Universe:
    """All training records before the coins, one slot each, in order of id. Private data.

    unit: int64 (slots,), the unit of each record; units are numbered in order of their id, so with
    unit "report" it is the slot itself. member, candidate: bool (slots,), the same for all records
    of a unit; member was drawn for one seed, candidate is the audit set.
    y: float32 (slots, labels) as training would see them (flipped where kind is "mislabelled").
    """

    ids: tuple[str, ...] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    texts: tuple[str, ...] | Texts = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    unit: NDArray[np.int64] = field(repr=False)
    candidate: NDArray[np.bool_] = field(repr=False)
    member: NDArray[np.bool_] = field(repr=False)
    kinds: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def units(self) -> int:
        """How many units there are, present or absent."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0


def prf(key: bytes, *path: object) -> float:
    """Uniform in [0, 1): the first 53 bits of HMAC-SHA256(key, canonical path)."""
    mac = hmac.new(key, canonical(list(path)).encode(), hashlib.sha256).digest()
    return (int.from_bytes(mac[:8], "big") >> 11) * 2.0**-53


def draw(
    dataset: Dataset,
    policy: AuditPolicy,
    key: bytes,
    n_public: int,
    seed: int,
    per_patient: int | None = None,
) -> Universe:
    """The universe of one cell; DataError if the training split is empty.

    per_patient: the most reports of one patient that are training data (unit "patient").
    """
    rows = dataset.rows("train")
    if len(rows) == 0:
        raise DataError(f"dataset {dataset.name}: its training split is empty")
    names = dataset.ids
    if policy.unit == "patient":
        names = dataset.patients
        rows = _capped(rows, names, per_patient)
    units = [names[r] for r in rows]
    number = {name: i for i, name in enumerate(sorted(set(units)))}
    rate = policy.rate(n_public)
    candidate = np.array([prf(key, "candidate", u) < rate for u in units])
    coin = np.array([prf(key, "member", seed, u) < 0.5 for u in units])
    y = dataset.y[rows].copy()
    if policy.canaries == "mislabelled":
        y[candidate] = 1.0 - y[candidate]
    kinds = [policy.canaries if c else "" for c in candidate]
    return Universe(
        ids=tuple(dataset.ids[r] for r in rows),
        patients=tuple(dataset.patients[r] for r in rows),
        texts=pick(dataset.texts, rows),
        y=y,
        unit=np.array([number[u] for u in units], np.int64),
        candidate=candidate,
        member=~candidate | coin,
        kinds=tuple(kinds),
    )


def _capped(
    rows: NDArray[np.int64], patients: tuple[str, ...], most: int | None
) -> NDArray[np.int64]:
    """The first `most` rows of each patient, in order."""
    if most is None:
        return rows
    seen: Counter[str] = Counter()
    kept = []
    for r in rows:
        seen[patients[r]] += 1
        if seen[patients[r]] <= most:
            kept.append(r)
    return np.array(kept, np.int64)
