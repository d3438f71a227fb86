"""The attack stage behind `radpriv run` and `radpriv attack`.

attack_target(target, names, console)           # what is finished is served from the store
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.console import Console

from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.store.caches import cache_folder
from radpriv.benchmark.store.plan_schema import families_of
from radpriv.progress import Tally
from radpriv.reports.render.words import counted
from radpriv.request import Request
from radpriv.terminal import styled
from radpriv.workflow.attack_names import attack_names, known_names
from radpriv.workflow.report_plan import Outcome, report_of
from radpriv.workflow.shown_results import choose, results_of
from radpriv.workflow.target import Target, target_of


def attack(request: Request, words: Sequence[str] | None, console: Console) -> Outcome:
    """The attack stage alone, of a suite or of one cell's family; then the report of its plan.

    words: names of attacks and plug-in files; None: those of the suite.
    """
    target = target_of(request)
    store, suite = target.store, target.suite
    where = ""
    if words is None and suite is not None:
        words, where = suite.attacks, request.place
    names = attack_names(words, store, where)
    failed = attack_target(target, names, console, () if words is None else None)
    results = results_of(store, store.read_plan(target.plan))
    shown = None if suite is None else {*names, *known_names(suite.attacks, store, results)}
    outcome = report_of(store, target.plan, False, choose(results, shown))
    outcome.not_attacked = failed
    if target.only is not None:
        cells = store.read_plan(target.plan).cells
        outcome.only = [f for f in families_of(cells) if f.key in target.only]
    return outcome


def attack_target(
    target: Target, names: Sequence[str], console: Console, asked: Collection[str] | None = None
) -> list[str]:
    """Attack every family, and say what is left out and why.

    asked: the names that a user or a suite wrote, None for all. What could not be attacked, a line
    each.
    """
    from radpriv.attacks.attack_plan import attack_plan, attackable
    from radpriv.attacks.inputs.auxiliary_data import AuxiliaryData

    store, plan = target.store, target.store.read_plan(target.plan)
    cache = target.cache or FeatureCache(cache_folder())
    sources = AuxiliaryData(store, target.data, target.jobs, cache)
    there = [f for f in attackable(plan) if target.only is None or f.key in target.only]
    with Tally(len(there) * len(names), console) as tally:
        failed: list[str] = []
        results = attack_plan(
            store, plan, names, sources, tally.say, tally.tick, target.only, failed, asked
        )
    console.print(
        styled(
            f"{counted(len(results), 'result')} of {', '.join(names)} "
            f"on {counted(len(there), 'family')}"
            if names
            else "no attack was asked for"
        ),
        soft_wrap=True,
    )
    return failed
