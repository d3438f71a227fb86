"""What each row guarantees, from the certificates of its cells."""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.store.cell_schema import Certificate
from radpriv.reports.render.numbers import NOT_ASKED, delta_name, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, table


@table("privacy", SectionPlace(Section.DETAILS, 30))
def privacy_table(of: DatasetResults) -> Table | None:
    """What each private row guarantees, from the certificates of its cells."""
    if (scores := of.scores) is None:
        return None
    rows = []
    for r in (r for r in scores.rows if r.records):
        first = r.records[0]
        claim, certificates = first.claim, [c.certificate for c in r.records]
        parameters = TableCell(f"{first.trainable_parameters:,}", "number")
        certified = [c for c in certificates if c]
        facts: tuple[TableCell, ...]
        if claim and len(certified) == len(certificates):
            worst = max(c.epsilon for c in certified)
            facts = (
                TableCell(f"{worst:.4g}", "number"),
                TableCell(delta_name(certified[0].delta), "number"),
                TableCell(claim.unit),
                _together(certified),
                TableCell(first.cell.noise_mode),
            )
        else:
            facts = (TableCell("none", "text"), *(TableCell(NOT_ASKED, "absent") for _ in range(4)))
        rows.append(
            (
                TableCell(r.name, "name"),
                TableCell(epsilon_name(r.epsilon), "label"),
                *facts,
                parameters,
            )
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


def _together(certificates: Sequence[Certificate]) -> TableCell:
    """The largest group figures over the seeds, or why there is none."""
    given = [c.together for c in certificates if c.together]
    if len(given) < len(certificates):
        return TableCell(NOT_ASKED, "absent")
    worst: list[str] = []
    for k in sorted(given[0], key=int):
        values = [g[k] for g in given]
        known = None not in values
        worst.append(f"{max(v for v in values if v is not None):.3g}" if known else "no answer")
    return TableCell(" / ".join(worst), "number")
