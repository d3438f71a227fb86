"""What needs no report: classifiers that look at nothing."""

from __future__ import annotations

from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.score_cell import score_cell


@table("trivial", SectionPlace(Section.DETAILS, 40))
def trivial_table(of: DatasetResults) -> Table | None:
    """All positive, all negative and `prior` under both definitions in use, with macro F1."""
    if (scores := of.scores) is None:
        return None
    rows = []
    for r in [*scores.trivial, *(r for r in scores.rows if r.trivial)]:
        none = frozenset[str]()
        cells = [score_cell(r, m, None, none) for m in ("weighted", "macro", "class_weighted")]
        rows.append((TableCell(r.label, "name"), *cells))
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
