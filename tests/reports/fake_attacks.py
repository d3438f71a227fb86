"""Attack results of a fake store: figures as an attack would write them, made up by rule."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from radpriv.benchmark.store.attack_schema import (
    AttackResult,
    CanaryKind,
    Interval,
    Patients,
    Roc,
    Role,
    SeedRow,
    SimilarityRange,
    Subgroup,
    Subgroups,
    Summary,
    Truth,
    read_result,
)
from radpriv.benchmark.store.audit_schema import (
    Audit,
    BestBound,
    Chosen,
    GuessedBound,
    Ideal,
    LowerBound,
    Runs,
)
from radpriv.benchmark.store.schema import write

LABELS = (
    "No Finding",
    "Lung Opacity",
    "Cardiomegaly",
    "Atelectasis",
    "Pleural Effusion",
    "Pneumothorax",
)
BY_ATTACK = {"loss": 0.0, "lira": 0.03, "blind": -0.2}
"""What each attack sees beyond the loss; the blind one sees nothing."""


def attack(
    family: str,
    role: str,
    method: str,
    epsilon: float,
    cells: list[tuple[str, int]],
    name: str = "loss",
) -> AttackResult:
    base = {"control": 0.95}.get(role, 0.70 if method == "tfidf" else 0.51) + BY_ATTACK[name]
    base = 0.5 if name == "blind" else min(base, 0.98)
    own: Role = "control" if role == "control" else "attack"
    known: list[tuple[Role, float]] = [("known", 0.55)] if math.isfinite(epsilon) else []
    rows: list[SeedRow] = []
    for cell_id, seed in cells:
        wobble = (int(digest(cell_id), 16) % 1000 / 1000 - 0.5) * 0.02
        rows += [
            row(cell_id, seed, kind, auc, len(cells) - 1)
            for kind, auc in ((own, base + wobble), ("null", 0.5 + wobble), *known)
        ]
    return AttackResult(
        attack_id=f"{name}-{family}",
        attack=name,
        version=2,
        params={},
        fingerprint=digest("attack code"),
        family=family,
        role="control" if role == "control" else "attack",
        unit="report",
        on="records",
        cell_fingerprints={cell_id: digest("code") for cell_id, _ in cells},
        references=(),
        rows=tuple(rows),
        summary={kind: summary(rows, kind, epsilon) for kind in sorted({r.role for r in rows})},
        subgroups=None if role == "control" or name == "blind" else subgroups(base),
        extracted=None,
        diagnostics=tuple({} for _ in cells),
    )


def rewrite(store: Path, edit: Callable[[AttackResult], AttackResult], pattern: str = "*") -> None:
    """Change the results whose id fits a pattern; one with a new id is put beside the old one."""
    for path in sorted((store / "attacks").glob(f"{pattern}/result.json")):
        result = edit(read_result(path.parent))
        write(store / "attacks" / result.attack_id / "result.json", result)


def with_role(result: AttackResult, role: Role, **changes: object) -> AttackResult:
    """Fields of the summary of one role, if the result has it, changed."""
    if role not in result.summary:
        return result
    changed = replace(result.summary[role], **changes)  # type: ignore[arg-type]
    return replace(result, summary={**result.summary, role: changed})


def with_bound(result: AttackResult, role: Role, **changes: object) -> AttackResult:
    """Fields of the one-run bound of one role, if the result has it, changed."""
    found = result.audit(role)
    if found is None:
        return result
    one_run = replace(found.one_run, **changes)  # type: ignore[arg-type]
    return with_role(result, role, audit=replace(found, one_run=one_run))


def around(value: float, below: float, above: float) -> Interval:
    return Interval(value, max(0.0, value - below), min(1.0, value + above), 0.95)


def row(cell_id: str, seed: int, role: Role, auc: float, references: int) -> SeedRow:
    rate = (auc - 0.45) / 1.2
    return SeedRow(
        cell_id=cell_id,
        seed=seed,
        role=role,
        references=references,
        candidates=450,
        left_out=29,
        audited=479,
        members=230,
        auc=around(auc, 0.05, 0.05),
        tpr_at_fpr={"0.05": rate, "0.01": None, "0.001": None},
        bound=GuessedBound(max(0.0, (auc - 0.6) * 4), 2.7, 48, 30, 0.95),
        delta=1e-5,
        delta_source="budget",
    )


def audit(k: int, epsilon: float, ideal: Ideal | None) -> Audit:
    """One whose one-run bound is ε."""
    best = BestBound(epsilon, 2.3, Chosen("", 48, 40), 15, 0.95, 0.9967, 0.2)
    return Audit(
        m=479,
        seeds=k,
        attacks=8,
        delta=1e-5,
        confidence=0.95,
        one_run=best,
        one_run_seed=0,
        fdp=replace(best, epsilon=1.2 * epsilon),
        fdp_seed=0,
        fdp_kind="estimate",
        gdp=1.3 * epsilon,
        runs=Runs(None, 0.0, k, 12),
        ideal=ideal,
        ideal_fdp=ideal,
    )


def subgroups(base: float) -> Subgroups:
    def one(name: str, auc: float | None) -> Subgroup:
        return Subgroup(name, 120, None if auc is None else around(auc, 0.05, 0.05))

    labels = [one(n, base + 0.02 - 0.01 * i) for i, n in enumerate(LABELS[:-1])]
    return Subgroups(
        groups=(
            one("a rare label", base + 0.05),
            one("other labels only", base),
            one("no label", None),
        ),
        labels=(*labels, one(LABELS[-1], None)),
        patients=Patients(80, 2.4, Interval(base + 0.03, base - 0.04, base + 0.1, 0.95)),
    )


def summary(rows: Sequence[SeedRow], role: Role, epsilon: float) -> Summary:
    """epsilon: of the family."""
    chosen = [r for r in rows if r.role == role]
    k, mean = len(chosen), float(np.mean([r.auc.value for r in chosen]))
    private = math.isfinite(epsilon) and role == "attack"
    gain = max(0.05, 2 * (mean - 0.5))
    rate = chosen[0].tpr_at_fpr["0.05"]
    assert rate is not None
    return Summary(
        k=k,
        references=k - 1,
        candidates=450,
        left_out=29,
        audited=479,
        auc=Interval(mean, mean - 0.03, min(1.0, mean + 0.03), 0.95),
        interval_method="t * sqrt(s^2/k + v)",
        replicates="seeds, and records over all seeds",
        degrees_of_freedom=2.5 if k > 1 else None,
        tpr_at_fpr={"0.05": around(rate, 0.03, 0.03), "0.01": None, "0.001": None},
        roc=curve(mean),
        advantage=Interval(
            gain, max(0.0, 2 * (mean - 0.5) - 0.05), min(1.0, 2 * (mean - 0.5) + 0.1), 0.95
        ),
        delta=1e-5,
        by_similarity=(
            similar(0.0, 0.5, 400, mean),
            similar(0.5, 0.7, 50, mean - 0.05),
            similar(0.7, None, 29, None),
        ),
        canaries=()  # nothing is planted in a control
        if role == "control"
        else (
            canary("rare-token", mean, 0.1),
            canary("secret*16", 0.9, None),
            canary("secret", None, 0.0),
        ),
        audit=audit(
            k,
            max(r.bound.epsilon for r in chosen),
            Ideal(0.6 * epsilon, 0.01, 4.4, 0.8) if private else None,
        ),
        truth=Truth(epsilon, 0.55) if role == "known" else None,
    )


def curve(auc: float) -> Roc:
    """TPR = FPR^p, of which the area is `auc`."""
    fpr = np.geomspace(1e-3, 1.0, 25)
    tpr = fpr ** (1 / min(auc, 0.98) - 1)
    low, high = np.maximum(0.0, tpr - 0.03), np.minimum(1.0, tpr + 0.03)
    can = tuple((fpr > 0.04).tolist())
    return Roc(*(tuple(v.tolist()) for v in (fpr, tpr, low, high)), resolvable=can)


def canary(kind: str, auc: float | None, bound: float | None) -> CanaryKind:
    return CanaryKind(
        kind,
        40,
        None if auc is None else Interval(auc, auc - 0.1, min(1.0, auc + 0.1), 0.95),
        None if bound is None else LowerBound(bound, 1.2),
    )


def similar(start: float, end: float | None, count: int, auc: float | None) -> SimilarityRange:
    interval = None if auc is None else Interval(auc, auc - 0.1, min(1.0, auc + 0.1), 0.95)
    return SimilarityRange(start, end, count, interval)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
