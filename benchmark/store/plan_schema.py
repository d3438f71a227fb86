"""plans/<name>.json: the cells a suite asks for, their fingerprints, and how far they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.ranges import Count, PositiveCount
from radpriv.benchmark.strict import file_format

SCHEMA: Literal[2] = 2
REFERENCE: Literal["reference"] = "reference"
CONTROL: Literal["control"] = "control"

Status = Literal["planned", "done", "diverged", "over_budget", "failed"]
Role = Literal["cell", "control", "reference"]


@file_format
@dataclass(frozen=True)
class Axes:
    """How plans and tables name a cell. encoder: "" for a method that uses none."""

    dataset: str
    encoder: str
    method: str
    label: str
    epsilon: Epsilon
    seed: Count
    canaries: str

    @property
    def budget(self) -> str:
        return "non-private" if math.isinf(self.epsilon) else f"ε = {self.epsilon:g}"


@file_format
@dataclass(frozen=True)
class PlannedCell:
    """One cell of a plan.

    role: "control" for the positive control, "reference" for a seed that is there to be compared
    with and never attacked. reason: why it is not done.
    """

    axes: Axes
    cell_id: str
    family: str
    fingerprint: str
    role: Role
    status: Status = "planned"
    reason: str = ""

    @property
    def dataset(self) -> str:
        return self.axes.dataset

    @property
    def encoder(self) -> str:
        return self.axes.encoder

    @property
    def method(self) -> str:
        return self.axes.method

    @property
    def label(self) -> str:
        return self.axes.label

    @property
    def epsilon(self) -> float:
        return self.axes.epsilon

    @property
    def seed(self) -> int:
        return self.axes.seed

    @property
    def done(self) -> bool:
        return self.status == "done"

    @property
    def why_missing(self) -> str:
        return f"{self.status} ({self.reason})" if self.reason else self.status


@dataclass(frozen=True)
class Family:
    """The cells of a plan that differ in the seed alone: what an attack is made on, and what a
    table has a row for. references: seeds that are only compared with."""

    key: str
    cells: tuple[PlannedCell, ...]
    references: tuple[PlannedCell, ...] = ()

    @property
    def axes(self) -> Axes:
        return (self.cells or self.references)[0].axes

    @property
    def epsilon(self) -> float:
        return self.axes.epsilon

    @property
    def is_control(self) -> bool:
        return any(cell.role == CONTROL for cell in self.cells)

    @property
    def done(self) -> bool:
        return all(cell.done for cell in self.cells)

    @property
    def name(self) -> str:
        """The first column of its rows: label and encoder."""
        return f"{self.axes.label} ({self.axes.encoder})" if self.axes.encoder else self.axes.label

    @property
    def title(self) -> str:
        """What a sentence calls it: label, dataset, budget, whether it is a control."""
        control = ", the control" if self.is_control else ""
        return f"{self.axes.label} ({self.axes.dataset}, {self.axes.budget}{control})"


def families_of(cells: Iterable[PlannedCell]) -> list[Family]:
    """By family, in the order of the first cell of each."""
    found: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        found.setdefault(cell.family, []).append(cell)
    return [
        Family(
            key,
            tuple(c for c in every if c.role != REFERENCE),
            tuple(c for c in every if c.role == REFERENCE),
        )
        for key, every in found.items()
    ]


@file_format
@dataclass(frozen=True)
class SuiteRequest:
    """The words of the command that made a plan: a suite, and what replaced its axes."""

    suite: str = ""
    methods: tuple[str, ...] = ()
    encoder: str = ""
    pretrained_on: str = ""


@file_format
@dataclass(frozen=True)
class Plan:
    """What a suite asked for.

    suite: the plan's name. suite_digest: of all that decides the cells. limited: the N of
    `--limit N`. datasets: as tables call them, sorted.
    """

    suite: str
    asked: SuiteRequest
    suite_digest: str
    short_recipe: bool
    limited: PositiveCount | None
    note: str | None
    datasets: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    schema: Literal[2] = SCHEMA

    def finished(self) -> Iterator[PlannedCell]:
        """Its cells that are done, references included, in the plan's order."""
        return (cell for cell in self.cells if cell.done)
