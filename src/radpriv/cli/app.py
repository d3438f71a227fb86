"""The Typer app: every verb, in the order in which `radpriv --help` lists them."""

from __future__ import annotations

from typing import Annotated

import typer

from radpriv import __version__
from radpriv.cli import account, attack, check, data, explain, export, predict, report, run
from radpriv.cli.list import list_

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure what privacy costs, and what it buys, for models of radiology reports.",
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"radpriv {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command()(run.run)
app.command()(attack.attack)
app.command()(report.report)
app.command(name="list")(list_)
app.command(name="why")(explain.explain)
app.command()(check.check)
app.command()(account.account)
app.command()(predict.predict)
app.command()(export.export)

data_app = typer.Typer(no_args_is_help=True, help="Look at the datasets themselves.")
data_app.command()(data.describe)
data_app.command()(data.cards)
app.add_typer(data_app, name="data")
