"""`radpriv data`: look at the datasets themselves."""

from __future__ import annotations

from pathlib import Path
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
from radpriv.terminal import err, out


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
    from radpriv.workflow import describe_dataset as workflow

    found, written = workflow.describe(name, option or [], data, store, folder, err, debug)
    if as_json:
        paths = {"page": str(written.page), "files": [str(p) for p in written.files]}
        print_json({**found, **paths})
        return
    written.print(out)


def cards(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """The card of every dataset that radpriv ships, as Markdown."""
    from radpriv.benchmark.datasets.description.dataset_cards import all_cards, markdown

    every = all_cards()
    if as_json:
        print_json(every)
    else:
        print(markdown(every), end="")
