"""The first stage: run every cell of a plan, keep the plan true, go on after a failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from radpriv.benchmark.plan import Planned, write_plan
from radpriv.benchmark.runner import Context, run_cell
from radpriv.benchmark.suite import Overrides, Suite
from radpriv.errors import RadprivError, StoreError

Watch = Callable[[Planned], None]


def run_plan(
    name: str,
    suite: Suite,
    overrides: Overrides,
    planned: Sequence[Planned],
    context: Context,
    executor: Executor,
    before: Watch = lambda cell: None,
    after: Watch = lambda cell: None,
    debug: bool = False,
) -> None:
    """Run or look up each cell, cheapest first. A failed one is noted and the rest goes on.

    StoreError ends the run: where nothing can be written, nothing more should be computed.
    """
    write_plan(context.store, name, suite, overrides, planned)
    for cell in cheapest_first(planned):
        before(cell)
        try:
            found = executor.submit(run_cell, cell.job, cell.how, context).result()
            cell.status, cell.reason = str(found.record["status"]), ""
        except StoreError:
            raise
        except RadprivError as error:
            cell.status, cell.reason = "failed", str(error)
        except Exception as error:
            if debug:
                raise
            cell.status, cell.reason = "failed", _where(error)
        after(cell)
        write_plan(context.store, name, suite, overrides, planned)


def cheapest_first(planned: Sequence[Planned]) -> list[Planned]:
    return sorted(planned, key=lambda p: (p.job.passes, p.job.cell.id))


def _where(error: Exception) -> str:
    """Kind and place of a foreign exception; its text may quote a record, so it stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}; --debug shows the traceback"
