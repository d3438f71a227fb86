"""Lines of leakage.csv: every role of a result in full precision, or why a family has none."""

from __future__ import annotations

from collections.abc import Iterator

from radpriv.benchmark.store.attack_schema import (
    AttackResult,
    CanaryKind,
    Interval,
    SimilarityRange,
    Summary,
)
from radpriv.benchmark.store.plan_schema import Axes
from radpriv.reports.results.families import FamilyResult

Value = float | int | str | None
Record = dict[str, Value]


def leakage_records(one: FamilyResult, dataset: str) -> list[Record]:
    """One per role; of a family without a result one, with the reason."""
    e = one.family.cells[0]
    head = head_of(e.axes, dataset)
    cells = " ".join(x.cell_id for x in one.family.cells)
    if one.result is None:
        return [{**head, "role": e.role, "status": one.reason, "cells": cells}]
    attack = _attack(one.result)
    return [
        {**head, "role": role, "status": "done", **attack, **dict(_values(s)), "cells": cells}
        for role, s in sorted(one.result.summary.items())
    ]


def head_of(e: Axes, dataset: str) -> Record:
    """Which family a line is of."""
    return {
        "dataset": dataset,
        "method": e.method,
        "label": e.label,
        "encoder": e.encoder,
        "epsilon": e.epsilon,
    }


def _attack(result: AttackResult) -> Record:
    return {
        "attack": result.attack,
        "attack_version": result.version,
        "attack_id": result.attack_id,
    }


def _values(s: Summary) -> Iterator[tuple[str, Value]]:
    bound = s.audit.one_run if s.audit else None
    plain: Record = {
        "k": s.k,
        "references": s.references,
        "candidates": s.candidates,
        "left_out": s.left_out,
        "audited": s.audited,
        **_ends("auc", s.auc),
        "confidence": s.auc.confidence,
        "interval": s.interval_method,
        "replicates": s.replicates,
        "degrees_of_freedom": s.degrees_of_freedom,
        **_ends("advantage", s.advantage),
        "delta": s.delta,
        "epsilon_lower": bound.epsilon if bound else None,
        "ceiling": bound.ceiling if bound else None,
        "guesses": bound.chosen.r if bound else None,
        "correct": bound.chosen.v if bound else None,
    }
    yield from sorted(plain.items())
    for rate, tpr in sorted(s.tpr_at_fpr.items()):
        yield f"tpr_at_fpr_{rate}", tpr.value if tpr else None
    if s.truth:
        yield "true_auc", s.truth.auc
        yield "true_epsilon", s.truth.epsilon
    for kind in s.canaries:
        yield from _canaries(kind).items()
    for part in s.by_similarity:
        yield from _similar(part).items()


def _ends(name: str, found: Interval | None) -> Record:
    ends = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))


def _similar(part: SimilarityRange) -> Record:
    """As similarity_0.5_0.7_auc."""
    end = 1.0 if part.similarity_below is None else part.similarity_below
    head = f"similarity_{part.similarity_from:g}_{end:g}"
    return {f"{head}_candidates": part.candidates, **_ends(f"{head}_auc", part.auc)}


def _canaries(kind: CanaryKind) -> Record:
    """As canary_secret_auc."""
    head = f"canary_{kind.kind}"
    return {
        f"{head}_candidates": kind.candidates,
        **_ends(f"{head}_auc", kind.auc),
        f"{head}_epsilon_lower": kind.bound.epsilon if kind.bound else None,
        f"{head}_ceiling": kind.bound.ceiling if kind.bound else None,
    }
