"""The report behind the command line: of which attacks, and what it has to do without.

shown = choose(results_of(store, plan), {"loss"})      # others are counted apart
outcome = report_of(store, plan.suite, False, shown)
outcome.print(console)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from radpriv.benchmark.store.plan_schema import Family
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.plan import Planned
from radpriv.reports.render.table import Table
from radpriv.request import Request
from radpriv.terminal import styled
from radpriv.workflow.attack_names import known_names
from radpriv.workflow.shown_results import Shown, choose, results_of
from radpriv.workflow.target import plan_of


@dataclass
class Outcome:
    """Tables and paths of a report, and what failed on the way.

    left_out: a line for each cause that stopped cells before the first was run; said: their
    sentences, which stand above the tables.
    not_attacked: a line for each attack that could not be made. unread: one for each attack result
    that the report has to do without. apart: one on attacks that were made and not asked for.
    only: the families whose rows are printed, None for every table.
    """

    report: Any
    failed: list[Planned] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    not_attacked: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    apart: str = ""
    only: Sequence[Family] | None = None

    def as_dict(self) -> dict[str, Any]:
        failures = {p.job.cell.id: f"{p.status}: {p.reason}" for p in self.failed}
        return {
            **self.report.as_dict(),
            "failed": failures,
            "left_out": self.left_out,
            "not_attacked": self.not_attacked,
            "unread": self.unread,
        }

    def print(self, console: Console) -> None:
        """Tables of F1 and leakage, then where the page lies."""
        from radpriv.reports.render.renderers import terminal

        if not console.is_terminal and not os.environ.get("COLUMNS"):
            console.width = 120  # a pipe has no width of its own, and rich would take 80
        said = frozenset(self.said)
        datasets = () if self.only is None else ({f.axes.dataset for f in self.only},)
        tables = self.report.terminal_tables(*datasets)
        for table in filter(None, map(self._asked_for, tables)):
            shown = terminal(table, said)
            console.print(shown, "")
            said |= shown.sentences
        for line in filter(None, (*self.unread, self.apart)):
            console.print(styled(line), soft_wrap=True)
        console.print(styled(f"report: {self.report.page}"), soft_wrap=True)

    def _asked_for(self, table: Table) -> Table | None:
        """The table with the rows of `only`, and those that stand apart; None where it has none."""
        if self.only is None:
            return table
        names = {(family.name, family.axes.budget) for family in self.only}
        own = len(table.rows) - table.apart
        rows = [row for row in table.rows[:own] if tuple(c.text for c in row[:2]) in names]
        control = any(family.is_control for family in self.only)
        if not (rows or control) or table.columns[1] != "budget":
            return None
        return replace(table, rows=(*rows, *table.rows[own:]))


def report(request: Request, allow_mixed: bool, words: Sequence[str] = ()) -> Outcome:
    """The report alone. words: attacks to show beside the suite's."""
    suite, overrides, _ = request.load()
    store, plan = plan_of(request, suite, overrides)
    results = results_of(store, store.read_plan(plan))
    names = known_names(suite.attacks, store, results) | known_names(words, store, results)
    return report_of(store, plan, allow_mixed, choose(results, names))


def report_of(store: Store, plan: str, allow_mixed: bool, shown: Shown) -> Outcome:
    """The report of a plan with these attack results."""
    from radpriv.reports.write import write_report

    written = write_report(
        store.root,
        plan,
        allow_mixed=allow_mixed,
        attack_ids=shown.attack_ids,
        apart=shown.apart,
    )
    return Outcome(written, unread=[*written.damaged, *shown.unread], apart=shown.sentence)
