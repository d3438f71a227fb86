"""`radpriv check`: does a method hold its claim?"""

from __future__ import annotations

from typing import Annotated

import typer

from radpriv.cli.options import DebugOption, JsonOption, err, out, print_json


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
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Replay a method on neighbouring data: does a release, or anything else, depend on a unit?"""
    from radpriv.workflow import check as workflow

    reports = workflow.check(
        method, unit or [], epsilon or [], parameter or [], encoder, err, debug
    )
    if as_json:
        print_json([r.as_dict() for r in reports])
    else:
        for report in reports:
            out.print(report.table())
            out.print(report.sentence, highlight=False, soft_wrap=True)
    if not all(r.passed for r in reports):
        raise typer.Exit(1)
