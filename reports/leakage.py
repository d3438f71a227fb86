"""The leakage table: what an attack found, beside what luck finds and what must be found.

Three kinds of rows: each family of cells; the null, the same scores against coins permuted, which
must read AUC 0.5 and ε ≥ 0; and the positive control, a model made to leak, which must leak.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radpriv.reports.load import AttackResult, Entry, Results
from radpriv.reports.tables import NOT_ASKED, Cell, Table, epsilon_name

NOT_RESOLVABLE = "not resolvable"
COLUMNS = (
    "method",
    "budget",
    "AUC, 95% interval",
    "TPR at 5% FPR",
    "TPR at 1% FPR",
    "ε lower bound",
    "ceiling",
    "candidates",
    "k",
)
NOTES = (
    "AUC: 0.5 is guessing. The interval covers the candidates, their coins and the k training "
    "seeds; k is also what the attack could learn from (k − 1 references).",
    "TPR at a false-positive rate f needs at least 10/f non-members; below that it is “not "
    "resolvable”, which is neither 0 nor safe.",
    "ε lower bound: one-run audit (Steinke, Nasr, Jagielski 2023), 95%, guesses fixed beforehand "
    "(m/10, half at each end), the largest over the k seeds at 1 − 0.05/k each. ceiling: what "
    "the same rule would print if every guess were right. A bound of 0 far below its ceiling "
    "means that nothing was found, not that nothing leaks.",
    "candidates: those whose similarity to every training record of another unit, in or out, is "
    "below 0.8. A near-copy of a member is no clean non-member; which ones are left out of AUC and "
    "TPR depends on the texts alone, never on a coin, for otherwise what is left would tell the "
    "coins. The ε bound counts all: it holds with copies too, which can only weaken it.",
    "Descriptive only: a refutation is a test at α = 0.001 on a run with a secret key; 95% bounds "
    "describe, and so does every audit of a replayable run.",
)


@dataclass(frozen=True)
class Family:
    """A family of the plan with the result of one attack on it, or the reason why there is none."""

    entries: tuple[Entry, ...]
    result: AttackResult | None
    reason: str = ""

    @property
    def name(self) -> str:
        e = self.entries[0]
        return f"{e.label} ({e.encoder})" if e.encoder else e.label


def families(results: Results, dataset: str) -> list[Family]:
    """The families of a dataset in the plan's order, controls last."""
    grouped: dict[str, list[Entry]] = {}
    for e in results.entries:
        if e.dataset == dataset:
            grouped.setdefault(e.family, []).append(e)
    found = []
    for family, entries in grouped.items():
        own = [a for a in results.attacks if a.family == family]
        undone = [e for e in entries if not e.done]
        if undone:
            reasons = "; ".join(sorted({e.why_missing for e in undone}))
            reason = f"missing: {len(undone)} of {len(entries)} cells ({reasons})"
            found.append(Family(tuple(entries), None, reason))
        elif not own:
            found.append(Family(tuple(entries), None, "not attacked yet"))
        found += [Family(tuple(entries), a) for a in own if not undone]
    return sorted(found, key=lambda f: f.entries[0].role == "control")


def leakage_table(results: Results, dataset: str, marks: str = "") -> Table:
    """One row per family, then the null and the positive control."""
    found = families(results, dataset)
    attacked = [f for f in found if f.entries[0].role != "control"]
    controls = [f for f in found if f.entries[0].role == "control"]
    nulls = [f.result.summary["null"] for f in found if f.result and "null" in f.result.summary]
    rows = [_row(f, "attack") for f in attacked]
    apart = [_null_row(nulls)] if nulls else []
    apart += [_row(f, "control") for f in controls]
    return Table(
        "leakage",
        f"Leakage: membership inference on the audit set{marks}",
        COLUMNS,
        tuple(rows + apart),
        NOTES,
        (*_left_out(found), *_findings(nulls, controls)),
        len(apart),
        tuple(r for f in found for r in _records(f, dataset)),
    )


def _row(family: Family, role: str) -> tuple[Cell, ...]:
    name = family.name if role == "attack" else f"positive control: {family.name}, mislabelled"
    head = (Cell(name, "name"), Cell(epsilon_name(family.entries[0].epsilon), "label"))
    summary = family.result.summary.get(role) if family.result else None
    if summary is None:
        cells = (Cell(NOT_ASKED, "absent") for _ in COLUMNS[3:])
        return (*head, Cell(family.reason or "no such role in the result", "missing"), *cells)
    return (
        *head,
        _auc(summary),
        *(_rate([summary], rate) for rate in ("0.05", "0.01")),
        Cell(f"{summary['epsilon_lower']:.2f}", "number"),
        Cell(f"{summary['ceiling']:.2f}", "number"),
        _candidates(summary),
        Cell(str(summary["k"]), "number"),
    )


def _candidates(summary: Mapping[str, Any]) -> Cell:
    left_out = f"{summary['left_out']:,} near-copies left out"
    return Cell(f"{summary['candidates']:,}", "number", left_out)


