"""`radpriv account`: the cost of a ledger, and the noise that budgets need."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from radpriv.cli.options import DebugOption, JsonOption, print_json
from radpriv.errors import PrivacyError
from radpriv.terminal import err, out


def account(
    ledger: Annotated[
        Path | None, typer.Argument(help="a ledger.jsonl, or the folder of a cell")
    ] = None,
    delta: Annotated[
        float | None, typer.Option("--delta", help="taken from the cell's record if not given")
    ] = None,
    group: Annotated[
        list[int] | None, typer.Option("--group", help="units together; 1, 2, 5, 10 if not given")
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="noise for a grid of budgets, by three accountants")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="the table as markdown")] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """What a ledger spends by three accountants, or with --table what budgets need."""
    from radpriv.benchmark.privacy.accounting import calibration_table as tables
    from radpriv.reports.render.grid import word_grid

    if table == (ledger is not None):
        raise PrivacyError("give a ledger or --table, one of the two")
    if markdown and (as_json or not table):
        raise PrivacyError("--markdown goes with --table, and without --json")
    if ledger is not None:
        found = tables.account(ledger, delta, group or tables.UNITS)
        if as_json:
            print_json(found.as_dict())
            return
        rows = [
            (f.accountant, str(f), f"{f.error:.1g}", f"{f.seconds:.2f}", f.why)
            for f in found.figures
        ]
        out.print(word_grid(("accountant", "ε", "error", "seconds", "why"), rows, {1, 2, 3}))
        for k, value in found.together.items():
            spent = "no answer" if value is None else f"ε = {value:.4g}"
            several = f"{k} {found.unit}s together" if k > 1 else f"1 {found.unit}"
            out.print(f"  {several}: {spent}")
        for line in (*found.figures.disagreements(), found.sentence):
            out.print(line, soft_wrap=True)
        return
    with err.status("calibrating"):
        noise = list(tables.rows())
    if as_json:
        print_json([asdict(r) for r in noise])
    elif markdown:
        print(tables.markdown(noise), end="")
    else:
        out.print(f"δ = {tables.DELTA:g}")
        numeric = range(len(tables.HEADER))
        out.print(word_grid(tables.HEADER, [r.cells() for r in noise], numeric))
