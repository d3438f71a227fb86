"""`radpriv run`: train what is missing, attack it, report."""

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
    SuiteName,
    show,
)
from radpriv.interrupt import print_interrupted, status
from radpriv.terminal import err, styled


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
    """The whole workflow: train what is missing, attack it, report."""
    from radpriv.request import Request
    from radpriv.workflow import run_suite as workflow

    request = Request(suite, data, store, method or [], encoder, pretrained_on, limit, device)
    try:
        outcome = workflow.run(request, err, debug)
    except KeyboardInterrupt:  # here, since click would end the program without a word
        print_interrupted(err, "finished cells are kept, run again to go on")
        raise typer.Exit(status()) from None
    show(outcome, as_json)
    if outcome.failed or outcome.left_out:
        count = f"{len(outcome.failed)} cells did not finish"
        if not outcome.failed:  # those that are left out have no id without their encoder
            count = "some cells could not be asked for"
        err.print(styled((count, "red"), "; they are missing above"))
        raise typer.Exit(1)
