"""Tables as data: columns, rows of cells, notes, and the full-precision records behind them.

One `Table` is rendered as Markdown, CSV, HTML and for the terminal (renderers.py, page.py), so that
the four never disagree. This module makes the F1 tables; leakage.py makes the leakage table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from radpriv.reports.results.scores import DatasetScores, Difference, Row, best
from radpriv.reports.statistics.intervals import Estimate, Pool

NON_PRIVATE = "non-private"
NOT_ASKED = "–"
LINEAR = ("dp_linear_probe", "dp_bow")


@dataclass(frozen=True)
class Cell:
    """kind: "name", "label", "number", "best", "tie", "missing", "absent" or "text".

    note: a detail, shown where there is room.
    """

    text: str
    kind: str = "text"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """findings: sentences computed from the numbers; notes: definitions and caveats.

    columns: headings; the first cell of each row is its heading. apart: number of rows at the end
    that are set apart (trivial or reference rows). records: one dictionary per CSV line.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    apart: int = 0
    records: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["records"] = [
            {k: (None if isinstance(v, float) and math.isnan(v) else v) for k, v in r.items()}
            for r in self.records
        ]
        return plain


def epsilon_name(epsilon: float) -> str:
    return f"ε = {epsilon:g}" if math.isfinite(epsilon) else NON_PRIVATE


def delta_name(delta: float) -> str:
    """ "10⁻⁵", or "2.5·10⁻⁶"."""
    head, exponent = f"{delta:.3g}".split("e") if "e" in f"{delta:.3g}" else (f"{delta:.3g}", "")
    if not exponent:
        return head
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if head == "1" else f"{head}·{power}"


def plus_minus(mean: float, half: float, digits: int = 2, sign: bool = False) -> str:
    """ "0.78 ± 0.02"; a half-width that would round to 0 gets one more digit."""
    more = digits if half == 0 or half >= 0.5 * 10**-digits else digits + 1
    plus = "+" if sign else ""
    if math.isnan(half):
        return f"{mean:{plus}.{digits}f} ± ?".replace("-", "−")
    return f"{mean:{plus}.{digits}f} ± {half:.{more}f}".replace("-", "−")


def with_interval(e: Estimate, digits: int = 2, sign: bool = False) -> str:
    """ "0.78 ± 0.02", or "0.78 [0.41, 1.00]" where the interval was cut."""
    if not e.cut:
        return plus_minus(e.mean, e.half, digits, sign)
    plus = "+" if sign else ""
    mean, low, high = (f"{x:{plus}.{digits}f}" for x in (e.mean, e.low, e.high))
    return f"{mean} [{low}, {high}]".replace("-", "−")


def f1_table(scores: DatasetScores, metric: str, title: str, notes: Iterable[str] = ()) -> Table:
    """Rows: method × encoder, the trivial ones last; columns: ε. metric: as in Row.estimates."""
    epsilons = sorted({r.epsilon for r in scores.rows} | {math.inf})
    ranked = [r.epsilon for r in scores.rows if r.estimates and not r.trivial]
    rivals = {e for e in epsilons if metric == "weighted" and ranked.count(e) > 1}
    marks = {e: best(scores, e) for e in rivals}
    groups: dict[tuple[bool, str], dict[float, Row]] = {}
    for r in [*scores.rows, *scores.trivial]:
        groups.setdefault((r.trivial, r.name), {})[r.epsilon] = r
    rows, trivial = [], 0
    for (apart, name), by_epsilon in sorted(groups.items(), key=lambda g: g[0][0]):
        trivial += apart
        cells = [_score(by_epsilon.get(e), metric, *marks.get(e, (None, ()))) for e in epsilons]
        rows.append((Cell(name, "name"), *cells))
    return Table(
        metric,
        title,
        ("method (encoder)", *(epsilon_name(e) for e in epsilons)),
        tuple(rows),
        (*notes, *_caveats([*scores.rows, *scores.trivial], metric)),
        tuple(linear_against_lora(scores.differences)) if metric == "weighted" else (),
        trivial,
        tuple(_records(scores)) if metric == "weighted" else (),
    )


