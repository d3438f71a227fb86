"""The command `radpriv`: a thin shell over the stages. The one module that imports all folders."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from radpriv.cli.export import export
from radpriv.cli.predict import predict
from radpriv.errors import PrivacyError, RadprivError, UnknownNameError
from radpriv.interrupt import STATUS, ctrl_c, told

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure what privacy costs, and what it buys, for models of radiology reports.",
)
data_app = typer.Typer(no_args_is_help=True, help="Look at the datasets themselves.")
app.add_typer(data_app, name="data")
out = Console(soft_wrap=False)
err = Console(stderr=True)

SuiteName = Annotated[str, typer.Argument(help="name of a shipped suite, or a TOML file")]
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="RADPRIV_DATA", help="folder with source data")
]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="RADPRIV_STORE", help="folder for results")
]
JsonOption = Annotated[bool, typer.Option("--json", help="print the result as JSON on stdout")]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="show the traceback of an error, which may quote a report")
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option("--method", help="name or plug-in file; replaces that axis"),
]
EncoderOption = Annotated[
    str, typer.Option("--encoder", help="name, folder, or hub-id@revision; replaces that axis")
]
PretrainedOption = Annotated[
    str, typer.Option("--pretrained-on", help="what --encoder was pretrained on")
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", help="N reports, one seed and 2 references, at most 20 steps: a smoke test"
    ),
]
DEFAULT_STORE = Path("radpriv-store")


@app.command()
def run(
    suite: SuiteName,
    data: DataOption = None,
    store: StoreOption = DEFAULT_STORE,
    method: MethodOption = None,
    encoder: EncoderOption = "",
    pretrained_on: PretrainedOption = "",
    limit: LimitOption = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or auto")] = "auto",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """The whole arc: train what is missing, attack it, report."""
    from radpriv.request import Request
    from radpriv.workflow import run as stage

    request = Request(suite, data, store, method or [], encoder, pretrained_on, limit, device)
    try:
        outcome = stage.run(request, err, debug)
    except KeyboardInterrupt:  # here, since click would end the program without a word
        told(err, "finished cells are kept, run again to go on")
        raise typer.Exit(STATUS) from None
    _show(outcome, as_json)
    if outcome.failed:
        err.print(f"[red]{len(outcome.failed)} cells did not finish[/]; they are missing above")
        raise typer.Exit(1)


@app.command()
def attack(
    target: Annotated[
        str,
        typer.Argument(metavar="CELL|SUITE", help="a suite, or a cell id or the start of one"),
    ],
    name: Annotated[
        list[str] | None,
        typer.Option("--attack", help="name or plug-in file; the suite's attacks if not given"),
    ] = None,
    data: DataOption = None,
    store: StoreOption = DEFAULT_STORE,
    method: MethodOption = None,
    encoder: EncoderOption = "",
    pretrained_on: PretrainedOption = "",
    limit: LimitOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Attack finished cells, of a suite or of one cell's family; nothing is trained.

    Most attacks need stored scores alone; those that read reports or ask for features need --data.
    """
    from radpriv.request import Request
    from radpriv.workflow import attack as stage

    request = Request(target, data, store, method or [], encoder, pretrained_on, limit)
    try:
        outcome = stage.attack(request, name or None, err)
    except KeyboardInterrupt:
        told(err, "finished attacks are kept, run again to go on")
        raise typer.Exit(STATUS) from None
    _show(outcome, as_json)
    if outcome.not_attacked:
        err.print(f"[red]{len(outcome.not_attacked)} attacks could not be made[/]; reasons above")
        raise typer.Exit(1)


