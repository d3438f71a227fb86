"""What the figures of attacks draw, from the results of a plan: curves, and bounds on ε.

    roc_figure(roc_lines(results, "openi"), "openi")
    epsilon_figure(epsilon_points(results, "openi"), "openi")

The same figures as in the tables (overview.py, audits.py). Empty where nothing was attacked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radpriv.reports.figures.epsilon_figure import KNOWN, EpsilonPoint, Kind
from radpriv.reports.figures.figure_layout import LONGEST, printable
from radpriv.reports.figures.roc_figure import RocLine, Role
from radpriv.reports.results.families import BLIND, Family, attacks_on, families, told
from radpriv.reports.results.load import Results
from radpriv.reports.tables.audits import certified
from radpriv.reports.tables.overview import best_bound

AUDITS: tuple[tuple[Kind, str, str], ...] = (
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
    attacked = [f for f in found if f.entries[0].role != "control"]
    one = _one_encoder(found)
    met = [(s, f) for f in attacked for s in told([f], "attack")]
    lines = [
        _line(_with_budget(f, one), s, "attack", _by(f))
        for s, f in sorted(met, key=lambda pair: -pair[0]["auc"])
    ]
    for f in found:
        lines += [
            _line(f"control: {_name(f, one)}", s, "control", _by(f)) for s in told([f], "control")
        ]
    blind = told(families(results, dataset, BLIND), "attack")
    if blind:
        lines.append(_line("blind: sees no model", max(blind, key=lambda s: s["auc"]), "blind"))
    nulls = told(attacked, "null")
    return (*lines, *([_null(nulls)] if nulls else []))


def epsilon_points(results: Results, dataset: str) -> tuple[EpsilonPoint, ...]:
    """Of each private family: black box, white box and known mechanism, where they have a result.

    Of several attacks the one whose bound is the largest; `corrected` says whether its confidence
    counts that choice.
    """
    found = [
        f
        for f in families(results, dataset)
        if f.entries[0].role != "control"
        and math.isfinite(f.entries[0].epsilon)
        and all(e.done for e in f.entries)
    ]
    one = _one_encoder(found)
    points = []
    for f in found:
        allowed = certified(results, f)
        for kind, on, role in AUDITS:
            attacks = [a for a in attacks_on(results, on) if a.attack != BLIND]
            own = [a for a in attacks if a.family == f.entries[0].family and a.audit.get(role)]
            epsilon = f.entries[0].epsilon if kind == KNOWN else allowed
            best = best_bound(own, f.entries[0].family, role)
            if best is not None and epsilon is not None:
                choices = 1 if kind == KNOWN else len(own)
                points.append(_point(_name(f, one), epsilon, best, kind, choices))
    return tuple(points)


def _point(
    name: str, epsilon: float, audit: Mapping[str, Any], kind: Kind, choices: int
) -> EpsilonPoint:
    best, ideal = audit["one_run"], audit["ideal"]
    return EpsilonPoint(
        name,
        epsilon,
        float(best["epsilon"]),
        None if ideal is None else float(ideal["epsilon"]),
        float(best["ceiling"]),
        kind,
        choices,
        audit["attacks"] >= choices,
    )


def _one_encoder(found: Sequence[Family]) -> bool:
    return len({f.entries[0].encoder for f in found} - {""}) < 2


def _name(family: Family, one_encoder: bool) -> str:
    """Without the encoder, where all families that use one use the same."""
    return family.entries[0].label if one_encoder else family.name


def _with_budget(family: Family, one_encoder: bool) -> str:
    """A long name is cut, not the budget behind it."""
    epsilon = family.entries[0].epsilon
    budget = f", ε = {epsilon:g}" if math.isfinite(epsilon) else ", no DP"
    return printable(_name(family, one_encoder), LONGEST - len(budget)) + budget


def _by(family: Family) -> str:
    return family.result.attack if family.result else ""


def _line(name: str, summary: Mapping[str, Any], role: Role, attack: str = "") -> RocLine:
    area = f"AUC {summary['auc']:.2f}"
    return RocLine(
        name,
        **summary["roc"],
        role=role,
        detail=f"{attack}, {area}" if attack else area,
        replicates=_replicates([summary]),
    )


def _null(summaries: Sequence[Mapping[str, Any]]) -> RocLine:
    """Over the curves at the same rates as the first; all attacks have the same."""
    curves = [s["roc"] for s in summaries if s["roc"]["fpr"] == summaries[0]["roc"]["fpr"]]
    return RocLine(
        "null: coins permuted",
        curves[0]["fpr"],
        np.mean([c["tpr"] for c in curves], axis=0).tolist(),
        np.min([c["low"] for c in curves], axis=0).tolist(),
        np.max([c["high"] for c in curves], axis=0).tolist(),
        np.all([c["resolvable"] for c in curves], axis=0).tolist(),
        "null",
        f"{len(curves)} families" if len(curves) > 1 else "",
        _replicates(summaries),
    )


def _replicates(summaries: Sequence[Mapping[str, Any]]) -> str:
    return "candidates and seeds" if min(s["k"] for s in summaries) > 1 else "candidates"
