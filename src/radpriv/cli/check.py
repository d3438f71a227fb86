"""`radpriv check`: does a method hold its claim?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from radpriv.cli.options import DebugOption, JsonOption, print_json
from radpriv.terminal import err, out, styled

if TYPE_CHECKING:
    from radpriv.benchmark.conformance.verdict import MethodReport, Verdict
    from radpriv.reports.render.grid import Grid


def check(
    method: Annotated[str, typer.Argument(help="name of a private method, or a plug-in file")],
    unit: Annotated[list[str] | None, typer.Option("--unit", help="report or patient")] = None,
    epsilon: Annotated[
        list[float] | None, typer.Option("--epsilon", help="budgets; 8 and 0.1 if none is given")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, a parameter of the method")
    ] = None,
    encoder: Annotated[str, typer.Option("--encoder", help="bert or albert, tiny")] = "bert",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="a line for each check, also for those that hold")
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Replay a method on neighbouring data: does a release, or anything else, depend on a unit?"""
    from radpriv.benchmark.store.schema import dump
    from radpriv.workflow import check_claim as workflow

    reports = workflow.check(
        method, unit or [], epsilon or [], parameter or [], encoder, err, debug
    )
    if as_json:
        print_json([dump(r.verdict) for r in reports], sort_keys=True)
    else:
        for report in reports:
            out.print(styled((report.method, "bold")))
            out.print(table(report, verbose))
            out.print(report.sentence, soft_wrap=True)
    if not all(r.passed for r in reports):
        raise typer.Exit(1)


def table(report: MethodReport, verbose: bool) -> Grid:
    """The verdicts; without `verbose` those that plainly hold share a row for each unit and ε."""
    from radpriv.reports.render.grid import word_grid

    shown: list[list[str | tuple[str, str]]] = []
    rules, before = [], 1
    for (unit, epsilon), group in groupby(report.verdicts, lambda v: (v.unit, v.epsilon)):
        rows = list(_rows(list(group), verbose))
        if shown and max(before, len(rows)) > 1:
            rules.append(len(shown))
        before = len(rows)
        for check, passed, detail in rows:
            mark = ("ok", "green") if passed else ("fails", "red")
            shown.append([unit, f"{epsilon:g}", check, mark, detail])
    return word_grid(("unit", "ε", "check", "", "what was seen"), shown, {1}, rules)


def _rows(verdicts: Sequence[Verdict], verbose: bool) -> Iterator[tuple[str, bool, str]]:
    """(check, passed, what was seen) of one unit and ε."""
    from radpriv.benchmark.conformance.verdict import CERTIFICATE

    plain = [v for v in verdicts if v.plain]
    folds = not verbose and len(plain) > 1
    if folds:
        spent = [v.detail for v in plain if v.check == CERTIFICATE]
        yield f"{len(plain)} checks", True, "; ".join(["hold", *spent])
    for v in verdicts:
        if not (folds and v.plain):
            yield v.check, v.passed, v.detail
