"""Cells without a result, and attack results that cannot be read."""

from __future__ import annotations

from radpriv.reports.render.numbers import epsilon_name
from radpriv.reports.render.table import Cell, Table
from radpriv.reports.results.scores import DatasetScores


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