def _score(row: Row | None, metric: str, top: Row | None, ties: frozenset[str]) -> Cell:
    if row is None:
        return Cell(NOT_ASKED, "absent", "not asked for")
    if not row.complete:
        reasons = "; ".join(sorted({reason for _, reason in row.missing}))
        return Cell(
            f"missing: {len(row.missing)} of {len(row.seeds)} cells ({reasons})",
            "missing",
            ", ".join(cell for cell, _ in row.missing),
        )
    e = row.estimates[metric]
    if not e.defined:
        return Cell("undefined", "missing", "; ".join(e.flags))
    kind, mark = "number", ""
    if top is not None and len(ties) == 0 and row is top:
        kind, mark = "best", " (best)"
    elif top is not None and ties and (row is top or row.name in ties):
        kind, mark = "tie", " (tied best)"
    df = "∞" if e.df is None else str(e.df)
    detail = "; ".join([f"k = {e.k}, df = {df}", *e.flags])
    flagged = "*" if e.flags else ""
    return Cell(with_interval(e) + flagged + mark, kind, detail)


def _caveats(rows: Iterable[Row], metric: str) -> list[str]:
    """What the stars stand for, row by row."""
    return [
        f"* {r.name}, {epsilon_name(r.epsilon)}: {'; '.join(r.estimates[metric].flags)}"
        for r in rows
        if metric in r.estimates and r.estimates[metric].flags
    ]


def linear_against_lora(differences: Iterable[Difference]) -> list[str]:
    """What a paired difference says where a DP linear model scores above dp_lora."""
    found = []
    for d in differences:
        if d.first.method != "dp_lora" or d.second.method not in LINEAR or d.estimate.mean >= 0:
            continue
        e = d.estimate
        text = with_interval(replace(e, mean=-e.mean), 3)
        where = f"At {epsilon_name(d.first.epsilon)}, {d.second.name}"
        paired = f"(paired difference in weighted F1: {text}, k = {e.k})"
        if d.resolved:
            found.append(f"{where} beats {d.first.name} {paired}.")
        else:
            found.append(
                f"{where} is ahead of {d.first.name}, but the interval holds 0: a tie {paired}."
            )
    return found


def trivial_table(scores: DatasetScores) -> Table:
    """All positive, all negative and `prior` under both definitions in use, with macro F1."""
    rows = []
    for r in [*scores.trivial, *(r for r in scores.rows if r.trivial)]:
        none = frozenset[str]()
        cells = [_score(r, m, None, none) for m in ("weighted", "macro", "class_weighted")]
        rows.append((Cell(r.label, "name"), *cells))
    return Table(
        "trivial",
        "What needs no report: trivial classifiers",
        ("classifier", "weighted F1", "macro F1", "class-weighted F1"),
        tuple(rows),
        (
            "class-weighted F1 averages the F1 of both classes of each label by class support; it "
            "flatters whoever says no, and stands here only to show how much the definition "
            "decides.",
        ),
    )


def differences_table(scores: DatasetScores) -> Table:
    """Paired differences in weighted F1 at the same ε, seed and patient resample."""
    rows, records = [], []
    for d in scores.differences:
        e = d.estimate
        if d.identical:
            smallest = 2.0 ** (1 - e.k)
            verdict = f"no difference to test (smallest attainable p at k = {e.k}: {smallest:g})"
        elif d.resolved:
            verdict = f"{(d.first if e.mean > 0 else d.second).name} is higher"
        else:
            verdict = "tie: the interval holds 0"
        df = "∞" if e.df is None else str(e.df)
        rows.append(
            (
                Cell(f"{d.first.name} − {d.second.name}", "name"),
                Cell(epsilon_name(d.first.epsilon), "label"),
                Cell(with_interval(e, 3, sign=True), "number", "; ".join(e.flags)),
                Cell(str(e.k), "number"),
                Cell(df, "number"),
                Cell(verdict, "text"),
            )
        )
        records.append(
            {
                "first": d.first.name,
                "second": d.second.name,
                "epsilon": d.first.epsilon,
                **_numbers(e),
                "identical": d.identical,
            }
        )
    return Table(
        "differences",
        "Paired differences in weighted F1",
        ("difference", "budget", "mean, 95% interval", "k", "df", "reading"),
        tuple(rows),
        (
            "Same dataset, ε, seed and patient resamples on both sides; not adjusted for the "
            "number of comparisons.",
        ),
        records=tuple(records),
    )


def labels_table(scores: DatasetScores) -> Table:
    """F1 of each label, rare ones included, with their intervals."""
    shown = [r for r in scores.rows if r.complete and not r.trivial]
    rows = []
    for label, support in zip(scores.labels, scores.support):
        cells = [_score(r, f"label:{label}", None, frozenset()) for r in shown]
        rows.append((Cell(label, "name"), Cell(str(support), "number"), *cells))
    return Table(
        "labels",
        "F1 of each label",
        ("label", "test positives", *(f"{r.name}, {epsilon_name(r.epsilon)}" for r in shown)),
        tuple(rows),
        (
            "Labels with few positives have no stable F1: read the interval, not the number. In "
            "brackets: an interval that the formula puts beyond 0 to 1, cut to what F1 can be.",
        ),
    )


