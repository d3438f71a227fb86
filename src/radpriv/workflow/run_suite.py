"""The workflow behind `radpriv run`: suite → cells → store → attacks → report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from radpriv.benchmark.store.caches import cache_folder
from radpriv.benchmark.store.plan_schema import CONTROL
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.obstacle import Obstacle
from radpriv.benchmark.suites.plan import Planned, make_plan, plan_name
from radpriv.benchmark.suites.suite import Suite
from radpriv.errors import DataError, StoreError
from radpriv.reports.render.words import counted
from radpriv.request import Request, choose_device
from radpriv.terminal import styled
from radpriv.workflow.attack_names import attack_names
from radpriv.workflow.attack_target import attack_target
from radpriv.workflow.report_plan import Outcome, report_of
from radpriv.workflow.shown_results import choose, results_of
from radpriv.workflow.target import Target


def run(request: Request, console: Console, debug: bool = False) -> Outcome:
    """Everything: plan, run, attack, report."""
    from radpriv.benchmark.encoders.features import FeatureCache
    from radpriv.benchmark.runs.executors.local import LocalExecutor
    from radpriv.benchmark.runs.needs import stop
    from radpriv.benchmark.runs.run_plan import cheapest_first, run_plan, to_run
    from radpriv.benchmark.runs.runner import Context
    from radpriv.progress import Watch

    suite, overrides, plugins = request.load()
    if request.data is not None and not request.data.is_dir():
        raise DataError(f"{request.data}: no such folder; give the folder that holds the data")
    store = Store(request.store)
    chosen = attack_names(suite.attacks, store, request.place)
    obstacles: list[Obstacle] = []
    jobs = expand(suite, request.data, overrides, store.secret, obstacles)
    device = choose_device(request.device)
    planned = make_plan(suite, jobs, device.type, plugins)
    _refuse_withheld(store, planned)
    for path in plugins:
        store.keep_source(path)
    name = plan_name(suite, overrides)
    used = sorted({p.job.axes.dataset for p in planned})
    shown = ", ".join(used)
    extra = sum(p.reference for p in planned)
    references = f", {extra} of them references," if extra else ""
    console.print(
        styled(
            (name, "bold"),
            f": {counted(len(planned), 'cell')}{references} "
            f"on {shown}, device {device.type}, store {request.store}",
        ),
        soft_wrap=True,
    )
    for line in _instead(suite, used, request.data):
        console.print(styled(line), soft_wrap=True)
    for p in planned:
        if p.how.why_not_cached:
            line = f"not cached: {p.job.label}: {p.how.why_not_cached}"
            console.print(styled(line), soft_wrap=True)
    context = Context(store, FeatureCache(cache_folder()), request.data, device)
    obstacles += stop(planned, context)
    left = to_run(planned)
    nothing = bool(obstacles) and all(p.job.role == CONTROL for p in left)
    for obstacle in obstacles[nothing:]:
        console.print(styled(obstacle.line), soft_wrap=True)
    if nothing:
        raise obstacles[0].error
    with Watch(cheapest_first(left), console) as watch:
        context.progress = watch.tick
        run_plan(
            name,
            suite,
            overrides,
            planned,
            context,
            LocalExecutor(),
            watch.before,
            watch.after,
            debug,
        )
    failed = [p for p in planned if p.status != "done"]
    if len(failed) == len(planned):
        raise StoreError(f"no cell finished; the first: {failed[0].reason or failed[0].status}")
    by_id = {p.job.cell.id: p.job for p in planned}
    target = Target(store, name, suite, request.data, by_id, cache=context.cache)
    attack_target(target, chosen, console, () if suite.attacks is None else None)
    results = choose(results_of(store, store.read_plan(name)), chosen)
    outcome = report_of(store, name, False, results)
    outcome.failed = failed
    outcome.left_out = [o.line for o in obstacles]
    outcome.said = [str(o.error) for o in obstacles]
    return outcome


def _refuse_withheld(store: Store, planned: Sequence[Planned]) -> None:
    """A finished cell without its private/ is whole: it lies in a copy that was made to be shown,
    and cannot be gone on with."""
    for p in planned:
        folder = store.cell_folder(p.job.cell.id, p.how.digest)
        if (folder / "record.json").is_file() and not (folder / "private").exists():
            raise StoreError(
                f"{folder}: without private/, so this store is a copy to be read: "
                "`radpriv report` works on it; run where its cells were run, copy private/ too, or "
                "give another --store"
            )


def _instead(suite: Suite, used: Sequence[str], data: Path | None) -> list[str]:
    """Says which dataset stands in for one that was not found, and how to get that one."""
    from radpriv.benchmark.datasets.base import make_loader

    lines = []
    for axis in suite.datasets:
        if axis.shown not in used and axis.otherwise is not None:
            try:
                make_loader(axis.name, axis.options).find(data)
            except DataError as error:
                lines.append(f"{axis.name} not found, using {axis.otherwise.name}: {error}")
    return lines
