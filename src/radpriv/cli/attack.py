"""`radpriv attack`: attack what is finished."""

from __future__ import annotations

from typing import Annotated

import typer

from radpriv.cli.options import (
    DEFAULT_STORE,
    DataOption,
    DebugOption,
    EncoderOption,
    JsonOption,
    LimitOption,
    MethodOption,
    PretrainedOption,
    StoreOption,
    show,
)
from radpriv.interrupt import print_interrupted, status
from radpriv.terminal import err


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
    from radpriv.workflow import attack_target as workflow

    request = Request(target, data, store, method or [], encoder, pretrained_on, limit)
    try:
        outcome = workflow.attack(request, name or None, err)
    except KeyboardInterrupt:
        print_interrupted(err, "finished attacks are kept, run again to go on")
        raise typer.Exit(status()) from None
    show(outcome, as_json)
