"""Check a method: what a reader must know before believing its claim, one verdict per line.

    for verdict in check(method, "report", epsilon=8.0): print(verdict)

Passing means that on these neighbours nothing passed the noise and every bound held. It proves
nothing about other neighbours; a failure, though, is a counterexample.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from radpriv.attacks.conformance.neighbours import Pair, pairs
from radpriv.attacks.conformance.replay import (
    ROUNDING,
    Made,
    Outcome,
    Replayed,
    Setting,
    execute,
    play,
    record,
)
from radpriv.attacks.conformance.world import World
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.audit import Universe
from radpriv.benchmark.method import Method
from radpriv.benchmark.privacy.calibration import certificate
from radpriv.benchmark.privacy.checkpoint import Checkpoints, conditions
from radpriv.benchmark.privacy.ledger import Ledger, groups
from radpriv.errors import AttackError, RadprivError, kind_and_place

STEPS = 6
EPSILONS = (8.0, 0.1)
WAIST = "through the waist"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Verdict:
    """One line: which check, of which unit and ε, whether it holds, and what was seen."""

    unit: str
    epsilon: float
    check: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """All verdicts on one method. standing: what its claim may be called."""

    method: str
    verdicts: tuple[Verdict, ...] = field(repr=False)

    @property
    def passed(self) -> bool:
        return all(v.passed for v in self.verdicts)

    @property
    def standing(self) -> str:
        """What the claim may be called; a failed check is a counterexample, or bars replay."""
        if self.passed:
            return "by construction"
        raw = [v for v in self.verdicts if v.check == WAIST and not v.passed]
        return "declared at best" if raw else "none"

    @property
    def sentence(self) -> str:
        if self.passed:
            return (
                f"{self.method}: every check holds. Its claim stands by construction, as far as "
                "these neighbours show."
            )
        failed = list(dict.fromkeys(v.check for v in self.verdicts if not v.passed))
        return f"{self.method}: {', '.join(failed)} failed. Standing of its claim: {self.standing}."

    def as_dict(self) -> dict[str, Any]:
        verdicts = [asdict(v) for v in self.verdicts]
        return {"method": self.method, "standing": self.standing, "verdicts": verdicts}

    def table(self) -> Any:
        """The verdicts as a table for the terminal."""
        from rich.markup import escape
        from rich.table import Table

        table = Table("unit", "ε", "check", "", "what was seen", title=self.method)
        last: tuple[str, float] | None = None
        for v in self.verdicts:
            if last is not None and last != (v.unit, v.epsilon):
                table.add_section()
            last = (v.unit, v.epsilon)
            mark = "[green]ok[/]" if v.passed else "[red]fails[/]"
            table.add_row(v.unit, f"{v.epsilon:g}", v.check, mark, escape(v.detail))
        return table


def check_method(
    name: str,
    method: Method,
    units: tuple[str, ...] = (),
    epsilons: tuple[float, ...] = (),
    encoder: str = "bert",
    told: Callable[[Verdict], None] = lambda verdict: None,
    debug: bool = False,
) -> Report:
    """Every check for each unit that the method declares, or for the given ones.

    encoder: "bert" or "albert". debug: let an exception of the method's own through.
    """
    if not method.private:
        raise AttackError(f"method '{name}' claims no privacy: there is nothing to check")
    for epsilon in epsilons:
        if not (epsilon > 0 and math.isfinite(epsilon)):
            raise AttackError(f"epsilon = {epsilon:g}: a replay needs a finite, positive budget")
    odd = [u for u in units if u not in method.units]
    if odd:
        raise AttackError(f"method '{name}' has no claim for the unit '{odd[0]}'")
    if encoder not in ("bert", "albert"):
        raise AttackError(f"encoder '{encoder}': replay has tiny ones called bert and albert")
    world, verdicts = World.small(), []
    with world.encoder(encoder) if method.uses_encoder else nullcontext() as found:
        for unit in units or sorted(method.units, reverse=True):
            for epsilon in epsilons or EPSILONS:
                n = world.n_public(unit)
                setting = Setting(
                    method.limited(STEPS), found, Budget.of(epsilon, n, unit=unit), world.labels, n
                )
                for verdict in checks(setting, world, debug):
                    verdicts.append(verdict)
                    told(verdict)
    return Report(name, tuple(verdicts))


def checks(setting: Setting, world: World, debug: bool = False) -> Iterator[Verdict]:
    """The verdicts for one unit and budget; one that stands in the way of the others ends them."""
    unit, epsilon = setting.budget.unit, setting.budget.epsilon

    def verdict(check: str, passed: bool, detail: str) -> Verdict:
        return Verdict(unit, epsilon, check, passed, detail)

    whole = world.universe(unit)
    try:
        made, outcome = record(setting, whole)
    except RadprivError as error:
        yield verdict("runs", False, f"{type(error).__name__}: {error}")
        return
    except (Exception, SystemExit) as error:
        if debug and isinstance(error, Exception):
            raise
        yield verdict("runs", False, f"{kind_and_place(error)}; --debug shows more")
        return
    yield verdict(WAIST, *_waist(outcome, made))
    yield verdict("certificate", *_certificate(setting, outcome, made))
    again = play(setting, whole, made, outcome)
    calm = not again.departed and all(d.ratio <= ROUNDING for d in again.differences)
    yield verdict("reproducible", calm, _reproducible(again, calm))
    if not calm:
        return
    results = [
        (pair, _replayed(setting, pair, made, outcome))
        for pair in pairs(world, unit, made, setting.key)
    ]
    yield verdict("sensitivity", *_sensitivity(results))
    yield verdict("nothing else", *_nothing_else(results))
    yield verdict("goes on after a stop", *_resumes(setting, world))


def _waist(outcome: Outcome, made: list[Made]) -> tuple[bool, str]:
    if outcome.raw:
        return False, "takes the records themselves (train.raw): a claim can only be declared"
    if outcome.silent:
        return False, "a step handed out records and released nothing"
    if not made:
        return False, "releases nothing: what it learned, it learned past the waist, or nothing"
    return True, f"{len(made)} releases, all in the ledger"


def _certificate(setting: Setting, outcome: Outcome, made: list[Made]) -> tuple[bool, str]:
    budget = setting.budget
    if any(m.noise_multiplier == 0 for m in made):
        return False, "a release carries no noise"
    booked = outcome.releases
    if len(booked) != len(made):
        return False, f"{len(made)} releases made, {len(booked)} in the ledger"
    spent, _ = certificate(groups(booked), budget.delta, budget.epsilon)
    text = f"ε = {spent:.4g} of {budget.epsilon:g} at δ = {budget.delta:g}, by PLD"
    return spent <= budget.epsilon, text


def _reproducible(again: Replayed, calm: bool) -> str:
    if calm:
        return "the same data gives the same values"
    what = again.departed or f"other values at {again.worst.made if again.worst else 'a release'}"
    return f"the same data run twice: {what}; randomness from elsewhere than run.rng"


def _replayed(setting: Setting, pair: Pair, made: list[Made], outcome: Outcome) -> Replayed:
    if not pair.whole:
        try:
            made, outcome = record(setting, pair.data)
        except (Exception, SystemExit) as error:
            return Replayed((), f"{type(error).__name__} on this data alone")
    return play(setting, pair.neighbour, made, outcome)


Results = list[tuple[Pair, Replayed]]


def _sensitivity(results: Results) -> tuple[bool, str]:
    seen = [(pair, r.worst) for pair, r in results if r.worst is not None]
    if not seen:
        return False, "no release could be compared"
    pair, worst = max(seen, key=lambda s: s[1].ratio)
    bounded = all(r.bounded for _, r in results)
    return bounded, (
        f"one unit moves a value by {worst.ratio:.4g} of the declared bound at most "
        f"({pair.name}, {worst.made})"
    )


def _nothing_else(results: Results) -> tuple[bool, str]:
    first: dict[str, str] = {}
    for pair, replayed in results:
        if replayed.departed:
            first.setdefault(replayed.departed, pair.name)
    if not first:
        return True, f"releases, thresholds and saved model equal on {len(results)} neighbours"
    told = [f"{how} ({name})" for how, name in first.items()]
    return False, "; ".join(told[:3]) + (f"; {len(told) - 3} more" if len(told) > 3 else "")


class _Stop(Exception):
    """Ends a run from outside."""


def _resumes(setting: Setting, world: World) -> tuple[bool, str]:
    """Stop after 1, 2, 4, … steps, go on at the checkpoint, and compare with no stop."""
    universe = world.universe(setting.budget.unit)
    uninterrupted = execute(setting, universe, None)
    stops: list[int] = []
    while True:
        stop = 2 ** len(stops)
        with tempfile.TemporaryDirectory(prefix="radpriv-check-") as folder:
            ledger = _stopped(setting, universe, stop, Path(folder))
            if ledger is None:
                break  # it was over before
            stops.append(stop)
            goes_on = Ledger(None, ledger.releases)
            checkpoints = Checkpoints(Path(folder), 0.0, conditions(CPU))
            try:
                outcome = execute(setting, universe, None, checkpoints, goes_on)
            except RadprivError as error:
                return False, f"stopped after step {stop}: {error}"
            differs = uninterrupted.differs(outcome)
            if differs or goes_on.unmade:
                return False, f"stopped after step {stop}: {differs or 'releases are missing'}"
    if not stops:
        return True, "has no step after which it could be stopped"
    return True, f"the same bits after a stop at step {', '.join(map(str, stops))}"


def _stopped(setting: Setting, universe: Universe, stop: int, folder: Path) -> Ledger | None:
    """The ledger of a run that ends after `stop` steps; None where it was over before."""
    ledger, left = Ledger(None), [stop]

    def step(_: float) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise _Stop

    try:
        execute(setting, universe, None, Checkpoints(folder, 0.0, conditions(CPU)), ledger, step)
    except _Stop:
        return ledger
    return None
