"""The report behind the command line: of which attacks, and what it has to do without.

names = known_names(suite.attacks, store, plan)
outcome = report_of(store, plan, False, names)     # others are listed apart
outcome.print(console)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.plan import Planned
from radpriv.errors import StoreError
from radpriv.request import Request
from radpriv.workflow.attack_names import attack_of, known_names, listed
from radpriv.workflow.target import plan_of


@dataclass
class Outcome:
    """Tables and paths of a report, and what failed on the way.

    not_attacked: a line for each attack that could not be made. unread: one for each attack result
    that the report has to do without. apart: one on attacks that were made and not asked for.
    """

    report: Any
    failed: list[Planned] = field(default_factory=list)
    not_attacked: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    apart: str = ""

    def as_dict(self) -> dict[str, Any]:
        failures = {p.job.cell.id: f"{p.status}: {p.reason}" for p in self.failed}
        return {
            **self.report.as_dict(),
            "failed": failures,
            "not_attacked": self.not_attacked,
            "unread": self.unread,
        }

    def print(self, console: Console) -> None:
        """Tables of F1 and leakage, then where the page lies."""
        from radpriv.reports.render.renderers import terminal

        if not console.is_terminal and not os.environ.get("COLUMNS"):
            console.width = 120  # a pipe has no width of its own, and rich would take 80
        for table in self.report.terminal_tables():
            console.print(terminal(table), "")
        for line in filter(None, (*self.unread, self.apart)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print(f"report: {self.report.page}", highlight=False, soft_wrap=True)


def report(request: Request, allow_mixed: bool, words: Sequence[str] = ()) -> Outcome:
    """The report alone. words: attacks to show beside the suite's."""
    suite, overrides, _ = request.load()
    store, plan = plan_of(request, suite, overrides)
    names = known_names(suite.attacks, store, plan) | known_names(words, store, plan)
    return report_of(store, plan, allow_mixed, names)


def report_of(store: Store, plan: str, allow_mixed: bool, names: Collection[str] | None) -> Outcome:
    """names: attacks to show, None for all that the plan lists; of others it is said that they are
    there, and how to see them."""
    from radpriv.reports.write import write_report

    made = {i: attack_of(store, i) for i in listed(store, plan)}
    shown = [i for i, name in made.items() if names is None or name in names]
    unread = []
    for attack_id in shown:
        try:
            if store.lookup_attack(attack_id) is None:
                unread.append(f"attack result {attack_id} is gone; run the attack again")
        except StoreError:
            path = store.attack_folder(attack_id) / "result.json"
            unread.append(f"{path}: cannot be read, and is left out; run the attack again")
    counts = Counter(name for i, name in made.items() if i not in shown)
    others = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    ask = " ".join(f"--attack {name}" for name in sorted(counts))
    apart = f"made, but not asked for here: {others}; `radpriv report` shows it with {ask}"
    written = write_report(store.root, plan, allow_mixed=allow_mixed, attack_ids=shown)
    return Outcome(written, unread=unread, apart=apart if counts else "")
