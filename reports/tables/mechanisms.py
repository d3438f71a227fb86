"""How ε was spent: the sampled Gaussian mechanisms that each private row's ledger composes.

Two methods of one ε may differ in everything that a reader would want to compare or to run again:
how much of the data a step sees, how many steps there are, and how much noise each has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radpriv.reports.render.numbers import epsilon_name
from radpriv.reports.render.table import Table, TableCell, record
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.dataset_scores import ScoreRow
from radpriv.reports.sections import Section, SectionPlace, table

NOTES = (
    "One line for each group of equal releases in the ledger; the certificate composes them all. "
    "sampling rate: the chance of each unit to be in a step (Poisson); 1: every step sees all.",
    "noise multiplier: standard deviation of the noise over the sensitivity of the sum that it "
    "covers, of all releases of a step together. Ranges are over seeds.",
)
UNLIKE = "differs by seed"
"""Where ledgers of one row have unequal numbers of groups: the lines are in the JSON."""


@dataclass(frozen=True)
class MechanismRecord:
    """One group of one seed."""

    method: str
    epsilon: float
    seed: int
    rate: float
    steps: int
    noise_multiplier: float


@table("mechanisms", SectionPlace(Section.DETAILS, 35))
def mechanisms_table(of: DatasetResults) -> Table | None:
    """Private rows with their groups, by rate and noise; None where there is none."""
    rows: list[tuple[TableCell, ...]] = []
    lines: list[MechanismRecord] = []
    for row in of.scores.rows if of.scores else ():
        found = _mechanisms(row)
        lines += found
        seeds = [[m for m in found if m.seed == seed] for seed in row.seeds]
        if found and len({len(groups) for groups in seeds}) > 1:
            rows.append((*_head(row), *(TableCell(UNLIKE, "absent") for _ in range(3))))
        else:
            rows += [_line(row, groups) for groups in zip(*seeds)]
    if not rows:
        return None
    return Table(
        "mechanisms",
        "How ε was spent",
        ("method", "budget", "sampling rate", "steps", "noise multiplier"),
        tuple(rows),
        NOTES,
        records=tuple(map(record, lines)),
    )


def _mechanisms(row: ScoreRow) -> list[MechanismRecord]:
    return [
        MechanismRecord(row.name, row.epsilon, r.seed, g.rate, g.steps, g.noise_multiplier)
        for r in row.records
        for g in r.ledger.groups
    ]


def _head(row: ScoreRow) -> tuple[TableCell, TableCell]:
    return TableCell(row.name, "name"), TableCell(epsilon_name(row.epsilon), "label")


def _line(row: ScoreRow, groups: Sequence[MechanismRecord]) -> tuple[TableCell, ...]:
    return (
        *_head(row),
        TableCell(_span(f"{m.rate:.3g}" for m in groups), "number"),
        TableCell(_span(f"{m.steps:,}" for m in groups), "number"),
        TableCell(_span(f"{m.noise_multiplier:.3g}" for m in groups), "number"),
    )


def _span(texts: Iterable[str]) -> str:
    """The one text of all seeds, or the first and last of several."""
    found = sorted(set(texts), key=lambda text: float(text.replace(",", "")))
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"
