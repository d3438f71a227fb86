"""An example of each file format: what docs/schema/ shows, and what tests begin with.

cell_record()                              # a finished cell of dp_lora at ε = 1
cell_record(cell, status="diverged")       # of another cell, with other values
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from radpriv.benchmark.cell import AuditPolicy, Budget, Cell, Claim
from radpriv.benchmark.store.cell_schema import (
    CellRecord,
    Certificate,
    EncoderFacts,
    How,
    LedgerSummary,
    MethodFacts,
    Provenance,
)
from radpriv.benchmark.store.dataset_card import Card
from radpriv.benchmark.store.ledger_schema import Group, Release
from radpriv.benchmark.store.plan_schema import CONTROL, Axes, Plan, PlannedCell, Role, SuiteRequest

CELL = Cell(
    dataset="openi",
    dataset_identity={"loader": "openi", "options": {"holdout": "test"}},
    encoder="minilm",
    encoder_sha256="53" * 32,
    method="dp_lora",
    params={"rank": 8, "rate": 0.2, "steps": 100},
    public=(),
    budget=Budget(1.0, 1e-5),
    n_public=2400,
    seed=0,
    suite_key_sha256="aa" * 32,
    noise_mode="replayable",
    audit=AuditPolicy(key_sha256="bb" * 32),
)
STEPS = Group(rate=0.2, noise_multiplier=8.0, steps=100)


def cell_record(cell: Cell = CELL, **changes: Any) -> CellRecord:
    """A finished cell. changes: fields of the record that are to be others."""
    private = cell.budget.private
    budget = cell.budget
    made = CellRecord(
        cell_id=cell.id,
        family=cell.family,
        fingerprint="0123456789abcdef",
        status="done",
        role="cell",
        cell=cell,
        label_names=("Cardiomegaly", "Edema"),
        thresholds=(0.0, 0.0),
        claim=Claim(budget.epsilon, budget.delta, budget.unit, budget.adjacency, "by construction")
        if private
        else None,
        certificate=Certificate(
            0.998 * budget.epsilon, budget.delta, "PLD (dp_accounting 0.6.0)", 0.001
        )
        if private
        else None,
        ledger=LedgerSummary(100, (STEPS,)) if private else LedgerSummary(0, ()),
        calibration=(STEPS,) if private else (),
        declared=(),
        disclosed_public=(),
        trainable_parameters=11534,
        method=MethodFacts(private, bool(cell.encoder)),
        dtype="float32",
        device_kind="cpu",
        encoder=EncoderFacts("minilm", "53" * 32, "c9745ed1", "public sentence pairs")
        if cell.encoder
        else None,
        card=Card(
            "Indiana University chest X-rays", "CC BY-NC-ND 4.0", "public", "open", "MeSH codes"
        ),
        counts={"reports": 3095},
        noise_key_commitment=None,
        how=How("3.11", "cpu", "float32", {}, {}, {"torch": "2.13.0"}),
        versions={"radpriv": "0.1.0", "torch": "2.13.0"},
    )
    return replace(made, **changes)


def planned_cell(record: CellRecord | None = None, **changes: Any) -> PlannedCell:
    """What a plan says of a finished cell."""
    done = record or cell_record()
    cell = done.cell
    axes = Axes(
        cell.dataset,
        cell.encoder,
        cell.method,
        cell.method,
        cell.budget.epsilon,
        cell.seed,
        cell.audit.canaries,
    )
    role: Role = CONTROL if done.role == CONTROL else "cell"
    made = PlannedCell(axes, done.cell_id, done.family, done.fingerprint, role, done.status)
    return replace(made, **changes)


def plan(*cells: PlannedCell, **changes: Any) -> Plan:
    """A plan of these cells, or of one."""
    chosen = cells or (planned_cell(),)
    made = Plan(
        suite="demo",
        asked=SuiteRequest("demo"),
        suite_digest="cc" * 32,
        short_recipe=False,
        limited=None,
        note=None,
        datasets=tuple(sorted({c.axes.dataset for c in chosen})),
        cells=chosen,
    )
    return replace(made, **changes)


def release(**changes: Any) -> Release:
    """A line of a ledger."""
    return replace(Release(0, "gradient", 1.0, 8.0, 0.2, "dd" * 32), **changes)


def provenance(**changes: Any) -> Provenance:
    """Where and when a cell was computed."""
    made = Provenance(
        17.6, 2138.4, "node7", "x86_64", 2, "2026-12-01T02:57:47Z", "2026-12-01T02:58:05Z"
    )
    return replace(made, **changes)
