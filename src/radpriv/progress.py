"""Progress in the terminal: cells done, records per second, time left. On stderr, so that a pipe
or --json gets results only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from radpriv.benchmark.plan import Planned

FIXED_S = 2.0
"""Seconds of a cell that trains nothing with an encoder, before any was timed."""


class Watch:
    """A progress bar on a terminal, one line per cell elsewhere."""

    def __init__(self, planned: Sequence[Planned], console: Console) -> None:
        self.console = console
        self.left = list(planned)
        self.total = len(self.left)
        self.done = 0
        self.passes = 0.0
        self.rate = 0.0
        self.mapped = 0
        self.started = self.cell_started = self.last_line = time.monotonic()
        self.training = 0.0
        self.first_tick: float | None = None
        self.bar = Progress(
            TextColumn("[bold]{task.completed:.0f}/{task.total:.0f} cells"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.task = self.bar.add_task("", total=self.total)

    def __enter__(self) -> Watch:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def before(self, cell: Planned) -> None:
        self.cell_started = time.monotonic()
        self.training, self.mapped, self.first_tick = 0.0, 0, None
        self._show(cell)

    def tick(self, kind: str, amount: float) -> None:
        """From the run: records mapped by a public function, or record passes of training."""
        now = time.monotonic()
        if kind == "passes":
            if self.first_tick is None:
                self.first_tick = now
            else:
                self.training += amount
                self.rate = self.training / max(now - self.first_tick, 1e-6)
        else:
            self.mapped += int(amount)
            if self.mapped > 1:
                self.rate = self.mapped / max(now - self.cell_started, 1e-6)
        self._show(self.left[0])

    def after(self, cell: Planned) -> None:
        self.done += 1
        self.left = self.left[1:]
        seconds = time.monotonic() - self.cell_started
        mark = "[green]✓[/]" if cell.status == "done" else f"[red]{cell.status}[/]"
        note = f" {cell.reason}" if cell.reason else ""
        self.bar.update(self.task, completed=self.done)
        self.console.print(
            f"{mark} {self.done}/{self.total} {cell.job.cell.id.rsplit('-', 1)[0]} "
            f"[dim]{seconds:.1f} s{self._speed()}{self._time_left()}[/]{note}",
            highlight=False,
            soft_wrap=True,
        )

    def _show(self, cell: Planned) -> None:
        head = cell.job.cell.id.rsplit("-", 1)[0]
        text = f"{head}{self._speed()}{self._time_left()}"
        if self.console.is_terminal:
            self.bar.update(self.task, description=text)
        elif time.monotonic() - self.last_line > 30:
            self.last_line = time.monotonic()
            self.console.print(f"  {text}", highlight=False, soft_wrap=True)

    def _speed(self) -> str:
        return f" · {self.rate:,.0f} records/s" if self.rate else ""

    def _time_left(self) -> str:
        if not self.rate:
            return ""
        waiting = self.left[1:] if self.training else self.left
        passes = sum(c.job.passes for c in waiting)
        if self.training and self.left:
            passes += max(self.left[0].job.passes - self.training, 0)
        seconds = passes / self.rate + FIXED_S * len(self.left)
        return f" · about {seconds / 60:.0f} min left" if seconds >= 60 else " · under 1 min left"
