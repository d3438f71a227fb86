"""`radpriv why`: whether a cell is served from the store, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from radpriv.cli.options import (
    DEFAULT_STORE,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    print_json,
)
from radpriv.terminal import out


def explain(
    cell: Annotated[str, typer.Argument(help="cell id, or the start of one")],
    data: DataOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Why a cell is served from the store, or would be computed."""
    from radpriv.workflow import explain_cell as workflow

    lines = workflow.explain(cell, store, data)
    if as_json:
        print_json(lines)
    else:
        for line in lines:
            out.print(line, soft_wrap=True)
    if any(line.startswith(workflow.DAMAGED) for line in lines):
        raise typer.Exit(1)