def privacy_table(scores: DatasetScores) -> Table:
    """What each private row guarantees, from the certificates of its cells."""
    rows = []
    for r in (r for r in scores.rows if r.records):
        first = r.records[0]
        claim, certificates = first.get("claim"), [c.get("certificate") for c in r.records]
        parameters = Cell(f"{first['trainable_parameters']:,}", "number")
        certified = [c for c in certificates if c]
        facts: tuple[Cell, ...]
        if claim and len(certified) == len(certificates):
            worst = max(float(c["epsilon"]) for c in certified)
            facts = (
                Cell(f"{worst:.4g}", "number"),
                Cell(delta_name(certified[0]["delta"]), "number"),
                Cell(claim["unit"]),
                _together(certified),
                Cell(first["cell"]["noise_mode"]),
            )
        else:
            facts = (Cell("none", "text"), *(Cell(NOT_ASKED, "absent") for _ in range(4)))
        rows.append(
            (Cell(r.name, "name"), Cell(epsilon_name(r.epsilon), "label"), *facts, parameters)
        )
    return Table(
        "privacy",
        "What is guaranteed",
        (
            "method",
            "budget",
            "certified ε",
            "δ",
            "unit",
            "ε together",
            "noise",
            "trainable parameters",
        ),
        tuple(rows),
        (
            "ε together: where the unit is the report, the ε at the same δ for 2 / 5 / 10 reports "
            "that are added or removed together, as those of one patient are.",
            "certified ε: recomputed from the ledger, the largest over the seeds. “none”: no "
            "certificate, nothing is guaranteed.",
            "replayable noise: the guarantee holds only against who does not know the key.",
        ),
    )


def _together(certificates: Sequence[Mapping[str, Any]]) -> Cell:
    """The largest group figures over the seeds, or why there is none."""
    given = [c["together"] for c in certificates if c.get("together")]
    if len(given) < len(certificates):
        return Cell(NOT_ASKED, "absent")
    worst: list[str] = []
    for k in sorted(given[0], key=int):
        values = [g[k] for g in given]
        known = None not in values
        worst.append(f"{max(map(float, values)):.3g}" if known else "no answer")
    return Cell(" / ".join(worst), "number")


def missing_table(scores: DatasetScores) -> Table:
    """Cells without a result, by name, with the reason."""
    rows = [
        (
            Cell(cell, "name"),
            Cell(r.name),
            Cell(epsilon_name(r.epsilon), "label"),
            Cell(reason, "missing"),
        )
        for r in scores.rows
        for cell, reason in r.missing
    ]
    return Table(
        "missing",
        "Missing cells",
        ("cell", "method", "budget", "reason"),
        tuple(rows),
        ("A row with a missing cell has no mean, no rank and no part in a pooled variance.",),
    )


def pool_note(pool: Pool | None, kind: str) -> str:
    if pool is None:
        return f"{kind} rows: no seed variance is known (one seed each)"
    return (
        f"{kind} rows: s = {math.sqrt(pool.s2):.4f}, df = {pool.df}, pooled over {pool.rows} rows"
    )


def _numbers(e: Estimate) -> dict[str, Any]:
    return {
        "mean": e.mean,
        "half_width": e.half,
        "low": e.low,
        "high": e.high,
        "k": e.k,
        "df": e.df,
        "v": e.v,
        "s2": e.s2,
        "undefined_share": e.undefined,
        "flags": "; ".join(e.flags),
    }


def _records(scores: DatasetScores) -> Iterable[dict[str, Any]]:
    """One record per row and metric, full precision; a missing row keeps its place."""
    numbers = ("mean", "half_width", "low", "high", "k", "df", "v", "s2", "undefined_share")
    empty = dict.fromkeys(numbers)
    for r in [*scores.rows, *scores.trivial]:
        head = {
            "dataset": scores.dataset,
            "method": r.method or r.label,
            "label": r.label,
            "encoder": r.encoder,
            "epsilon": r.epsilon,
        }
        tail = {
            "seeds": " ".join(map(str, r.seeds)),
            "cells": " ".join(r.cell_ids),
            "missing": "; ".join(f"{cell}: {why}" for cell, why in r.missing),
        }
        if not r.estimates:
            yield {**head, "metric": "weighted", **empty, "flags": "missing", **tail, "values": ""}
        for metric, e in r.estimates.items():
            values = " ".join(map(repr, e.values))
            yield {**head, "metric": metric, **_numbers(e), **tail, "values": values}
