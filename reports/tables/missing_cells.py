"""Cells without a result, and attack results that cannot be read."""

from __future__ import annotations

from radpriv.reports.render.numbers import epsilon_name
from radpriv.reports.render.table import Cell, Table
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Place, Section, table

NOTE = "A row with a missing cell has no mean, no rank and no part in a pooled variance."


@table("missing", Place(Section.DETAILS, 10))
def missing_table(of: DatasetResults) -> Table | None:
    """Cells by name with their reasons, and below them attack results."""
    cells = [
        (
            Cell(cell, "name"),
            Cell(row.name),
            Cell(epsilon_name(row.epsilon), "label"),
            Cell(reason, "missing"),
        )
        for row in (of.scores.rows if of.scores else ())
        for cell, reason in row.missing
    ]
    attacks = _unread(of.results, of.dataset)
    if not cells + attacks:
        return None
    return Table(
        "missing",
        "Missing cells and attacks" if attacks else "Missing cells",
        ("cell or attack" if attacks else "cell", "method", "budget", "reason"),
        (*cells, *attacks),
        (NOTE,) if of.scores else (),
    )


def _unread(results: Results, dataset: str) -> list[tuple[Cell, ...]]:
    """Attack results that cannot be read, by the family that their ids begin with."""
    heads = {
        f".{e.cell_id.rpartition('-')[0].removesuffix(f'.s{e.seed}')}.k": e
        for e in results.entries
        if e.dataset == dataset
    }
    return [
        (
            Cell(attack_id, "name"),
            Cell(e.label),
            Cell(epsilon_name(e.epsilon), "label"),
            Cell(reason, "missing"),
        )
        for attack_id, reason in results.unread
        for e in [next((e for head, e in heads.items() if head in attack_id), None)]
        if e is not None
    ]
