"""Cell, Budget, Claim: what is asked, frozen, hashable, and written as canonical JSON.

A cell is one training run: dataset × encoder × method × budget × seed. Its id says *what was
asked* and is the same on every machine; how it was computed is the fingerprint (fingerprint.py).
Nothing in a cell depends on which records the audit coins put into the training set.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

from radpriv.benchmark.canary_spec import Planting
from radpriv.errors import SuiteError

UNITS = ("report", "patient")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; infinity is the string "inf".

    SuiteError for NaN and -inf: they have no place in what is asked.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, as hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        if value != math.inf:
            raise SuiteError(f"{value} among the parameters: give a number, or inf")
        return "inf"
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def default_delta(n_public: int) -> float:
    """The largest power of ten ≤ 1/(10 · n_public)."""
    if n_public < 1:
        raise SuiteError(f"n_public = {n_public}: give a positive number of units")
    return float(f"1e-{len(str(10 * n_public - 1))}")  # digits: exact where a logarithm is not


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


@dataclass(frozen=True)
class Budget:
    """(ε, δ) for one unit under add/remove adjacency; ε = inf is non-private (δ is then 0)."""

    epsilon: float
    delta: float
    unit: str = "report"
    adjacency: str = "add_remove"

    def __post_init__(self) -> None:
        if not _number(self.epsilon):
            raise SuiteError(f"epsilon = {self.epsilon!r}: give a positive number, or inf")
        if self.epsilon <= 0:
            raise SuiteError(f"epsilon = {self.epsilon:g}: a budget is positive (or inf)")
        if self.private and not (_number(self.delta) and 0 < self.delta < 1):
            raise SuiteError(f"delta = {self.delta!r}: give a number between 0 and 1")
        # 1 and 1.0 are one budget, so they must give one id; without privacy there is no δ.
        object.__setattr__(self, "epsilon", float(self.epsilon))
        object.__setattr__(self, "delta", float(self.delta) if self.private else 0.0)
        if self.unit not in UNITS:
            raise SuiteError(f"unit = '{self.unit}': one of {', '.join(UNITS)}")
        if self.adjacency != "add_remove":
            raise SuiteError(f"adjacency = '{self.adjacency}': only add_remove is offered")

    @property
    def private(self) -> bool:
        return math.isfinite(self.epsilon)

    @staticmethod
    def of(
        epsilon: float, n_public: int, delta: float | None = None, unit: str = "report"
    ) -> Budget:
        """The budget for ε with the default δ, the largest power of ten ≤ 1/(10 · n_public).

        Raises:
            SuiteError: no number of units, no budget, or δ ≥ 1/n_public, which would allow
                publishing a record.
        """
        chosen = default_delta(n_public) if delta is None else delta
        budget = Budget(epsilon, chosen, unit)
        if budget.delta * n_public >= 1:
            raise SuiteError(
                f"delta = {chosen:g} is at least 1/n_public ({1 / n_public:.2g}): a method could "
                "publish a whole record within it; give a smaller delta"
            )
        return budget


@dataclass(frozen=True)
class Claim:
    """What a finished run says it satisfies; it can be refuted.

    standing: "by construction" (everything went through the waist), "declared" (a ledger of the
    method's own) or "none".
    """

    epsilon: float
    delta: float
    unit: str
    adjacency: str
    standing: str


@dataclass(frozen=True)
class AuditPolicy:
    """Which units are candidates and how their membership is drawn (audit_set/universe.py).

    share: fraction of the universe's units that are candidates; None = min(1,000, 20% of n_public).
    canaries: "natural" (records as they are) or "mislabelled" (every label of a candidate flipped;
    the positive control).  key_sha256: SHA-256 of the audit key, never the key.
    planted: canaries beside the candidates, in order of their name (audit_set/canaries.py).
    """

    share: float | None = None
    unit: str = "report"
    canaries: str = "natural"
    key_sha256: str = ""
    planted: tuple[Planting, ...] = ()

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise SuiteError(f"audit share = {self.share}: give a fraction in (0, 1]")
        if self.unit not in UNITS:
            raise SuiteError(f"audit unit = '{self.unit}': one of {', '.join(UNITS)}")
        if self.canaries not in ("natural", "mislabelled"):
            raise SuiteError(f"audit canaries = '{self.canaries}': natural or mislabelled")
        ordered = tuple(sorted(self.planted, key=lambda p: p.name))
        for one, two in pairwise(ordered):
            if one.name == two.name:
                raise SuiteError(f"canaries: '{one.name}' comes twice; give each kind one entry")
        object.__setattr__(self, "planted", ordered)

    @property
    def flipped(self) -> float:
        """The probability that a candidate has its labels flipped."""
        if self.canaries == "mislabelled":
            return 1.0
        return sum(p.share for p in self.planted if p.kind == "mislabelled")

    def rate(self, n_public: int) -> float:
        """The probability that a unit is a candidate."""
        return self.share if self.share is not None else min(1000, 0.2 * n_public) / n_public


@dataclass(frozen=True)
class Cell:
    """One training run, fully described. `identity` and `encoder` are canonical-JSON-able.

    dataset: name. dataset_identity: loader, options, source hashes (datasets/base.py).
    encoder: name or "" for a method that uses none. encoder_sha256: of its files.
    params: every parameter of the method, defaults included.
    limited: the N of `--limit N`, else None.
    per_patient: with unit "patient", the most reports of one patient that are trained on.
    """

    dataset: str
    dataset_identity: Mapping[str, Any] = field(hash=False)
    encoder: str
    encoder_sha256: str
    method: str
    params: Mapping[str, Any] = field(hash=False)
    public: tuple[str, ...]
    budget: Budget
    n_public: int
    seed: int
    suite_key_sha256: str
    noise_mode: str
    audit: AuditPolicy
    limited: int | None = None
    per_patient: int | None = None

    def __post_init__(self) -> None:
        if (self.per_patient is not None) != (self.budget.unit == "patient"):
            raise SuiteError("per_patient: a cap on reports belongs to unit 'patient' alone")
        if self.per_patient is not None and self.per_patient < 1:
            raise SuiteError(f"per_patient = {self.per_patient}: give a positive count")
        if self.audit.unit != self.budget.unit:
            raise SuiteError(
                f"audit unit '{self.audit.unit}' is not the claim's unit '{self.budget.unit}'"
            )
        if self.noise_mode not in ("replayable", "secret"):
            raise SuiteError(f"noise mode '{self.noise_mode}': replayable or secret")

    def as_dict(self) -> dict[str, Any]:
        asked = dict(_plain(asdict(self)))
        if self.per_patient is None:  # ids of cells with unit "report" stay what they were
            del asked["per_patient"]
        if not self.audit.planted:  # likewise without canaries
            del asked["audit"]["planted"]
        return asked

    @property
    def id(self) -> str:
        """Readable head + 16 hex digits of the SHA-256 of everything that was asked."""
        parts = [self.dataset, self.encoder, self.method, f"eps{self.budget.epsilon:g}"]
        if self.audit.canaries != "natural":
            parts.append(self.audit.canaries)
        if self.limited is not None:
            parts.append(f"limit{self.limited}")
        parts.append(f"s{self.seed}")
        head = ".".join(re.sub(r"[^A-Za-z0-9_-]+", "_", p)[:40] for p in parts if p)
        return f"{head}-{digest(self.as_dict())[:16]}"

    @property
    def family(self) -> str:
        """Hash of everything but the seed: cells of one family differ in the seed only."""
        return digest({**self.as_dict(), "seed": None})[:16]

    def with_seed(self, seed: int) -> Cell:
        return replace(self, seed=seed)
