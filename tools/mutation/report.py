"""The mutation report, for the terminal and as a page of the docs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from .runner import Result
from .tree import Mutant

ENOUGH = 0.95
"""Share of mutants, equivalent ones aside, that the tests must kill."""


@dataclass(frozen=True)
class Report:
    """chosen: the mutants of this run, equivalent ones among them. wall: seconds of this call;
    decided: how many it decided itself. whole: seconds of all tests. left_out: tests that fail
    beside others without any mutation.
    """

    chosen: list[Mutant]
    generated: int
    how: str
    results: dict[str, Result]
    equivalent: dict[str, str]
    wall: float
    decided: int
    whole: float
    left_out: list[str]

    @property
    def counted(self) -> list[Mutant]:
        return [m for m in self.chosen if m.id not in self.equivalent]

    @property
    def survivors(self) -> list[Mutant]:
        return [m for m in self.counted if not self.results[m.id].killed]

    @property
    def wrongly_argued(self) -> list[Mutant]:
        """Called equivalent, yet a test tells them from the original."""
        return [
            m
            for m in self.chosen
            if m.id in self.equivalent and m.id in self.results and self.results[m.id].killed
        ]

    @property
    def score(self) -> float:
        return 1.0 - len(self.survivors) / max(1, len(self.counted))

    @property
    def good(self) -> bool:
        enough = bool(self.counted) and self.score >= ENOUGH
        return enough and not self.wrongly_argued

    def summary(self) -> list[tuple[str, str]]:
        results = [self.results[m.id] for m in self.counted]
        killed = [r for r in results if r.verdict == "killed"]
        functions = {(m.module, m.function) for m in self.chosen}
        lasted = {
            name: f"{median(r.seconds for r in some):.1f} s" if some else "none"
            for name, some in (("killed", killed), ("not", [r for r in results if not r.killed]))
        }
        return [
            ("mutants run", f"{len(self.chosen)} of {self.generated} generated ({self.how})"),
            ("functions with a mutant", str(len(functions))),
            ("equivalent, each argued", str(len(self.chosen) - len(self.counted))),
            ("killed by a test", str(len(killed))),
            ("of these, by a test file that cannot be loaded", str(_loads(killed))),
            ("stopped: a test no longer ends", str(_count(results, "timeout"))),
            ("survived", str(len(self.survivors))),
            ("score", f"{100 * self.score:.1f}% (at least {100 * ENOUGH:.0f}% wanted)"),
            ("tests without mutation", "pass; what killed was run again without, and passes"),
            ("tests left out: they fail without mutation", ", ".join(self.left_out) or "none"),
            ("median time of a killed mutant", lasted["killed"]),
            ("median time of a survivor", lasted["not"]),
            ("all tests once", f"{self.whole:.0f} s" if self.whole else "not run"),
            ("time of the last call", f"{self.wall / 60:.1f} min for {self.decided} mutants"),
        ]

    def text(self) -> str:
        lines = [f"{name:48} {value}" for name, value in self.summary()]
        for title, some in (
            ("survivors", self.survivors),
            ("argued equivalent, but killed", self.wrongly_argued),
        ):
            if some:
                lines += ["", f"{title}:"]
            for m in some:
                lines += [f"  {m.module.replace('.', '/')}.py:{m.line}  {m.id}"]
                lines += [f"      {line}" for line in m.diff]
        return "\n".join(lines)

    def page(self, command: str) -> str:
        """Markdown."""
        lines = [
            "# Mutation score of the privacy code",
            "",
            "Each mutant is one small fault put into one module; the tests must notice. Made by",
            "",
            f"    {command}",
            "",
            *_table(("", ""), self.summary()),
            "",
            "No mutation places: docstrings, annotations, imports, type aliases, what an error",
            "says, `__repr__`, arguments of decorators, and the settings of a method in",
            "`baselines/` (any value is right). Tests that start a process of their own see the",
            "unmutated tree there.",
            "",
            "Where tests were written for survivors and the same faults drawn again, the score",
            "says little of others: privacy.md has what was noticed at first.",
            "",
            "## By module",
            "",
            *_table(("module", "mutants", "equivalent", "killed", "survived"), self._by("module")),
            "",
            "## By operator",
            "",
            *_table(
                ("operator", "mutants", "equivalent", "killed", "survived"), self._by("operator")
            ),
            "",
            "## Survivors",
            "",
        ]
        for m in self.survivors:
            lines += _listed(m, "")
        lines += ["None." if not self.survivors else "", "", "## Equivalent mutants", ""]
        argued = [m for m in self.chosen if m.id in self.equivalent]
        for m in argued:
            lines += _listed(m, self.equivalent[m.id])
        lines += ["None." if not argued else ""]
        return "\n".join(lines).rstrip("\n") + "\n"

    def _by(self, key: str) -> list[tuple[str, ...]]:
        rows = Counter(getattr(m, key) for m in self.chosen)
        equal = Counter(getattr(m, key) for m in self.chosen if m.id in self.equivalent)
        alive = Counter(getattr(m, key) for m in self.survivors)
        return [
            (f"`{k}`", str(n), str(equal[k]), str(n - equal[k] - alive[k]), str(alive[k]))
            for k, n in sorted(rows.items())
        ]


def _loads(results: Iterable[Result]) -> int:
    return sum(r.phase == "import" for r in results)


def _count(results: Iterable[Result], verdict: str) -> int:
    return sum(r.verdict == verdict for r in results)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [line(head), line("---" for _ in head), *map(line, rows)]


def _listed(mutant: Mutant, reason: str) -> list[str]:
    where = f"{mutant.module.replace('.', '/')}.py:{mutant.line}"
    text = f"`{where}` `{mutant.id}`" + (f": {reason}" if reason else "")
    return [text, "", "```diff", *mutant.diff, "```", ""]
