"""The leakage table of one attack: what it found, beside what luck finds and what must be found.

Each family of cells has a row. Apart from them, from the same run: the blind attack, which sees the
record and not the model; the null, the same scores against coins permuted; mechanisms of known ε
seen through the same coins; and the positive control, a model made to leak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Cell, Table
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import BLIND, Family, attack_names, families, told
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Place, Section, table
from radpriv.reports.tables.format_bounds import HOW, bound_cells, guessed, range_cells, range_of

NOT_RESOLVABLE = "not resolvable"
COLUMNS = (
    "method",
    "budget",
    "AUC, 95% interval",
    "TPR at 5% FPR",
    "TPR at 1% FPR",
    "TPR at 0.1% FPR",
    "advantage",
    "ε lower bound",
    "ceiling",
    "candidates",
    "k",
    "references",
)
RATES = ("0.05", "0.01", "0.001")
FEWEST = 20
"""Candidates below which the blind row says nothing."""
WIDER = 1.5
"""Half-widths from 0.5 at which the blind row raises the alarm: what it learns from one other seed
errs alike in both, and its interval over two seeds holds 0.5 in 86% of splits that do not leak."""
NOTES = (
    "AUC: 0.5 is guessing. The interval covers the candidates, their coins and the k training "
    "seeds. references: models of other seeds, over the same candidates, that each target was "
    "compared with; few of them understate what LiRA and RMIA could find.",
    "TPR at a false-positive rate f: the most members called at no more than that share of false "
    "alarms; no hull, nothing is interpolated. It needs at least 10/f non-members; below that it "
    "is “not resolvable”, which is neither 0 nor safe. advantage: the largest TPR − FPR, chosen "
    "on the same candidates, so above 0 even in the null row. Both: 95% over candidates, and "
    "seeds where there are several (bootstrap).",
    "blind: sees the record, not the model; above chance, the split leaks and no row means what "
    "it says. known mechanism: the same coins through a Gaussian mechanism of exactly this ε "
    "and δ; what is left between its bound and the ε in its name is what such an audit misses.",
    HOW,
    "candidates: those whose similarity to every training record of another unit, in or out, is "
    "below 0.8. A near-copy of a member is no clean non-member; which ones are left out of AUC and "
    "TPR depends on the texts alone, never on a coin, for otherwise what is left would tell the "
    "coins. The ε bound counts all: it holds with copies too, which can only weaken it.",
    "Descriptive only: a refutation is a test at α = 0.001 on a run with a secret key; 95% bounds "
    "describe, and so does every audit of a replayable run.",
)


@table("leakage:", Place(Section.LEAKAGE, 100), csv="leakage.csv", folded=30)
def leakage_tables(of: DatasetResults) -> list[Table]:
    """One for each attack, the loss first."""
    names = attack_names(of.results, of.dataset)
    found = [leakage_table(of.results, of.dataset, name, of.marks) for name in names]
    return [t for t in found if t.rows]


def leakage_table(results: Results, dataset: str, attack: str, marks: str = "") -> Table:
    """One row per family; then the blind attack, the null, known mechanisms and the control."""
    found = families(results, dataset, attack)
    attacked = [f for f in found if f.entries[0].role != "control"]
    controls = [f for f in found if f.entries[0].role == "control"]
    nulls = told(found, "null")
    blind = told(families(results, dataset, BLIND), "attack")
    rows = [_row(f, "attack") for f in attacked]
    apart = [_range_row("blind: sees no model", blind)] if blind else []
    apart += [_range_row("null: coins permuted", nulls)] if nulls else []
    apart += known_rows(attacked)
    apart += [_row(f, "control") for f in controls]
    return Table(
        f"leakage:{attack}",
        f"Membership inference by {attack}{marks}",
        COLUMNS,
        tuple(rows + apart),
        NOTES,
        (*left_out(found), *findings(blind, nulls, attacked, controls)),
        len(apart),
        tuple(r for f in found for r in _records(f, dataset)),
    )


def known_rows(found: Sequence[Family]) -> list[tuple[Cell, ...]]:
    """One row for each ε: families of one budget share coins, δ and so the mechanism's truth."""
    by_epsilon: dict[float, list[Mapping[str, Any]]] = {}
    for summary in told(found, "known"):
        by_epsilon.setdefault(summary["truth"]["epsilon"], []).append(summary)
    return [
        _range_row(f"known mechanism, ε = {epsilon:g}", summaries)
        for epsilon, summaries in sorted(by_epsilon.items())
    ]


