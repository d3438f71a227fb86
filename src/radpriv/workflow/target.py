"""What `radpriv attack` works on: the plan of a suite, or the family of one cell.

target = target_of(request)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.registry import did_you_mean
from radpriv.benchmark.store.plan_schema import CONTROL, Plan, PlannedCell, SuiteRequest
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.plan import plan_name, suite_digest
from radpriv.benchmark.suites.suite import Overrides, Suite, shipped
from radpriv.errors import AttackError, DataError, RadprivError, StoreError, SuiteError
from radpriv.request import Request

Jobs = Callable[[], Mapping[str, Job]]


@dataclass(frozen=True)
class Target:
    """What is attacked. plan: its name. only: families, or None for all of them.

    suite: the one that asked for the plan, if it can be read. jobs: by cell id, made when an attack
    needs more than stored scores.
    """

    store: Store
    plan: str
    suite: Suite | None
    data: Path | None
    jobs: Jobs | Mapping[str, Job]
    only: frozenset[str] | None = None
    cache: FeatureCache | None = field(default=None, repr=False)


def target_of(request: Request) -> Target:
    """Of a suite, the plan that this very suite has made; of a cell, its family."""
    if request.suite.endswith(".toml") or "/" in request.suite or request.suite in shipped():
        suite, overrides, _ = request.load()
        store, name = plan_of(request, suite, overrides)
        return Target(store, name, suite, request.data, _jobs(request, suite, overrides, store))
    return _of_cell(request)


def plan_of(request: Request, suite: Suite, overrides: Overrides) -> tuple[Store, str]:
    """The store and the name of the plan that this very suite has made in it."""
    store, name = Store(request.store), plan_name(suite, overrides)
    store.check_there(name)
    if name not in store.plans() and (made := _made_with(store, request.suite)):
        given = _options(
            SuiteRequest(request.suite, tuple(request.methods), request.encoder), request.limit
        )
        raise StoreError(
            f"{request.store}: '{request.suite}'{given} was not run there; it was run{made}: give "
            "the same options"
        )
    if store.read_plan(name).suite_digest != suite_digest(suite):
        raise SuiteError(
            f"the plan '{name}' in {request.store} was made from another version of this suite; "
            f"run `radpriv run {request.suite}` first"
        )
    return store, name


def _made_with(store: Store, suite: str) -> str:
    """With which options this suite was run into the store, in words; "" if it was not."""
    plans = [plan for name in store.plans() if (plan := store.read_plan(name)).asked.suite == suite]
    return ", or".join(sorted({_options(plan.asked, plan.limited) for plan in plans}))


def _options(asked: SuiteRequest, limit: int | None) -> str:
    """What the command line replaced, as it was given."""
    words = [f"--method {name}" for name in asked.methods]
    words += [f"--encoder {asked.encoder}"] if asked.encoder else []
    words += [f"--limit {limit}"] if limit is not None else []
    return f" with {' '.join(words)}" if words else " without options"


def _of_cell(request: Request) -> Target:
    text, store = request.suite, Store(request.store)
    store.check_there()
    if request.methods or request.encoder or request.limit is not None:
        raise SuiteError(
            f"--method, --encoder and --limit belong to a suite, and '{text}' is none; "
            "the id of a cell says them all"
        )
    plans = {name: store.read_plan(name) for name in store.plans()}
    entries = [(name, entry) for name, plan in plans.items() for entry in plan.cells]
    hits = [(name, e) for name, e in entries if e in named_by(text, [e for _, e in entries])]
    found = {entry.family: entry for _, entry in hits}
    if not hits:
        known = [*shipped(), *(entry.cell_id for _, entry in entries)]
        raise StoreError(
            f"no suite, and no cell of a plan in {request.store}, is called '{text}'"
            f"{did_you_mean(text, known)}"
        )
    if len(found) > 1:
        every = [entry for _, entry in entries]
        listed = ", ".join(f"{shortest(e, every)} ({_axes(e)})" for e in [*found.values()][:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise StoreError(f"'{text}' fits {len(found)} families; give one of: {listed}{more}")
    (family,) = found

    def finished(name: str) -> int:
        return sum(cell.family == family for cell in plans[name].finished())

    best = max(dict(hits), key=finished)  # the first by name, of those with the most references
    if not finished(best):
        raise AttackError(f"no cell of the family of '{text}' has finished; run its suite again")
    asked = planned_request(request, plans[best])
    try:
        suite, overrides, _ = asked.load()
    except RadprivError as error:
        return Target(store, best, None, request.data, _never(error), frozenset(found))
    jobs = _jobs(asked, suite, overrides, store)
    return Target(store, best, suite, request.data, jobs, frozenset(found))


def named_by(text: str, entries: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Entries of a plan whose cell id is `text`, else goes on after it where a word ends, else
    starts with it: "lora" is no "lora_wide", nor "eps1" an "eps10"."""
    ids = [e.cell_id for e in entries]
    for fits in (
        [i == text for i in ids],
        [i.startswith((f"{text}.", f"{text}-")) for i in ids],
        [i.startswith(text) for i in ids],
    ):
        if text and any(fits):
            return [e for e, fit in zip(entries, fits) if fit]
    return []


def shortest(entry: PlannedCell, entries: Sequence[PlannedCell]) -> str:
    """The fewest words of a cell's id by which `named_by` finds its family alone."""
    whole = entry.cell_id
    ends = [i for i, letter in enumerate(whole) if letter in ".-"]
    for end in ends:
        if {e.family for e in named_by(whole[:end], entries)} == {entry.family}:
            return whole[:end]
    return whole


def _axes(entry: PlannedCell) -> str:
    """What tells a family from another whose cells have the same words: label, budget, role."""
    control = ", the control" if entry.role == CONTROL else ""
    return f"{entry.axes.label}, {entry.axes.budget}{control}"


def planned_request(request: Request, plan: Plan) -> Request:
    """The request that a plan was made from, with the data that is at hand now."""
    return replace(
        request,
        suite=plan.asked.suite,
        methods=list(plan.asked.methods),
        encoder=plan.asked.encoder,
        pretrained_on=plan.asked.pretrained_on,
        limit=plan.limited,
    )


def _jobs(request: Request, suite: Suite, overrides: Overrides, store: Store) -> Jobs:
    def make() -> Mapping[str, Job]:
        if request.data is not None and not request.data.is_dir():
            raise DataError(f"{request.data}: no such folder; give the folder that holds the data")
        made = expand(suite, request.data, overrides, store.secret)
        return {job.cell.id: job for job in made}

    return make


def _never(error: RadprivError) -> Jobs:
    def make() -> Mapping[str, Job]:
        raise error

    return make
