"""record.json and provenance.json of a cell: what a finished run says of itself.

record.json is deterministic: public facts and DP outputs. Where, when and at what cost it ran is in
provenance.json, which no comparison of results reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import PlainSerializer

from radpriv.benchmark.cell import Cell, Claim, JsonObject
from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.ranges import Count, NonNegative, Probability
from radpriv.benchmark.store.dataset_card import Card
from radpriv.benchmark.store.ledger_schema import Declaration, Group
from radpriv.benchmark.strict import file_format

SCHEMA: Literal[1] = 1
Status = Literal["done", "diverged", "over_budget"]


@file_format
@dataclass(frozen=True)
class Certificate:
    """ε recomputed from the ledger.

    accountant: its name and version. discretization: interval of the privacy loss distribution.
    together: ε at the same δ for k reports that change together, by k; None: no answer. None
    altogether where the unit is the patient.
    """

    epsilon: Epsilon
    delta: Probability
    accountant: str
    discretization: NonNegative
    together: Mapping[str, float | None] | None = None


@file_format
@dataclass(frozen=True)
class LedgerSummary:
    """releases: lines of the ledger. groups: equal steps, each merged over its releases."""

    releases: Count
    groups: tuple[Group, ...]


@file_format
@dataclass(frozen=True)
class EncoderFacts:
    """revision: of a hub; None for a local folder. sha256: of its files. attention: how it is
    computed, "sdpa" or "eager"; they differ in the last bits."""

    name: str
    sha256: str
    revision: str | None
    pretrained_on: str
    attention: str = "sdpa"


@file_format
@dataclass(frozen=True)
class MethodFacts:
    """What a method says of itself beside its parameters."""

    private: bool
    uses_encoder: bool


@file_format
@dataclass(frozen=True)
class How:
    """How a result was computed: what the fingerprint is made of (fingerprint.py).

    modules, data: name → SHA-256. packages: distribution → version. cached: whether a result is
    ever served again; why_not_cached: the reason if not.
    """

    python: str
    device: str
    dtype: str
    modules: Mapping[str, str] = field(hash=False)
    data: Mapping[str, str] = field(hash=False)
    packages: Mapping[str, str] = field(hash=False)
    cached: bool = True
    why_not_cached: str | None = None


@file_format
@dataclass(frozen=True)
class CellRecord:
    """A finished cell: record.json.

    role: "cell", or "control" for the positive control. thresholds: on logits, one per label; None
    unless done, as a learned one may be covered by no budget. claim, certificate: None for what
    promises nothing. disclosed_public: public datasets that the method asked for. counts: public
    facts of loading. noise_key_commitment: SHA-256 of a secret run key.
    """

    cell_id: str
    family: str
    fingerprint: str
    status: Status
    role: str
    cell: Annotated[Cell, PlainSerializer(Cell.as_dict, return_type=JsonObject)]
    label_names: tuple[str, ...]
    thresholds: tuple[float, ...] | None
    claim: Claim | None
    certificate: Certificate | None
    ledger: LedgerSummary
    calibration: tuple[Group, ...]
    declared: tuple[Declaration, ...]
    disclosed_public: tuple[str, ...]
    trainable_parameters: Count | None
    method: MethodFacts
    dtype: str
    device_kind: str
    encoder: EncoderFacts | None
    card: Card
    counts: Mapping[str, int] = field(hash=False)
    noise_key_commitment: str | None
    how: How
    versions: Mapping[str, str] = field(hash=False)
    schema: Literal[1] = SCHEMA

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def seed(self) -> int:
        return self.cell.seed


@file_format
@dataclass(frozen=True)
class Provenance:
    """Where, when (UTC) and at what cost a cell was computed; left out of every comparison."""

    wall_s: NonNegative
    peak_memory_mb: NonNegative
    host: str
    device: str
    threads: Count
    started: str
    finished: str
    commit: str | None = None
