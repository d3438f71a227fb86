"""One score of one row as a cell: its interval, its rank at its ε, or why there is none."""

from __future__ import annotations

from radpriv.reports.render.numbers import NOT_ASKED, with_interval
from radpriv.reports.render.table import TableCell
from radpriv.reports.results.dataset_scores import ScoreRow


def score_cell(
    row: ScoreRow | None, metric: str, top: ScoreRow | None, ties: frozenset[str]
) -> TableCell:
    if row is None:
        return TableCell(NOT_ASKED, "absent", "not asked for")
    if not row.complete:
        reasons = "; ".join(sorted({reason for _, reason in row.missing}))
        return TableCell(
            f"missing: {len(row.missing)} of {len(row.seeds)} cells ({reasons})",
            "missing",
            ", ".join(cell for cell, _ in row.missing),
        )
    e = row.estimates[metric]
    if not e.defined:
        return TableCell("undefined", "missing", "; ".join(e.flags))
    kind, mark = "number", ""
    if top is not None and len(ties) == 0 and row is top:
        kind, mark = "best", " (best)"
    elif top is not None and ties and (row is top or row.name in ties):
        kind, mark = "tie", " (tied best)"
    df = "∞" if e.df is None else str(e.df)
    detail = "; ".join([f"k = {e.k}, df = {df}", *e.flags])
    flagged = "*" if e.flags else ""
    return TableCell(with_interval(e) + flagged + mark, kind, detail)
