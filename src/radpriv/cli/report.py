"""`radpriv report`: tables, figures and page, from the store."""

from __future__ import annotations

from typing import Annotated

import typer

from radpriv.cli.options import (
    DEFAULT_STORE,
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
    from radpriv.workflow import report_plan as workflow

    request = Request(suite, None, store, method or [], encoder, pretrained_on, limit)
    show(workflow.report(request, allow_mixed, name or []), as_json)
