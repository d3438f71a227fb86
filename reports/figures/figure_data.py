"""What the figures of attacks draw, from the results of a plan: curves, and bounds on ε.

    roc_figure(roc_lines(results, "openi"), "openi")
    epsilon_figure(epsilon_points(results, "openi"), "openi")

The same figures as in the tables (overview.py, audits.py). Empty where nothing was attacked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from radpriv.benchmark.store import attack_schema
from radpriv.benchmark.store.attack_schema import On, Summary
from radpriv.benchmark.store.audit_schema import Audit
from radpriv.reports.figures.epsilon_figure import KNOWN, EpsilonPoint, Kind
from radpriv.reports.figures.figure_layout import LONGEST, printable
from radpriv.reports.figures.roc_figure import RocLine, Role
from radpriv.reports.results.families import BLIND, FamilyResult, attacks_on, families, summaries
from radpriv.reports.results.load import Results
from radpriv.reports.tables.audits import certified
from radpriv.reports.tables.overview import best_bound

AUDITS: tuple[tuple[Kind, On, attack_schema.Role], ...] = (
    ("black box", "records", "attack"),
    ("white box", "gradients", "attack"),
    (KNOWN, "records", "known"),
)
"""Kind, candidates, role."""


def roc_lines(results: Results, dataset: str) -> tuple[RocLine, ...]:
    """By falling AUC: the membership attack on the records of each family that finds most; then
    controls, the blind attack on the family where its AUC is highest, and the null: the mean over
    these attacks, between the lowest and the highest end of their bands."""
    found = families(results, dataset)
    attacked = [f for f in found if not f.family.is_control]
    one = _one_encoder(found)
    found_most = [(s, f) for f in attacked for s in summaries([f], "attack")]
    lines = [
        _line(_with_budget(f, one), s, "attack", _by(f))
        for s, f in sorted(found_most, key=lambda pair: -pair[0].auc.value)
    ]
    for f in found:
        name = f"control: {_name(f, one)}"
        lines += [_line(name, s, "control", _by(f)) for s in summaries([f], "control")]
    blind = summaries(families(results, dataset, BLIND), "attack")
    if blind:
        most = max(blind, key=lambda s: s.auc.value)
        lines.append(_line("blind: sees no model", most, "blind"))
    nulls = summaries(attacked, "null")
    return (*lines, *([_null(nulls)] if nulls else []))


def epsilon_points(results: Results, dataset: str) -> tuple[EpsilonPoint, ...]:
    """Of each private family: black box, white box and known mechanism, where they have a result.

    Of several attacks the one whose bound is the largest; `corrected` says whether its confidence
    counts that choice.
    """
    found = [
        f
        for f in families(results, dataset)
        if not f.family.is_control and math.isfinite(f.family.epsilon) and f.family.done
    ]
    one = _one_encoder(found)
    points = []
    for f in found:
        allowed = certified(results, f)
        for kind, on, role in AUDITS:
            attacks = [a for a in attacks_on(results, on) if a.attack != BLIND]
            own = [a for a in attacks if a.family == f.family.key and a.audit(role)]
            epsilon = f.family.epsilon if kind == KNOWN else allowed
            best = best_bound(own, f.family.key, role)
            if best is not None and epsilon is not None:
                choices = 1 if kind == KNOWN else len(own)
                points.append(_point(_name(f, one), epsilon, best, kind, choices))
    return tuple(points)


def _point(name: str, epsilon: float, audit: Audit, kind: Kind, choices: int) -> EpsilonPoint:
    return EpsilonPoint(
        name,
        epsilon,
        audit.one_run.epsilon,
        audit.ideal.epsilon if audit.ideal else None,
        audit.one_run.ceiling,
        kind,
        choices,
        audit.attacks >= choices,
    )


def _one_encoder(found: Sequence[FamilyResult]) -> bool:
    return len({f.family.axes.encoder for f in found} - {""}) < 2


def _name(one: FamilyResult, one_encoder: bool) -> str:
    """Without the encoder, where all families that use one use the same."""
    return one.family.axes.label if one_encoder else one.name


def _with_budget(one: FamilyResult, one_encoder: bool) -> str:
    """A long name is cut, not the budget behind it."""
    epsilon = one.family.epsilon
    budget = f", ε = {epsilon:g}" if math.isfinite(epsilon) else ", no DP"
    return printable(_name(one, one_encoder), LONGEST - len(budget)) + budget


def _by(one: FamilyResult) -> str:
    return one.result.attack if one.result else ""


def _line(name: str, summary: Summary, role: Role, attack: str = "") -> RocLine:
    area, roc = f"AUC {summary.auc.value:.2f}", summary.roc
    return RocLine(
        name,
        roc.fpr,
        roc.tpr,
        roc.low,
        roc.high,
        roc.resolvable,
        role=role,
        detail=f"{attack}, {area}" if attack else area,
        replicates=_replicates([summary]),
    )


def _null(nulls: Sequence[Summary]) -> RocLine:
    """Over the curves at the same rates as the first; all attacks have the same."""
    curves = [s.roc for s in nulls if s.roc.fpr == nulls[0].roc.fpr]
    return RocLine(
        "null: coins permuted",
        curves[0].fpr,
        np.mean([c.tpr for c in curves], axis=0).tolist(),
        np.min([c.low for c in curves], axis=0).tolist(),
        np.max([c.high for c in curves], axis=0).tolist(),
        np.all([c.resolvable for c in curves], axis=0).tolist(),
        "null",
        f"{len(curves)} families" if len(curves) > 1 else "",
        _replicates(nulls),
    )


def _replicates(found: Sequence[Summary]) -> str:
    return "candidates and seeds" if min(s.k for s in found) > 1 else "candidates"
