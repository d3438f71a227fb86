"""F1 of each method at each ε, weighted and macro, with what a paired difference says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from radpriv.reports.render.numbers import epsilon_name, with_interval
from radpriv.reports.render.table import Cell, Table, record
from radpriv.reports.results.scores import DatasetScores, Difference, Row, best
from radpriv.reports.statistics.intervals import Pool
from radpriv.reports.tables.score_cell import score_cell
from radpriv.reports.tables.score_records import f1_records

LINEAR = ("dp_linear_probe", "dp_bow")


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
        cells = [score_cell(by_epsilon.get(e), metric, *marks.get(e, (None, ()))) for e in epsilons]
        rows.append((Cell(name, "name"), *cells))
    return Table(
        metric,
        title,
        ("method (encoder)", *(epsilon_name(e) for e in epsilons)),
        tuple(rows),
        (*notes, *_caveats([*scores.rows, *scores.trivial], metric)),
        tuple(linear_against_lora(scores.differences)) if metric == "weighted" else (),
        trivial,
        tuple(map(record, f1_records(scores))) if metric == "weighted" else (),
    )


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


def pool_note(pool: Pool | None, kind: str) -> str:
    if pool is None:
        return f"{kind} rows: no seed variance is known (one seed each)"
    return (
        f"{kind} rows: s = {math.sqrt(pool.s2):.4f}, df = {pool.df}, pooled over {pool.rows} rows"
    )
