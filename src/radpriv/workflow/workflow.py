"""The arc behind the command line: suite → cells → store → attack → report."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from radpriv.benchmark.store.caches import cache_folder
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.plan import Planned, make_plan, plan_name
from radpriv.benchmark.suites.suite import Suite, read_suite
from radpriv.errors import DataError, RadprivError, StoreError, SuiteError, kind_and_place
from radpriv.request import Request
from radpriv.workflow.attacking import Target, attack_names, attack_target, plan_of, target_of
from radpriv.workflow.reporting import Outcome, known_names, report_of


def run(request: Request, console: Console, debug: bool = False) -> Outcome:
    """Everything: plan, run, attack, report."""
    from radpriv.benchmark.encoders.features import FeatureCache
    from radpriv.benchmark.runs.executors.local import LocalExecutor
    from radpriv.benchmark.runs.run_plan import cheapest_first, run_plan
    from radpriv.benchmark.runs.runner import Context
    from radpriv.progress import Watch

    suite, overrides, plugins = request.load()
    if request.data is not None and not request.data.is_dir():
        raise DataError(f"{request.data}: no such folder; give the folder that holds the data")
    store = Store(request.store)
    chosen = attack_names(suite.attacks, store)
    jobs = expand(suite, request.data, overrides, store.secret)
    device = choose_device(request.device)
    planned = make_plan(suite, jobs, device.type, plugins)
    _refuse_withheld(store, planned)
    for path in plugins:
        store.keep_source(path)
    name = plan_name(suite, overrides)
    used = sorted({p.job.axes["dataset"] for p in planned})
    shown = escape(", ".join(used))
    extra = sum(p.reference for p in planned)
    console.print(
        f"[bold]{name}[/]: {len(planned)} cells{f', {extra} of them references,' if extra else ''} "
        f"on {shown}, device {device.type}, store {request.store}",
        highlight=False,
    )
    for line in _instead(suite, used, request.data):
        console.print(line, highlight=False)
    for p in planned:
        if p.how.why_not_cached:
            console.print(f"not cached: {p.job.label}: {p.how.why_not_cached}", markup=False)
    with Watch(cheapest_first(planned), console) as watch:
        context = Context(
            store, FeatureCache(cache_folder()), request.data, device, progress=watch.tick
        )
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
    outcome = report_of(store, name, False, chosen)
    outcome.failed = failed
    return outcome


def attack(request: Request, words: Sequence[str] | None, console: Console) -> Outcome:
    """The attack stage alone, of a suite or of one cell's family; then the report of its plan.

    words: names of attacks and plug-in files; None: those of the suite.
    """
    target = target_of(request)
    store, suite = target.store, target.suite
    if words is None and suite is not None:
        words = suite.attacks
    names = attack_names(words, store)
    lost = attack_target(target, names, console, () if words is None else None)
    shown = None if suite is None else {*names, *known_names(suite.attacks, store, target.plan)}
    outcome = report_of(store, target.plan, False, shown)
    outcome.not_attacked = lost
    return outcome


def report(request: Request, allow_mixed: bool, words: Sequence[str] = ()) -> Outcome:
    """The report alone. words: attacks to show beside the suite's."""
    suite, overrides, _ = request.load()
    store, plan = plan_of(request, suite, overrides)
    names = known_names(suite.attacks, store, plan) | known_names(words, store, plan)
    return report_of(store, plan, allow_mixed, names)


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


def why(text: str, store_root: Path, data: Path | None) -> list[str]:
    """Why this cell would be served or computed, against the suite that planned it as it is now."""
    from radpriv.benchmark.runs.explain import explain

    store = Store(store_root)
    plans = [store.read_plan(p.stem) for p in sorted((store.root / "plans").glob("[!.]*.json"))]
    entries = [(plan, e) for plan in plans for e in plan["cells"] if e["cell_id"].startswith(text)]
    if len({entry["cell_id"] for _, entry in entries}) != 1:
        return explain(store, text)
    plan, entry = entries[0]
    try:
        now = _job_now(plan, entry, data)
    except RadprivError as error:
        head = f"cannot tell what suite '{plan['suite']}' would ask for now: {error}"
        return [head, *explain(store, entry["cell_id"])]
    if now is None:
        head = f"suite '{plan['suite']}' asks for no such cell any more"
        return [head, *explain(store, entry["cell_id"])]
    return explain(store, entry["cell_id"], now.how, now.job.cell.as_dict())


