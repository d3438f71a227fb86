"""`radpriv list`: what radpriv knows by name."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from radpriv.benchmark.registry import did_you_mean
from radpriv.cli.options import DebugOption, JsonOption, print_json
from radpriv.errors import UnknownNameError
from radpriv.terminal import out, styled


def list_(
    kind: Annotated[
        str, typer.Argument(help="suites, datasets, encoders, methods or attacks")
    ] = "",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """What radpriv knows by name."""
    from radpriv.workflow import catalogue as workflow

    known = workflow.catalogue()
    if kind and kind not in known:
        hint = did_you_mean(kind, list(known))
        raise UnknownNameError(f"no kind is called '{kind}'{hint} (known: {', '.join(known)})")
    chosen = {kind: known[kind]} if kind else known
    if as_json:
        print_json(chosen)
        return
    for title, entries in chosen.items():
        out.print(styled((title, "bold")))
        longest = max(map(len, entries), default=0)
        if not out.is_terminal:  # a line each, for other programs
            for entry, line in entries.items():
                print(f"  {entry:<{longest}} {line}")
            continue
        shown = Table.grid(padding=(0, 1), pad_edge=True)
        shown.add_column(no_wrap=True)
        shown.add_column(style="dim")
        for entry, line in entries.items():
            shown.add_row(f" {entry}", line)
        out.print(shown)
