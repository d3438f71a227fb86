"""The Typer app: every verb, in the order in which `radpriv --help` lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from radpriv import __version__
from radpriv.benchmark.docstring import docstring
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


def _add(group: typer.Typer, verb: Callable[..., None], name: str | None = None) -> None:
    group.command(name=name, help=docstring(verb))(verb)


_add(app, run.run)
_add(app, attack.attack)
_add(app, report.report)
_add(app, list_, "list")
_add(app, explain.explain, "why")
_add(app, check.check)
_add(app, account.account)
_add(app, predict.predict)
_add(app, export.export)

data_app = typer.Typer(no_args_is_help=True, help="Look at the datasets themselves.")
_add(data_app, data.describe)
_add(data_app, data.cards)
app.add_typer(data_app, name="data")
