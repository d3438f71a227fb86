"""radpriv predict: labels of new reports, by the saved model of a finished cell."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radpriv.cli.options import DEFAULT_STORE, DebugOption, StoreOption, json_text
from radpriv.terminal import err, out, styled

if TYPE_CHECKING:
    from radpriv.reports.render.grid import Grid
    from radpriv.workflow.predict_labels import Predictions
    from radpriv.workflow.read_reports import Reports


def predict(
    cell: Annotated[str, typer.Argument(help="cell id, or the start of one")],
    file: Annotated[
        Path | None,
        typer.Argument(help=".txt with one report a line, .csv or .jsonl; else standard input"),
    ] = None,
    column: Annotated[
        str, typer.Option("--column", help="that holds the text, in a .csv or .jsonl")
    ] = "text",
    every: Annotated[
        bool, typer.Option("--all", help="all labels, not only those above their threshold")
    ] = False,
    encoder: Annotated[
        str, typer.Option("--encoder", help="the cell's, where it is not found by its name")
    ] = "",
    store: StoreOption = DEFAULT_STORE,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object a report, on stdout")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Label reports with a finished cell's model. Their text goes nowhere."""
    from radpriv.interrupt import print_interrupted, status
    from radpriv.workflow.read_reports import read_lines, read_reports

    try:
        if file is not None and str(file) != "-":
            reports = read_reports(file, column)
        else:
            if sys.stdin.isatty():
                err.print("reports, one a line; end with Ctrl-D")
            reports = read_lines(sys.stdin.buffer)
        found = _predicted(store, cell, reports, encoder)
    except KeyboardInterrupt:
        print_interrupted(err, "nothing was labelled")
        raise typer.Exit(status()) from None
    for note in found.notes:
        err.print(styled(("note:", "yellow"), f" {note}"), soft_wrap=True)
    if as_json:
        for i in range(len(found)):
            print(json_text(_as_dict(found, reports, i, every)))
    else:
        out.print(found.cell_id, soft_wrap=True)
        out.print(_table(found, reports, every))


def _predicted(store: Path, cell: str, reports: Reports, encoder: str) -> Predictions:
    """The library's call, under a bar."""
    from radpriv.progress import Bar
    from radpriv.workflow.predict_labels import predict as label

    started, done, total = time.monotonic(), 0, len(reports.texts)
    with Bar(err, "reports", total) as bar:

        def tick(count: int) -> None:
            nonlocal done
            done += count
            rate = done / max(time.monotonic() - started, 1e-6)
            left = (total - done) / rate / 60
            text = f"{rate:,.0f}/s · about {left:.0f} min left" if left >= 1 else f"{rate:,.0f}/s"
            bar.bar.update(bar.task, completed=done, description=text)

        return label(store, cell, reports.texts, encoder, tick)


def _as_dict(found: Predictions, reports: Reports, i: int, every: bool) -> dict[str, object]:
    pairs = zip(found.labels, found.probabilities[i], found.positive[i])
    shown = {name: round(float(p), 6) for name, p, positive in pairs if every or positive}
    positive = [name for name, yes in zip(found.labels, found.positive[i]) if yes]
    return {"line": reports.lines[i], "positive": positive, "probabilities": shown}


def _table(found: Predictions, reports: Reports, every: bool) -> Grid:
    """A row for each label that is shown, the line of the report before its first."""
    from radpriv.reports.render.grid import word_grid

    shown: list[list[str | tuple[str, str]]] = []
    for i, line in enumerate(reports.lines):
        pairs = zip(found.labels, found.probabilities[i], found.positive[i])
        rows: list[list[str | tuple[str, str]]] = [
            [name, f"{p:.2f}", "yes" if yes else ""] for name, p, yes in pairs if every or yes
        ]
        rows = rows or [[("none", "dim"), "", ""]]
        for k, row in enumerate(rows):
            shown.append([str(line) if k == 0 else "", *(row if every else row[:2])])
    headings = ("line", "label", "probability", "positive")
    return word_grid(headings if every else headings[:3], shown, {0, 2})
