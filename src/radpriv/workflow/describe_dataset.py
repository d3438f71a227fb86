"""A dataset described by its labels, lengths and words: behind `radpriv data describe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from radpriv.errors import DataError, RadprivError, SuiteError, kind_and_place
from radpriv.request import parse_parameter


def describe(
    name: str,
    options: list[str],
    data: Path | None,
    store: Path,
    out: Path | None,
    console: Console,
    debug: bool = False,
) -> tuple[dict[str, Any], Any]:
    """Describe a dataset (a name, or a plug-in file); its JSON dictionary and what was written."""
    from radpriv.benchmark.cell import digest
    from radpriv.benchmark.datasets.base import datasets, make_loader
    from radpriv.benchmark.datasets.description.description import describe as described
    from radpriv.reports.descriptions.description_page import write_description

    if data is not None and not data.is_dir():
        raise DataError(f"{data}: no such folder; give the folder that holds the data")
    if name.endswith(".py"):
        names = datasets.load_file(name)
        if len(names) > 1:
            raise SuiteError(f"{name}: it registers {', '.join(names)}; describe takes one dataset")
        (name,) = names
    chosen = dict(parse_parameter(text, "--option") for text in options)
    loader = make_loader(name, chosen)
    with console.status(f"reading {name}") as status:
        read = 0

        def show(count: int) -> None:
            nonlocal read
            read += count
            if read % 1000 == 0:
                status.update(f"describing {name}: {read:,} reports read")

        try:
            dataset = loader.load(data)
            found = described(dataset, loader.published(), loader.options(), show)
        except RadprivError:
            raise
        except Exception as error:  # its words may quote a report
            if debug:
                raise
            raise DataError(
                f"dataset '{name}': its loader ended with {kind_and_place(error)}; --debug shows "
                "the traceback, which may quote a report"
            ) from None
    place = name if not chosen else f"{name}-{digest(loader.options())[:8]}"
    return found.as_dict(), write_description(found, out or store / "datasets" / place)
