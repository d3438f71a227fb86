"""The first stage: run every cell of a plan, keep the plan true, go on after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.pending_result import kept_words
from radpriv.benchmark.suites.plan import Planned, write_plan
from radpriv.benchmark.suites.suite import Overrides, Suite
from radpriv.errors import RadprivError, StoreError, kind_and_place

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
    """Run or look up each cell, cheap targets first. A failed one is noted and the rest goes on.

    Those that have failed before are left as they are (needs.py).
    StoreError ends the run: where nothing can be written, nothing more should be computed.
    """
    write_plan(context.store, name, suite, overrides, planned)
    for cell in cheapest_first(to_run(planned)):
        before(cell)
        try:
            found = executor.submit(run_cell, cell.job, cell.how, context).result()
            cell.status, cell.reason = found.record.status, ending(found.record)
        except StoreError:
            raise
        except RadprivError as error:
            cell.status, cell.reason = "failed", str(error)
            cell.redacted_reason = kept_words(error, cell.job.loader.card.gated)
        except Exception as error:
            if debug:
                raise
            reason = (
                f"{kind_and_place(error)}; --debug shows the traceback, which may quote a report"
            )
            cell.status, cell.reason = "failed", reason
        after(cell)
        write_plan(context.store, name, suite, overrides, planned)


def to_run(planned: Sequence[Planned]) -> list[Planned]:
    """Those that no obstacle stops."""
    return [cell for cell in planned if cell.status != "failed"]


def ending(record: CellRecord) -> str:
    """What a status other than done comes from, out of a record; "" for done."""
    if record.status == "diverged":
        return "its weights became non-finite"
    if record.status != "over_budget":
        return ""
    if record.certificate is None:
        return (
            "it has no certificate, for it took the records themselves (train.raw), or a step "
            "released nothing; a method without a claim has private = False"
        )
    spent, budget = record.certificate.epsilon, record.cell.budget.epsilon
    return f"its releases are certified at ε = {spent:.4g}, above its budget of {budget:g}"


def cheapest_first(planned: Sequence[Planned]) -> list[Planned]:
    """Targets before references: a run that is stopped has its tables."""
    return sorted(planned, key=lambda p: (p.reference, p.job.passes, p.job.cell.id))
