"""`radpriv account`: the cost of a ledger, and the noise that budgets need."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from radpriv.cli.options import DebugOption, JsonOption, err, out, print_json
from radpriv.errors import PrivacyError


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

    if table == (ledger is not None):
        raise PrivacyError("give a ledger or --table, one of the two")
    if markdown and (as_json or not table):
        raise PrivacyError("--markdown goes with --table, and without --json")
    if ledger is not None:
        found = tables.account(ledger, delta, group or tables.UNITS)
        if as_json:
            print_json(found.as_dict())
            return
        shown = Table("accountant", "ε", "error", "seconds", "why")
        for f in found.figures:
            shown.add_row(f.accountant, str(f), f"{f.error:.1g}", f"{f.seconds:.2f}", f.why)
        out.print(shown)
        for k, value in found.together.items():
            spent = "no answer" if value is None else f"ε = {value:.4g}"
            several = f"{k} {found.unit}s together" if k > 1 else f"1 {found.unit}"
            out.print(f"  {several}: {spent}", highlight=False)
        for line in (*found.figures.disagreements(), found.sentence):
            out.print(line, highlight=False, soft_wrap=True, markup=False)
        return
    with err.status("calibrating"):
        rows = list(tables.rows())
    if as_json:
        print_json([asdict(r) for r in rows])
    elif markdown:
        print(tables.markdown(rows), end="")
    else:
        shown = Table(*tables.HEADER, title=f"δ = {tables.DELTA:g}")
        for r in rows:
            shown.add_row(*r.cells())
        out.print(shown)