@app.command()
def report(
    suite: SuiteName,
    store: StoreOption = DEFAULT_STORE,
    method: MethodOption = None,
    encoder: EncoderOption = "",
    pretrained_on: PretrainedOption = "",
    limit: LimitOption = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--attack", help="show this one too; the suite's attacks if not given"),
    ] = None,
    allow_mixed: Annotated[
        bool, typer.Option("--allow-mixed", help="accept results of several versions in a table")
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write tables, figure and page of a suite again, from the store, without the data."""
    from radpriv.request import Request
    from radpriv.workflow import report as stage

    request = Request(suite, None, store, method or [], encoder, pretrained_on, limit)
    _show(stage.report(request, allow_mixed, name or []), as_json)


@app.command(name="list")
def list_(
    kind: Annotated[
        str, typer.Argument(help="suites, datasets, encoders, methods or attacks")
    ] = "",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """What radpriv knows by name."""
    from radpriv.workflow import catalogue as stage

    known = stage.catalogue()
    if kind and kind not in known:
        raise UnknownNameError(f"no kind is called '{kind}' (known: {', '.join(known)})")
    chosen = {kind: known[kind]} if kind else known
    if as_json:
        print(json.dumps(chosen, indent=1, ensure_ascii=False))
        return
    for title, entries in chosen.items():
        out.print(f"[bold]{title}[/]")
        longest = max(map(len, entries), default=0)
        if not out.is_terminal:  # a line each, for other programs
            for entry, line in entries.items():
                print(f"  {entry:<{longest}} {line}")
            continue
        shown = Table.grid(padding=(0, 1), pad_edge=True)
        shown.add_column(no_wrap=True)
        shown.add_column(style="dim")
        for entry, line in entries.items():
            shown.add_row(f" {entry}", escape(line))
        out.print(shown)


@app.command()
def why(
    cell: Annotated[str, typer.Argument(help="cell id, or the start of one")],
    data: DataOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Why a cell is served from the store, or would be computed."""
    from radpriv.workflow import explain as stage

    lines = stage.explain(cell, store, data)
    if as_json:
        print(json.dumps(lines, indent=1, ensure_ascii=False))
        return
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True, markup=False)


@app.command()
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
    from radpriv.workflow import check as stage

    reports = stage.check(method, unit or [], epsilon or [], parameter or [], encoder, err, debug)
    if as_json:
        print(json.dumps([r.as_dict() for r in reports], indent=1, ensure_ascii=False))
    else:
        for report in reports:
            out.print(report.table())
            out.print(report.sentence, highlight=False, soft_wrap=True)
    if not all(r.passed for r in reports):
        raise typer.Exit(1)


@app.command()
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
            print(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
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
        made = list(tables.rows())
    if as_json:
        print(json.dumps([asdict(r) for r in made], indent=1, ensure_ascii=False))
    elif markdown:
        print(tables.markdown(made), end="")
    else:
        shown = Table(*tables.HEADER, title=f"δ = {tables.DELTA:g}")
        for r in made:
            shown.add_row(*r.cells())
        out.print(shown)


app.command()(export)
app.command()(predict)


@data_app.command()
def describe(
    name: Annotated[str, typer.Argument(help="name of a dataset, or a plug-in file")],
    option: Annotated[
        list[str] | None, typer.Option("--option", help="NAME=VALUE, an option of the dataset")
    ] = None,
    data: DataOption = None,
    store: StoreOption = DEFAULT_STORE,
    folder: Annotated[
        Path | None, typer.Option("--out", help="folder for page, figures and JSON")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Labels, lengths, vocabulary, copies and cues, beside what was published of them."""
    from radpriv.workflow import describe as stage

    found, written = stage.describe(name, option or [], data, store, folder, err, debug)
    if as_json:
        paths = {"page": str(written.page), "files": [str(p) for p in written.files]}
        print(json.dumps({**found, **paths}, indent=1, ensure_ascii=False))
        return
    written.print(out)


@data_app.command()
def cards(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """The card of every dataset that radpriv ships, as Markdown."""
    from radpriv.benchmark.datasets.description.dataset_cards import all_cards, markdown

    made = all_cards()
    if as_json:
        print(json.dumps(made, indent=1, ensure_ascii=False))
    else:
        print(markdown(made), end="")


def _show(outcome: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(outcome.as_dict(), indent=1, sort_keys=True, ensure_ascii=False))
        return
    outcome.print(out)


def main() -> None:
    """Entry point: one sentence and status 2 for what the user can mend; --debug for more."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with ctrl_c():
        try:
            app(standalone_mode=True)
        except RadprivError as error:
            if "--debug" in sys.argv:
                raise
            err.print("[red]radpriv:[/] ", end="")
            err.print(str(error), markup=False, highlight=False, soft_wrap=True)
            sys.exit(2)
        except KeyboardInterrupt:
            told(err, "finished cells are kept, run again to go on")
            sys.exit(STATUS)
