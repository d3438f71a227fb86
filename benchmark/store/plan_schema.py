"""plans/<name>.json: the cells a suite asks for, their fingerprints, and how far they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from radpriv.benchmark.epsilon import Epsilon
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
    seed: int
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
    def family_label(self) -> str:
        """What a reader calls all seeds of it: label, dataset, budget, whether it is a control."""
        axes, control = self.axes, ", the control" if self.role == CONTROL else ""
        return f"{axes.label} ({axes.dataset}, {axes.budget}{control})"

    @property
    def why_missing(self) -> str:
        return f"{self.status} ({self.reason})" if self.reason else self.status


@file_format
@dataclass(frozen=True)
class Asked:
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
    asked: Asked
    suite_digest: str
    short_recipe: bool
    limited: int | None
    note: str | None
    datasets: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    schema: Literal[2] = SCHEMA

    def finished(self) -> Iterator[PlannedCell]:
        """Its cells that are done, references included, in the plan's order."""
        return (cell for cell in self.cells if cell.done)
