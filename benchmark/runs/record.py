"""What a cell writes: record.json (public, deterministic), provenance and the score tables."""

from __future__ import annotations

import hashlib
import hmac
import importlib.metadata
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch

from radpriv.benchmark.cell import Budget, Claim
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Fitted
from radpriv.benchmark.privacy.accounting.group import TOGETHER, group_certificate
from radpriv.benchmark.privacy.accounting.ledger import groups
from radpriv.benchmark.privacy.records import PrivateRecords, TrainingDiagnostics
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.store.cell_schema import (
    CellRecord,
    Certificate,
    EncoderFacts,
    LedgerSummary,
    MethodFacts,
    Provenance,
    Status,
)
from radpriv.benchmark.suites.job import Job
from radpriv.errors import PrivacyError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radpriv.benchmark.store.fingerprint import Fingerprint


@dataclass(frozen=True)
class Claims:
    """The certificate of a run, and whether it stays within the budget."""

    claim: Claim | None
    certificate: Certificate | None
    over_budget: bool

    @staticmethod
    def of(job: Job, run: Run, train: PrivateRecords) -> Claims:
        budget = job.cell.budget
        if train.left_waist or run.silent or not job.method.private:
            return Claims(None, None, over_budget=budget.private)
        epsilon, interval = run.certificate()
        version = importlib.metadata.version("dp-accounting")
        certificate = Certificate(
            epsilon=epsilon,
            delta=budget.delta,
            accountant=f"PLD (dp_accounting {version})",
            discretization=interval,
            together=_together(run, budget, epsilon),
        )
        claim = Claim(
            budget.epsilon, budget.delta, budget.unit, budget.adjacency, "by construction"
        )
        return Claims(claim, certificate, over_budget=not epsilon <= budget.epsilon)


def _together(run: Run, budget: Budget, epsilon: float) -> dict[str, float | None] | None:
    """ε at the same δ for k reports of one patient, under a claim for single reports.

    None for k where the accountant has no answer; no figures where the unit is the patient.
    """
    if budget.unit != "report":
        return None
    made = groups(run.releases)
    figures: dict[str, float | None] = {}
    for k in TOGETHER:
        try:
            figures[str(k)] = group_certificate(made, budget.delta, k, epsilon)
        except PrivacyError:
            figures[str(k)] = None
    return figures


def build(
    job: Job,
    how: Fingerprint,
    dataset: Dataset,
    run: Run,
    claims: Claims,
    fitted: Fitted | None,
    status: Status,
    commitment: str | None,
    device: torch.device,
) -> CellRecord:
    """record.json: public facts and DP outputs, nothing that depends on a member otherwise."""
    cell, encoder = job.cell, job.encoder
    shown = status == "done"  # otherwise a learned threshold may be covered by no budget
    made = groups(run.releases)
    return CellRecord(
        cell_id=cell.id,
        family=cell.family,
        fingerprint=how.digest,
        status=status,
        role=job.role,
        cell=cell,
        label_names=tuple(dataset.labels),
        thresholds=tuple(float(t) for t in fitted.thresholds) if fitted and shown else None,
        claim=claims.claim,
        certificate=claims.certificate,
        ledger=LedgerSummary(len(run.releases), made),
        calibration=run.calibrations,
        declared=run.declared,
        disclosed_public=tuple(sorted(run.disclosed)),
        trainable_parameters=fitted.trainable_parameters if fitted else None,
        method=MethodFacts(job.method.private, job.method.uses_encoder),
        dtype=how.dtype,
        device_kind=device.type,
        encoder=encoder_facts(encoder) if encoder else None,
        card=dataset.card,
        counts=dict(dataset.counts),
        noise_key_commitment=commitment,
        how=how.facts,
        versions={"radpriv": importlib.metadata.version("radpriv"), **how.packages},
    )


def encoder_facts(encoder: Encoder) -> EncoderFacts:
    """Which encoder it was, and how it computes."""
    return EncoderFacts(
        encoder.name,
        encoder.sha256,
        encoder.revision,
        encoder.pretrained_on,
        encoder.attention,
    )


def provenance(started: float, device: torch.device) -> Provenance:
    """Where, when and at what cost a run that began at `started` (Unix seconds) was computed."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if sys.platform == "darwin" else 1024
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    return Provenance(
        wall_s=round(time.time() - started, 3),
        peak_memory_mb=round(peak * scale / 2**20, 1),
        host=platform.node(),
        device=name or platform.machine(),
        threads=torch.get_num_threads(),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        commit=os.environ.get("RADPRIV_COMMIT"),
    )


def hashed_id(key: bytes, name: str) -> str:
    """HMAC-SHA256 of a record or patient id, 24 hex digits."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:24]


def _floats(rows: NDArray[Any]) -> pa.Array:
    return pa.array([list(map(float, r)) for r in rows], pa.list_(pa.float32()))


def test_table(
    dataset: Dataset, rows: NDArray[np.int64], logits: NDArray[np.float32], key: bytes
) -> pa.Table:
    """record, patient (HMAC), labels and logits; in order of the hashed record."""
    table = pa.table(
        {
            "record": [hashed_id(key, dataset.ids[r]) for r in rows],
            "patient": [hashed_id(key, dataset.patients[r]) for r in rows],
            "labels": _floats(dataset.y[rows]),
            "logits": _floats(logits),
        }
    )
    return table.sort_by("record")


def candidates_table(
    universe: Universe,
    slots: NDArray[np.int64],
    logits: NDArray[np.float32],
    similarity: NDArray[np.float32],
    key: bytes,
) -> pa.Table:
    """Every candidate, in and out alike, in slot order; no membership.

    similarity: to the nearest of the dataset's own records of another unit
    (audit_set/similarity.py).
    """
    return pa.table(
        {
            "slot": pa.array(slots, pa.int64()),
            "record": [hashed_id(key, universe.ids[s]) for s in slots],
            "patient": [hashed_id(key, universe.patients[s]) for s in slots],
            "labels": _floats(universe.y[slots]),
            "logits": _floats(logits),
            "length": pa.array([len(universe.texts[s].split()) for s in slots], pa.int32()),
            "similarity": pa.array(similarity, pa.float32()),
            "kind": [universe.kinds[s] for s in slots],
        }
    )


def flags_table(universe: Universe, slots: NDArray[np.int64]) -> pa.Table:
    """Membership of the candidates: for the scorer, and for views of other seeds."""
    return pa.table({"slot": pa.array(slots, pa.int64()), "member": universe.member[slots]})


def diagnostics_table(diagnostics: TrainingDiagnostics) -> pa.Table:
    """Private diagnostics: realised batch, mean loss and share clipped per sum."""
    names: Sequence[str] = ("records", "loss", "share_clipped")
    return pa.table(
        {
            n: pa.array([row.get(n, math.nan) for row in diagnostics.rows], pa.float64())
            for n in names
        }
    )


def projections_table(diagnostics: TrainingDiagnostics, canaries: int) -> pa.Table:
    """What each release shows of each gradient canary, in or out: one row per release.

    values: float64 (canaries,), <noised value, direction>, in order of their slots.
    """
    column = pa.array(
        [list(p.values) for p in diagnostics.projections], pa.list_(pa.float64(), canaries)
    )
    return pa.table(
        {
            "step": pa.array([p.step for p in diagnostics.projections], pa.int64()),
            "release": pa.array([p.release for p in diagnostics.projections], pa.string()),
            "values": column,
        }
    )
