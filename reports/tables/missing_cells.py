"""Cells without a result, and attack results that cannot be read."""

from __future__ import annotations

from radpriv.reports.render.numbers import epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Section, SectionPlace, table

NOTE = "A row with a missing cell has no mean, no rank and no part in a pooled variance."


@table("missing", SectionPlace(Section.DETAILS, 10))
def missing_table(of: DatasetResults) -> Table | None:
    """Cells by name with their reasons, and below them attack results."""
    cells = [
        (
            TableCell(cell, "name"),
            TableCell(row.name),
            TableCell(epsilon_name(row.epsilon), "label"),
            TableCell(reason, "missing"),
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


def _unread(results: Results, dataset: str) -> list[tuple[TableCell, ...]]:
    """Attack results that cannot be read, by the family that their ids begin with."""
    heads = {
        f".{e.cell_id.rpartition('-')[0].removesuffix(f'.s{e.seed}')}.k": e
        for e in results.entries
        if e.dataset == dataset
    }
    return [
        (
            TableCell(attack_id, "name"),
            TableCell(e.label),
            TableCell(epsilon_name(e.epsilon), "label"),
            TableCell(reason, "missing"),
        )
        for attack_id, reason in results.unread
        for e in [next((e for head, e in heads.items() if head in attack_id), None)]
        if e is not None
    ]
