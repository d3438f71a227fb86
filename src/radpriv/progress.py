"""Progress in the terminal: cells done, records per second, time left. On stderr, so that a pipe
or --json gets results only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from radpriv.reports.render.characters import one_line
from radpriv.terminal import styled

if TYPE_CHECKING:
    from radpriv.benchmark.suites.plan import Planned

CHEAP_S = 5.0
"""Seconds of a cell that steps through no encoder, before one was timed."""

TRAINING_RATE = 100.0
"""Records per second of a training step, before one was timed."""


class Bar:
    """A bar on a terminal, of so many things that are counted; nothing elsewhere."""

    def __init__(self, console: Console, counted: str, total: int) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn(f"{{task.completed:.0f}}/{{task.total:.0f}} {counted}", style="bold"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("", total=total)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()


class Watch(Bar):
    """A progress bar on a terminal, one line per cell elsewhere.

    Time left = record passes left ÷ the rate last measured in a training + cells left × the median
    time of cells that step through no encoder + records left to map ÷ the rate they are mapped at,
    and once more for each other encoder of which nothing was mapped yet.
    """

    def __init__(self, planned: Sequence[Planned], console: Console) -> None:
        self.left = list(planned)
        self.total = len(self.left)
        self.done = 0
        self.rate: float | None = None
        self.training_rate = TRAINING_RATE
        self.cheap: list[float] = []
        self.cell_started = self.last_line = time.monotonic()
        self.passed = 0.0
        self.mapping = MappingRate()
        self.mapped_seconds = 0.0
        self.ended: list[Planned] = []
        self.first_tick: float | None = None
        super().__init__(console, "cells", self.total)

    def before(self, cell: Planned) -> None:
        self.cell_started = time.monotonic()
        self.passed, self.first_tick, self.rate = 0.0, None, None
        self.mapping = MappingRate()
        self._show(cell)

    def tick(self, kind: str, amount: float) -> None:
        """From the run: what `Context.progress` tells."""
        now = time.monotonic()
        if kind == "passes":
            if self.first_tick is None:
                self.first_tick = now
            else:
                self.passed += amount
                self.rate = self.passed / max(now - self.first_tick, 1e-6)
                if self.left[0].job.passes:
                    self.training_rate = self.rate
        elif kind == "to map":
            self.mapping.begin(now, amount)
        else:
            self.mapping.add(now, amount)
            self.rate = self.mapping.rate
            self.mapped_seconds = self.mapping.seconds
        self._show(self.left[0])

    def after(self, cell: Planned) -> None:
        self.done += 1
        self.left = self.left[1:]
        self.ended.append(cell)
        seconds = time.monotonic() - self.cell_started
        if not cell.job.passes:
            self.cheap.append(seconds)
        mark = ("✓", "green") if cell.status == "done" else (cell.status, "red")
        note = f" {cell.reason}" if cell.reason else ""
        self.bar.update(self.task, completed=self.done)
        self.passed = 0.0
        self.console.print(
            styled(
                mark,
                f" {self.done}/{self.total} {_head(cell)} ",
                (f"{seconds:.1f} s{self._speed()}{self._time_left()}", "dim"),
                one_line(note),
            ),
            soft_wrap=True,
        )

    def _show(self, cell: Planned) -> None:
        text = f"{_head(cell)}{self._speed()}{self._time_left()}"
        if self.console.is_terminal:
            self.bar.update(self.task, description=text)
        elif time.monotonic() - self.last_line > 30:
            self.last_line = time.monotonic()
            self.console.print(styled(f"  {text}"), soft_wrap=True)

    def _speed(self) -> str:
        return f" · {self.rate:,.0f} records/s" if self.rate else ""

    def _time_left(self) -> str:
        if not self.left:
            return ""
        passes = max(sum(c.job.passes for c in self.left) - self.passed, 0)
        cheap = median([CHEAP_S, CHEAP_S, *self.cheap])  # the first one maps every record
        seconds = passes / self.training_rate + cheap * len(self.left) + self.mapping.left
        if self.mapped_seconds:
            met = set(map(_features, [*self.ended, self.left[0]]))
            others = {of for of in map(_features, self.left) if of[1]} - met
            seconds += self.mapped_seconds * len(others)
        return f" · about {seconds / 60:.0f} min left" if seconds >= 60 else " · under 1 min left"


class MappingRate:
    """The records that one cell has to map: how fast, and for how long."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self.before = 0.0  # seconds of what was mapped whole
        self.total = self.done = 0.0
        self.begun: float | None = None

    def begin(self, now: float, total: float) -> None:
        self.before = self.seconds
        self.total, self.done, self.begun = total, 0.0, now

    def add(self, now: float, amount: float) -> None:
        self.done += amount
        if self.begun is not None and now > self.begun:
            self.rate = self.done / (now - self.begun)

    @property
    def left(self) -> float:
        """Seconds."""
        return max(self.total - self.done, 0.0) / self.rate if self.rate else 0.0

    @property
    def seconds(self) -> float:
        """What all that was begun takes."""
        return self.before + (self.total / self.rate if self.rate else 0.0)


def _features(cell: Planned) -> tuple[object, object]:
    """What the cell maps its records by: nothing without an encoder."""
    job = cell.job
    return job.dataset_label, job.encoder.sha256 if job.encoder else None


def _head(cell: Planned) -> str:
    """The readable head of its id, behind the dataset's label and before the method's own, if any.

    A swept method has several cells of one head, and a label for each setting.
    """
    job, head = cell.job, cell.job.cell.id.rsplit("-", 1)[0]
    dataset = f"{job.dataset_label}: " if job.dataset_label != job.cell.dataset else ""
    return f"{dataset}{head}" + (f" ({job.label})" if job.label != job.cell.method else "")


class Tally(Bar):
    """Attacks done of all, how fast and how long the rest takes: a bar on a terminal, elsewhere a
    line every half minute."""

    def __init__(self, total: int, console: Console) -> None:
        self.total = total
        self.done = 0
        self.started = self.last_line = time.monotonic()
        super().__init__(console, "attacks", total)

    def say(self, line: str) -> None:
        self.console.print(styled(line), soft_wrap=True)

    def tick(self, label: str) -> None:
        """One attack on one family has ended."""
        self.done += 1
        now = time.monotonic()
        each = (now - self.started) / self.done
        left = each * max(self.total - self.done, 0)
        text = f"{label} · {60 / max(each, 1e-3):,.0f}/min"
        if self.done < self.total:
            text += f" · about {left / 60:.0f} min left" if left >= 60 else " · under 1 min left"
        self.bar.update(self.task, completed=self.done, description=text)
        if not self.console.is_terminal and now - self.last_line > 30:
            self.last_line = now
            self.say(f"  {self.done}/{self.total} attacks · {text}")
