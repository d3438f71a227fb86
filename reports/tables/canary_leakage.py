"""Leakage by kind of canary: crafted records that were planted by coin flip, apart from the rest.

The headline counts the dataset's own records. What is made to be memorised shows what a model could
give away at the worst; it says nothing of an ordinary report.
"""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.store.attack_schema import CanaryKind
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import families
from radpriv.reports.sections import EVERYWHERE, Section, SectionPlace, table
from radpriv.reports.tables.format_bounds import bound_cells, range_of
from radpriv.reports.tables.leakage import NOT_RESOLVABLE, between

NOTES = (
    "Canaries are added to the training split by a coin each (name*k: k copies by one coin), "
    "with labels that are coins too; mislabelled: candidates of the dataset with every "
    "label flipped. A canary of several copies is more than one unit: it bounds no ε.",
    "Not resolvable: fewer than 10 canaries in, or out, in some seed. ε lower bound: one-run "
    "audit over the canaries of this kind alone, 95%, a tenth of them guessed, the largest over "
    "seeds corrected for that choice. By the attack that is the strongest on the family's own "
    "records.",
)


@table("canaries", SectionPlace(Section.LEAKAGE, 50), formats=EVERYWHERE)
def canaries_table(of: DatasetResults) -> Table | None:
    """Families × kinds, then the nulls; None where nothing was planted."""
    results, dataset = of.results, of.dataset
    rows: list[tuple[TableCell, ...]] = []
    nulls: dict[str, list[CanaryKind]] = {}
    for one in families(results, dataset):
        for role, summary in sorted(one.result.summary.items()) if one.result else ():
            for line in summary.canaries if role != "known" else ():
                if role == "null":
                    nulls.setdefault(line.kind, []).append(line)
                else:
                    which = "positive control: " if role == "control" else ""
                    budget = TableCell(epsilon_name(one.family.epsilon), "label")
                    attack = f"by {one.result.attack}" if one.result else ""
                    name = TableCell(which + one.name, "name", attack)
                    rows.append((name, budget, *_cells(line)))
    apart = [_null(kind, lines) for kind, lines in sorted(nulls.items())]
    if not rows + apart:
        return None
    return Table(
        "canaries",
        f"Leakage of planted canaries{of.marks}",
        (
            "method",
            "budget",
            "kind",
            "AUC, 95% interval",
            "ε lower bound",
            "ceiling",
            "canaries",
        ),
        tuple(rows + apart),
        NOTES if rows else (),
        apart=len(apart),
    )


def _cells(line: CanaryKind) -> tuple[TableCell, ...]:
    area = TableCell(NOT_RESOLVABLE, "absent", "fewer than 10 in or out")
    if line.auc:
        area = TableCell(between(line.auc), "number")
    return (
        TableCell(line.kind, "label"),
        area,
        *bound_cells(line.bound),
        TableCell(f"{line.candidates:,}", "number"),
    )


def _null(kind: str, lines: Sequence[CanaryKind]) -> tuple[TableCell, ...]:
    known = [line.auc.value for line in lines if line.auc]
    area = TableCell(range_of(known), "number") if known else TableCell(NOT_RESOLVABLE, "absent")
    bounds = [line.bound for line in lines if line.bound]
    count = TableCell(f"{lines[0].candidates:,}", "number")
    return (
        TableCell("null: coins permuted", "name"),
        TableCell(NOT_ASKED),
        TableCell(kind, "label"),
        area,
        *bound_cells(max(bounds, key=lambda b: (b.epsilon, b.ceiling), default=None)),
        count,
    )
