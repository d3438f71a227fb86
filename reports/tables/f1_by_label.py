"""F1 of each label, rare ones included."""

from __future__ import annotations

from radpriv.reports.render.numbers import epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.score_cell import score_cell


@table("labels", SectionPlace(Section.DETAILS, 50), folded=20)
def labels_table(of: DatasetResults) -> Table | None:
    """F1 of each label, rare ones included, with their intervals."""
    if (scores := of.scores) is None:
        return None
    shown = [r for r in scores.rows if r.complete and not r.trivial]
    rows = []
    for label, support in zip(scores.labels, scores.support):
        cells = [score_cell(r, f"label:{label}", None, frozenset()) for r in shown]
        rows.append((TableCell(label, "name"), TableCell(str(support), "number"), *cells))
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
