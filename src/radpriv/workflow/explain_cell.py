"""Why a cell is served from the store, or would be computed: behind `radpriv why`."""

from __future__ import annotations

from pathlib import Path

from radpriv.benchmark.runs.explain import DAMAGED
from radpriv.benchmark.runs.explain import explain as explain_cell
from radpriv.benchmark.store.plan_schema import Plan, PlannedCell
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.plan import Planned, make_plan
from radpriv.errors import RadprivError
from radpriv.request import Request, choose_device
from radpriv.workflow.target import planned_request

__all__ = ["DAMAGED", "explain"]


def explain(text: str, store_root: Path, data: Path | None) -> list[str]:
    """Why this cell would be served or computed, against the suite that planned it as it is now."""
    store = Store(store_root)
    plans = [store.read_plan(name) for name in store.plans()]
    entries = [(plan, e) for plan in plans for e in plan.cells if e.cell_id.startswith(text)]
    if len({entry.cell_id for _, entry in entries}) != 1:
        return explain_cell(store, text)
    plan, entry = entries[0]
    try:
        now = _job_now(plan, entry, data)
    except RadprivError as error:
        head = f"cannot tell what suite '{plan.suite}' would ask for now: {error}"
        return [head, *explain_cell(store, entry.cell_id)]
    if now is None:
        head = f"suite '{plan.suite}' asks for no such cell any more"
        return [head, *explain_cell(store, entry.cell_id)]
    return explain_cell(store, entry.cell_id, now.how, now.job.cell)


def _job_now(plan: Plan, entry: PlannedCell, data: Path | None) -> Planned | None:
    """The job with these axes that the plan's suite asks for now, or None."""
    request = planned_request(Request("", data, Path()), plan)
    suite, overrides, plugins = request.load()
    for job in expand(suite, data, overrides):
        if job.axes == entry.axes:
            return make_plan(suite, [job], choose_device("auto").type, plugins)[0]
    return None