def _row(family: Family, role: str) -> tuple[Cell, ...]:
    name = family.name if role == "attack" else f"positive control: {family.name}, mislabelled"
    head = (Cell(name, "name"), Cell(epsilon_name(family.entries[0].epsilon), "label"))
    summary = family.result.summary.get(role) if family.result else None
    if summary is None:
        cells = (Cell(NOT_ASKED, "absent") for _ in COLUMNS[3:])
        return (*head, Cell(family.reason or "no such role in the result", "missing"), *cells)
    return (
        *head,
        auc_cell(summary),
        *(_rate([summary], rate) for rate in RATES),
        Cell(between(summary, "advantage"), "number"),
        *bound_cells(
            summary["epsilon_lower"],
            summary["ceiling"],
            guessed(summary["correct"], summary["guesses"]),
        ),
        _candidates(summary),
        Cell(str(summary["k"]), "number"),
        Cell(str(summary["references"]), "number"),
    )


def _candidates(summary: Mapping[str, Any]) -> Cell:
    left_out = f"{summary['left_out']:,} near-copies left out"
    return Cell(f"{summary['candidates']:,}", "number", left_out)


def auc_cell(summary: Mapping[str, Any]) -> Cell:
    """The mean AUC with its interval."""
    df = summary.get("degrees_of_freedom")
    how = f"{summary['interval']}, df = {'∞' if df is None else f'{df:.1f}'}"
    return Cell(between(summary, "auc"), "number", how)


def between(values: Mapping[str, Any], name: str = "auc") -> str:
    """ "0.56 [0.52, 0.60]" """
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    return f"{values[name]:.2f} [{low:.2f}, {high:.2f}]"


def range_auc(summaries: Sequence[Mapping[str, Any]]) -> Cell:
    """The one interval, or the range of several that share candidates and coins."""
    if len(summaries) == 1:
        return auc_cell(summaries[0])
    inside = sum(s["auc_low"] <= 0.5 <= s["auc_high"] for s in summaries)
    held = f"{inside} of {len(summaries)} hold 0.5"
    return Cell(range_of([s["auc"] for s in summaries]), "number", held)


def _range_row(name: str, summaries: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """Several families in one row: their range, for they share candidates and coins."""
    many = len(summaries)
    return (
        Cell(name, "name"),
        Cell(f"all {many} families" if many > 1 else NOT_ASKED),
        range_auc(summaries),
        *(_rate(summaries, rate) for rate in RATES),
        Cell(range_of([s["advantage"] for s in summaries]), "number"),
        *range_cells((s["epsilon_lower"], s["ceiling"]) for s in summaries),
        Cell(range_of([s["candidates"] for s in summaries], "{:,}"), "number"),
        Cell(range_of([s["k"] for s in summaries], "{}"), "number"),
        Cell(range_of([s["references"] for s in summaries], "{}"), "number"),
    )


def _rate(summaries: Sequence[Mapping[str, Any]], rate: str) -> Cell:
    found = [s["tpr_at_fpr"].get(rate, {}) for s in summaries]
    known = [f["value"] for f in found if f.get("value") is not None]
    if len(known) < len(found):
        return Cell(NOT_RESOLVABLE, "absent", "fewer than 10/f non-members")
    if len(known) == 1:
        return Cell(f"{known[0]:.2f} [{found[0]['low']:.2f}, {found[0]['high']:.2f}]", "number")
    return Cell(range_of(known), "number")


def left_out(found: Sequence[Family]) -> list[str]:
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


def findings(
    blind: Sequence[Mapping[str, Any]],
    nulls: Sequence[Mapping[str, Any]],
    attacked: Sequence[Family],
    controls: Sequence[Family],
) -> list[str]:
    """Whether the rows apart read as they must; where they do not, what must not be believed."""
    said = []
    blind = [b for b in blind if b["candidates"] >= FEWEST]
    if blind:
        odd = [b for b in blind if abs(b["auc"] - 0.5) > WIDER * (b["auc_high"] - b["auc_low"]) / 2]
        said.append(
            f"Blind: far from 0.5 in {len(odd)} of {len(blind)} families (AUC "
            f"{range_of([b['auc'] for b in odd])}): the split may leak; distrust the rows above."
            if odd
            else f"Blind: at chance in all {len(blind)} families; the split does not leak."
        )
    if nulls:
        inside = sum(n["auc_low"] <= 0.5 <= n["auc_high"] for n in nulls)
        said.append(f"Null: the interval holds 0.5 in {inside} of {len(nulls)} rows.")
    known = [k for k in told(attacked, "known") if k["epsilon_lower"] is not None]
    above = [k for k in known if k["epsilon_lower"] > k["truth"]["epsilon"]]
    if above:
        said.append(
            f"Known mechanism: in {len(above)} families its bound lies above its true ε. At 95% "
            "one in twenty may; more would mean a broken audit."
        )
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
        nested = ("tpr_at_fpr", "strata", "canaries", "roc", "truth")
        plain = {k: v for k, v in sorted(s.items()) if k not in nested}
        rates |= {f"true_{k}": v for k, v in s.get("truth", {}).items()}
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
