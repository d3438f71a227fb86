"""result.json: one attack on one family of cells, as the attack stage writes and reports read it.

    write(folder / "result.json", result)       # schema.py
    result = read_result(folder)                # StoreError: file and key, never a value
    result.summary["attack"].auc.low

It holds public figures; the scores of single records are in private/rows.parquet. A figure that too
few candidates allow is None, which is neither 0 nor safe: it is "not resolvable".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.ranges import Count, Fraction, Positive, Probability
from radpriv.benchmark.store.atomic import read_bytes
from radpriv.benchmark.store.audit_schema import Audit, GuessedBound, LowerBound
from radpriv.benchmark.store.schema import file_format, parse
from radpriv.errors import StoreError

SCHEMA: Final = 1
COUNTING: Final = 7
"""What a result counts. 2: clean candidates alone in the headline, with strata of similarity. 3:
canaries by kind, outside the headline. 4: dedicated references; ROC, groups, labels, patients.
5: one rule for every bound on ε of a family. 6: the classes of this module. 7: near-copies from a
similarity of 0.7 on, dates, numbers and scrub marks aside."""

Role = Literal["attack", "control", "null", "known"]
"""control: the positive control. null: coins permuted. known: a mechanism of known ε."""
On = Literal["records", "secrets", "gradients"]
Unit = Literal["report", "patient"]


@file_format
@dataclass(frozen=True)
class Interval:
    """A two-sided interval [low, high] at `confidence`, around `value`."""

    value: float
    low: float
    high: float
    confidence: Probability


@file_format
@dataclass(frozen=True)
class Roc:
    """The mean curve with the ends of its 95% band, one of each at every rate."""

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    resolvable: tuple[bool, ...]
    """Whether 10/f non-members are there in every seed."""


@file_format
@dataclass(frozen=True)
class SimilarityRange:
    """Candidates whose similarity to the nearest other record lies in a range."""

    similarity_from: Fraction
    similarity_below: float | None
    candidates: Count
    auc: Interval | None


@file_format
@dataclass(frozen=True)
class CanaryKind:
    """Planted canaries of one kind; name*k: k copies by one coin."""

    kind: str
    candidates: Count
    auc: Interval | None
    bound: LowerBound | None
    """None for copies: they are more than one unit, so they bound nothing."""


@file_format
@dataclass(frozen=True)
class Truth:
    """What is true of a known mechanism."""

    epsilon: Epsilon
    auc: Fraction


@file_format
@dataclass(frozen=True)
class Summary:
    """One role over the k seeds of a family."""

    k: Count
    references: Count
    """Models that each target was compared with."""
    candidates: Count
    """Those without a near-copy, which AUC and rates count."""
    left_out: Count
    audited: Count
    """All of them, which bounds on ε count."""
    auc: Interval
    interval_method: str
    replicates: str
    """What the interval of the AUC is drawn over."""
    degrees_of_freedom: Positive | None
    """None: infinite."""
    tpr_at_fpr: Mapping[str, Interval | None]
    """By false-positive rate, as "0.05"."""
    roc: Roc
    advantage: Interval
    delta: Probability
    by_similarity: tuple[SimilarityRange, ...]
    canaries: tuple[CanaryKind, ...]
    audit: Audit | None
    """None: too few candidates for a single guess."""
    truth: Truth | None
    """Of the role "known" alone."""


@file_format
@dataclass(frozen=True)
class SeedRow:
    """One model in one role, at 95%."""

    cell_id: str
    seed: Count
    role: Role
    references: Count
    candidates: Count
    left_out: Count
    audited: Count
    members: Count
    """Of the candidates without a near-copy."""
    auc: Interval
    tpr_at_fpr: Mapping[str, float | None]
    bound: GuessedBound
    delta: Probability
    delta_source: str


@file_format
@dataclass(frozen=True)
class Subgroup:
    """Candidates of one group, or the attack made again through one label."""

    name: str
    candidates: Count
    auc: Interval | None


@file_format
@dataclass(frozen=True)
class Patients:
    """Patients with several candidate reports, attacked as one. reports: of each, on average."""

    patients: Count
    reports: float
    auc: Interval | None


@file_format
@dataclass(frozen=True)
class Subgroups:
    """Who is most exposed. labels: the most exposed first. patients: None where there is none."""

    groups: tuple[Subgroup, ...]
    labels: tuple[Subgroup, ...]
    patients: Patients | None


@file_format
@dataclass(frozen=True)
class Amounts:
    """What leaked of members beside what the same inference gets of others."""

    member_mean: float
    non_member_mean: float
    difference: Interval
    auc: Fraction


@file_format
@dataclass(frozen=True)
class ExtractedKind:
    """Candidates of one kind; members and non_members: of those asked, in the poorest seed."""

    kind: str
    k: Count
    asked: Count
    left_out: Count
    members: Count
    non_members: Count
    interval_method: str
    replicates: str
    amounts: Amounts | None


@file_format
@dataclass(frozen=True)
class Extracted:
    """What an extraction attack inferred."""

    quantity: str
    """What an amount is, and its unit."""
    chance: float | None
    """What guessing gives; None: unknown."""
    kinds: Mapping[Role, tuple[ExtractedKind, ...]]
    remarks: Mapping[str, str]
    """What must be known to read the amounts."""


@file_format
@dataclass(frozen=True)
class AttackResult:
    """An attack on the cells of one family: membership inference by role, or an extraction."""

    attack_id: str
    attack: str
    version: Count
    params: Mapping[str, JsonValue]
    fingerprint: str
    """Of the attack's sources."""
    family: str
    role: Literal["attack", "control"]
    unit: Unit
    on: On
    """Which candidates it is shown."""
    cell_fingerprints: Mapping[str, str]
    """Of the cells attacked, by id."""
    references: tuple[str, ...]
    """Ids of cells that were there to be compared with, and were not attacked."""
    rows: tuple[SeedRow, ...]
    summary: Mapping[Role, Summary]
    """Empty for an extraction, as `rows` is."""
    subgroups: Subgroups | None
    """None where the attack is not made by subset, as on a control."""
    extracted: Extracted | None
    diagnostics: tuple[Mapping[str, float], ...]
    """What the attack says of itself on each target."""
    counting: Literal[7] = COUNTING
    schema: Literal[1] = SCHEMA

    @property
    def kind(self) -> Literal["membership", "extraction"]:
        return "membership" if self.extracted is None else "extraction"

    @property
    def cells(self) -> tuple[str, ...]:
        """Ids of the cells attacked, sorted."""
        return tuple(sorted(self.cell_fingerprints))

    def audit(self, role: Role) -> Audit | None:
        """The audit of a role; None if the result has no such role, or too few candidates."""
        found = self.summary.get(role)
        return found.audit if found else None


class Superseded(StoreError):
    """A result that counts by another rule than this radpriv: left aside, and no damage."""


def read_result(folder: Path, where: str = "") -> AttackResult:
    """The result that lies in a folder. where: what a message calls it, its path by default.

    Raises:
        Superseded: it counts by another rule.
        StoreError: it cannot be read, or a key is not right.
    """
    path = folder / "result.json"
    where, text = where or str(path), read_bytes(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None  # `parse` says what is wrong
    if isinstance(found, dict) and "attack_id" in found and found.get("counting", 1) != COUNTING:
        raise Superseded(f"{where}: counted by another rule; run the attack again")
    return parse(AttackResult, text, where)
