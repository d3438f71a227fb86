"""The audit set: units whose membership in the training set is an independent fair coin.

    universe = draw(dataset, policy, audit_key, n_public, seed, per_patient)

Candidate iff PRF(key, "candidate", unit) < rate, the same for every seed; a candidate is a member
of seed s iff PRF(key, "member", s, unit) < ½. Coins are independent over units and seeds and never
balanced: with balanced membership the number of other seeds that hold a record gives the answer
away (AUC 1.0 on null data). All that is not a candidate is a member; test records stay untouched.

Canaries (canaries.py) are candidates too, beside the dataset's own: an own coin for each, by the
same rule, so that one which is out leaves its slot unused.

A unit is a report or a patient. Of a patient with many reports the first `per_patient` in order of
id are training data and the others are left out: a public rule that looks at that patient alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.cell import AuditPolicy, canonical
from radpriv.benchmark.datasets.audit_set.canaries import MARK, Canary, planted
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
    kinds: "" of a record that is no candidate, "natural", "mislabelled", or a canary's name.
    points: float64 (slots,), in [0, 1) where a gradient canary has its slot, otherwise NaN; None if
    there is none.
    """

    ids: tuple[str, ...] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    texts: tuple[str, ...] | Texts = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    unit: NDArray[np.int64] = field(repr=False)
    candidate: NDArray[np.bool_] = field(repr=False)
    member: NDArray[np.bool_] = field(repr=False)
    kinds: tuple[str, ...] = field(repr=False)
    points: NDArray[np.float64] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def units(self) -> int:
        """How many units there are, present or absent."""
        return int(self.unit.max()) + 1 if len(self.unit) else 0

    @property
    def canary(self) -> NDArray[np.bool_]:
        """bool (slots,): planted, and no record of the dataset."""
        return np.array([i.startswith(MARK) for i in self.ids], bool)

    @property
    def gradient(self) -> NDArray[np.bool_]:
        """bool (slots,): a canary that is no record at all; the waist adds its direction."""
        return np.zeros(len(self), bool) if self.points is None else ~np.isnan(self.points)

    def take(self, order: NDArray[np.int64]) -> Universe:
        """These slots; units keep their numbers."""
        return Universe(
            ids=tuple(self.ids[i] for i in order),
            patients=tuple(self.patients[i] for i in order),
            texts=pick(self.texts, order),
            y=self.y[order],
            unit=self.unit[order],
            candidate=self.candidate[order],
            member=self.member[order],
            kinds=tuple(self.kinds[i] for i in order),
            points=None if self.points is None else self.points[order],
        )


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
    for i, r in enumerate(rows):
        if dataset.ids[r].startswith(MARK) or dataset.patients[r].startswith(MARK):
            raise DataError(
                f"dataset {dataset.name}: the id or patient of training record {i + 1} begins with "
                f"'{MARK}', which names canaries; rename it"
            )
    units = [names[r] for r in rows]
    rate = policy.rate(n_public)
    candidate = np.array([prf(key, "candidate", u) < rate for u in units])
    coin = np.array([prf(key, "member", seed, u) < 0.5 for u in units])
    flipped = candidate & np.array([prf(key, "mislabelled", u) < policy.flipped for u in units])
    y = dataset.y[rows].copy()
    y[flipped] = 1.0 - y[flipped]
    kinds = np.where(candidate, np.where(flipped, "mislabelled", "natural"), "")
    own = Universe(
        ids=tuple(dataset.ids[r] for r in rows),
        patients=tuple(dataset.patients[r] for r in rows),
        texts=pick(dataset.texts, rows),
        y=y,
        unit=_numbered(units),
        candidate=candidate,
        member=~candidate | coin,
        kinds=tuple(map(str, kinds)),
    )
    if not policy.planted:
        return own
    made = planted(policy.planted, len(dataset.labels), partial(prf, key))
    most = per_patient if policy.unit == "patient" else None

    def coin_of(name: str) -> bool:
        """Another coin in another dataset of the suite, though the canary is the same."""
        return prf(key, "member", seed, dataset.name, name) < 0.5

    return plant(own, made, coin_of, policy.unit, most)


def plant(
    own: Universe,
    canaries: Iterable[Canary],
    coin: Callable[[str], bool],
    unit: str,
    per_patient: int | None = None,
) -> Universe:
    """The universe with canaries among its records, still in order of id.

    coin: membership by the canary's id. A canary is a patient of its own, so with unit "patient"
    its copies are one unit.
    """
    crafted = [(i, c) for c in canaries for i in c.ids[:per_patient]]
    if not crafted:
        return own
    ids = (*own.ids, *(i for i, _ in crafted))
    patients = (*own.patients, *(c.id for _, c in crafted))
    texts = [c.text for _, c in crafted]
    whole = Universe(
        ids=ids,
        patients=patients,
        texts=own.texts.followed_by(texts)
        if isinstance(own.texts, Texts)
        else (*own.texts, *texts),
        y=np.concatenate([own.y, np.array([c.labels for _, c in crafted], np.float32)]),
        unit=_numbered(patients if unit == "patient" else ids),
        candidate=np.concatenate([own.candidate, np.ones(len(crafted), bool)]),
        member=np.concatenate([own.member, np.array([coin(c.id) for _, c in crafted])]),
        kinds=(*own.kinds, *(c.name for _, c in crafted)),
        points=np.concatenate([np.full(len(own), np.nan), [c.point for _, c in crafted]]),
    )
    return whole.take(np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64))


def _numbered(units: Sequence[str]) -> NDArray[np.int64]:
    """The number of each record's unit, in order of the units' names."""
    number = {name: i for i, name in enumerate(sorted(set(units)))}
    return np.array([number[u] for u in units], np.int64)


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