def _job_now(plan: dict[str, Any], entry: dict[str, Any], data: Path | None) -> Planned | None:
    """The job with these axes that the plan's suite asks for now, or None."""
    asked = plan["asked"]
    request = Request(
        suite=asked["suite"],
        data=data,
        store=Path(),
        methods=asked["methods"],
        encoder=asked["encoder"],
        pretrained_on=asked["pretrained_on"],
        limit=plan["limited"],
    )
    suite, overrides, plugins = request.load()
    for job in expand(suite, data, overrides):
        if job.axes == entry["axes"]:
            return make_plan(suite, [job], choose_device("auto").type, plugins)[0]
    return None


def names() -> dict[str, dict[str, str]]:
    """Every name radpriv knows, with a line about it."""
    from radpriv.attacks.attack import attacks
    from radpriv.attacks.run_plan import DEFAULT
    from radpriv.benchmark.datasets import datasets
    from radpriv.benchmark.encoders.encoders import encoders
    from radpriv.benchmark.methods.method import methods
    from radpriv.benchmark.suites.suite import shipped

    def first(item: Any) -> str:
        module = __import__("sys").modules[item.__module__]
        return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())

    return {
        "suites": {n: re.split(r"\.(?:\s|$)", read_suite(n).note)[0] for n in shipped()},
        "datasets": {n: datasets.get(n).card.title for n in datasets.names()},
        "encoders": {n: encoders.get(n).hub_id for n in encoders.names()},
        "methods": {n: first(methods.get(n)) for n in methods.names()},
        "attacks": {
            n: first(attacks.get(n)) + (" Made by default." if n in DEFAULT else "")
            for n in attacks.names()
        },
    }


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
    given = dict(_parameter(text, "--option") for text in options)
    loader = make_loader(name, given)
    with console.status(f"reading {name}") as status:
        read = 0

        def told(count: int) -> None:
            nonlocal read
            read += count
            if read % 1000 == 0:
                status.update(f"describing {name}: {read:,} reports read")

        try:
            dataset = loader.load(data)
            found = described(dataset, loader.published(), loader.options(), told).as_dict()
        except RadprivError:
            raise
        except Exception as error:  # its words may quote a report
            if debug:
                raise
            raise DataError(
                f"dataset '{name}': its loader ended with {kind_and_place(error)}; --debug shows "
                "the traceback, which may quote a report"
            ) from None
    place = name if not given else f"{name}-{digest(loader.options())[:8]}"
    return found, write_description(found, out or store / "datasets" / place)


def choose_device(name: str) -> Any:
    """torch.device for auto, cpu or cuda."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise SuiteError(f"--device {name}: give auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SuiteError("--device cuda: no CUDA device is available here; use cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check(
    method: str,
    units: list[str],
    epsilons: list[float],
    parameters: list[str],
    encoder: str,
    console: Console,
    debug: bool = False,
) -> list[Any]:
    """A report for the method, or for each that a plug-in file registers."""
    from radpriv.benchmark.conformance.check_method import check_method
    from radpriv.benchmark.datasets.base import build
    from radpriv.benchmark.methods.method import methods

    names = methods.load_file(method) if method.endswith(".py") else [method]
    values = dict(_parameter(text, "--set") for text in parameters)
    reports = []
    for name in names:
        made = build(methods.get(name), values, f"method '{name}'", "parameter")
        with console.status(f"replaying {name}") as status:

            def told(v: Any, name: str = name, status: Any = status) -> None:
                status.update(f"replaying {name}: {v.unit}, ε = {v.epsilon:g}, {v.check} done")

            reports.append(
                check_method(name, made, tuple(units), tuple(epsilons), encoder, told, debug)
            )
    return reports


def _parameter(text: str, flag: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as TOML writes it; bare words are text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SuiteError(f"{flag} {text}: give NAME=VALUE")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
