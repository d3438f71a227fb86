"""radpriv export: a finished cell's model as a folder that loads without radpriv."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radpriv.cli.options import (
    DEFAULT_STORE,
    DebugOption,
    JsonOption,
    StoreOption,
    print_json,
)
from radpriv.terminal import err, out


def export(
    cell: Annotated[str, typer.Argument(help="cell id, or the start of one")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="absent or empty")],
    encoder: Annotated[
        str, typer.Option("--encoder", help="the cell's, where it is not found by its name")
    ] = "",
    with_encoder: Annotated[
        bool, typer.Option("--with-encoder", help="copy its weights also where the hub has them")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a cell's model for transformers and PEFT, with a README. Of open data alone."""
    from radpriv.interrupt import print_interrupted, status
    from radpriv.workflow.export_model import export as write

    try:
        with err.status(f"exporting {cell}"):
            made = write(store, cell, folder, encoder, with_encoder)
    except KeyboardInterrupt:
        print_interrupted(err, "nothing was exported")
        raise typer.Exit(status()) from None
    if as_json:
        shown = {"cell_id": made.cell_id, "folder": str(made.folder), "files": list(made.files)}
        more = {"encoder": made.base or None, "notes": list(made.notes)}
        print_json({**shown, **more})
        return
    where = {"": "", "encoder": ", its encoder copied into encoder/"}
    lines = [f"{made.cell_id}: {made.folder}{where.get(made.base, f', encoder {made.base}')}"]
    lines += [note.replace("**", "") for note in made.notes]
    for line in (*lines, f"to classify a report: {made.folder / 'README.md'}"):
        out.print(line, soft_wrap=True)
