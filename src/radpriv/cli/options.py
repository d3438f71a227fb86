"""Options that several verbs share, and how a result is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from radpriv.reports.render.words import counted
from radpriv.terminal import encodes_all, err, out, styled

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


def print_json(value: Any, sort_keys: bool = False) -> None:
    """What `--json` writes on stdout, and nothing else does."""
    print(json_text(value, indent=1, sort_keys=sort_keys))


def json_text(value: Any, indent: int | None = None, sort_keys: bool = False) -> str:
    """JSON with letters as they are, or as escapes where stdout cannot encode every letter."""
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    lost = any("\ud800" <= c <= "\udfff" for c in text)  # bytes of a path that is not UTF-8
    if encodes_all() and not lost:
        return text
    return json.dumps(value, indent=indent, sort_keys=sort_keys)


def show(outcome: Any, as_json: bool) -> None:
    """An outcome of run, attack or report; status 1 where it is not whole, for a reason above."""
    if as_json:
        print_json(outcome.as_dict(), sort_keys=True)
    else:
        outcome.print(out)
    causes = [] if outcome.failed else outcome.left_out  # their cells are counted there
    faults = [
        (counted(len(found), one), rest)
        for found, one, rest in (
            (causes, "cause that kept cells from being asked for", "said above"),
            (outcome.failed, "cell without a result", "missing above"),
            (outcome.not_attacked, "attack not made", "reasons above"),
            (outcome.unread, "result of the store left out", "reasons above"),
        )
        if found
    ]
    for what, rest in faults:
        err.print(styled((what, "red"), f"; {rest}"))
    if faults:
        raise typer.Exit(1)