def _auc(summary: Mapping[str, Any]) -> Cell:
    low, high = summary["auc_low"], summary["auc_high"]
    df = summary.get("degrees_of_freedom")
    how = f"{summary['interval']}, df = {'∞' if df is None else f'{df:.1f}'}"
    return Cell(f"{summary['auc']:.2f} [{low:.2f}, {high:.2f}]", "number", how)


def _null_row(nulls: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """All nulls in one row: their range, for they share candidates and coins."""
    if len(nulls) == 1:
        auc = _auc(nulls[0])
    else:
        inside = sum(n["auc_low"] <= 0.5 <= n["auc_high"] for n in nulls)
        auc = Cell(
            range_of([n["auc"] for n in nulls]), "number", f"{inside} of {len(nulls)} hold 0.5"
        )
    return (
        Cell("null: coins permuted", "name"),
        Cell(f"all {len(nulls)} families" if len(nulls) > 1 else NOT_ASKED),
        auc,
        *(_rate(nulls, rate) for rate in ("0.05", "0.01")),
        Cell(range_of([n["epsilon_lower"] for n in nulls]), "number"),
        Cell(range_of([n["ceiling"] for n in nulls]), "number"),
        Cell(range_of([n["candidates"] for n in nulls], "{:,}"), "number"),
        Cell(range_of([n["k"] for n in nulls], "{}"), "number"),
    )


def _rate(summaries: Sequence[Mapping[str, Any]], rate: str) -> Cell:
    values = [s["tpr_at_fpr"].get(rate, {}).get("value") for s in summaries]
    known = [v for v in values if v is not None and math.isfinite(v)]
    if len(known) < len(values):
        return Cell(NOT_RESOLVABLE, "absent", "fewer than 10/f non-members")
    return Cell(range_of(known), "number")


def range_of(values: Sequence[float], form: str = "{:.2f}") -> str:
    """ "0.48 to 0.51", or one of them where they read alike."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _left_out(found: Sequence[Family]) -> list[str]:
    """How many near-copies the headline leaves out; families of a dataset share the audit set."""
    summaries = [s for f in found if f.result for s in f.result.summary.values()]
    if not any(s["left_out"] for s in summaries):
        return []
    left = range_of([s["left_out"] for s in summaries], "{:,}")
    audited = range_of([s["audited"] for s in summaries], "{:,}")
    return [
        f"Near-copies: {left} of {audited} candidates resemble another training record "
        "(similarity 0.8 or more) and are left out of AUC and TPR, in or out alike."
    ]


def _findings(nulls: Sequence[Mapping[str, Any]], controls: Sequence[Family]) -> list[str]:
    said = []
    if nulls:
        inside = sum(n["auc_low"] <= 0.5 <= n["auc_high"] for n in nulls)
        said.append(f"Null: the interval holds 0.5 in {inside} of {len(nulls)} families.")
    for family in controls:
        summary = family.result.summary.get("control") if family.result else None
        if summary is not None:
            verdict = (
                "leaks, as it must"
                if summary["auc"] >= 0.9
                else ("does NOT leak as it must (0.9 or more): distrust the rows above")
            )
            said.append(f"Positive control: AUC {summary['auc']:.2f}, {verdict}.")
    if not any(f.result for f in controls):
        said.append("No positive control was run: a low AUC may be the attack's weakness.")
    return said


def _flat(stratum: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of leakage.csv, as similarity_0.5_0.8_auc."""
    end = 1.0 if stratum["similarity_below"] is None else stratum["similarity_below"]
    head = f"similarity_{stratum['similarity_from']:g}_{end:g}"
    return {
        f"{head}_{name}": stratum[name] for name in ("candidates", "auc", "auc_low", "auc_high")
    }


def _canary(line: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of leakage.csv, as canary_secret_auc."""
    names = ("candidates", "auc", "auc_low", "auc_high", "epsilon_lower", "ceiling")
    return {f"canary_{line['kind']}_{name}": line[name] for name in names}


def _records(family: Family, dataset: str) -> list[dict[str, Any]]:
    e = family.entries[0]
    head = {
        "dataset": dataset,
        "method": e.method,
        "label": e.label,
        "encoder": e.encoder,
        "epsilon": e.epsilon,
    }
    cells = " ".join(x.cell_id for x in family.entries)
    if family.result is None:
        return [{**head, "role": e.role, "status": family.reason, "cells": cells}]
    lines = []
    for role, s in sorted(family.result.summary.items()):
        rates = {f"tpr_at_fpr_{r}": v["value"] for r, v in sorted(s["tpr_at_fpr"].items())}
        nested = ("tpr_at_fpr", "strata", "canaries")
        plain = {k: v for k, v in sorted(s.items()) if k not in nested}
        rates |= {k: v for line in s["canaries"] for k, v in _canary(line).items()}
        rates |= {k: v for stratum in s["strata"] for k, v in _flat(stratum).items()}
        attack = {
            "attack": family.result.attack,
            "attack_version": family.result.version,
            "attack_id": family.result.attack_id,
        }
        lines.append(
            {**head, "role": role, "status": "done", **attack, **plain, **rates, "cells": cells}
        )
    return lines
