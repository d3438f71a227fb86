"""Check a method: what a reader must know before believing its claim, one verdict per line.

    for verdict in check_method("mine", method).verdicts: print(verdict)

Passing means that on these neighbours nothing passed the noise and every bound held. It proves
nothing about other neighbours; a failure, though, is a counterexample.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.additivity import additivity_fault
from radpriv.benchmark.conformance.exact_draws import coin_fault, noise_fault
from radpriv.benchmark.conformance.neighbours import Pair, few, pairs
from radpriv.benchmark.conformance.other_worlds import other_worlds
from radpriv.benchmark.conformance.replay import (
    ROUNDING,
    RecordedRelease,
    ReplayDifference,
    Replayed,
    ReplayOutcome,
    Setting,
    in_words,
    play,
    record,
)
from radpriv.benchmark.conformance.resumption import resumes
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.conformance.verdict import (
    CERTIFICATE,
    UNCOMPARED,
    WAIST,
    MethodReport,
    Verdict,
)
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.accounting.calibration import certificate
from radpriv.benchmark.privacy.accounting.ledger import groups
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import AttackError, RadprivError

STEPS = 6
"""Steps that are replayed on every neighbour."""
LONGEST = 2000
"""Steps that are replayed on a few, where a method takes more than STEPS."""
EPSILONS = (8.0, 0.1)
ADDITIVITY = "additivity"
ELSEWHERE = "in other worlds"
AT_LENGTH = "at whole length"
OTHER_KEY = hashlib.sha256(b"radpriv/check/another key").digest()
CHECKS = (
    WAIST,
    "certificate",
    "reproducible",
    "sensitivity",
    "nothing else",
    ADDITIVITY,
    "goes on after a stop",
    ELSEWHERE,
    AT_LENGTH,
)
"""In their order; each stands on those before it."""


def check_method(
    name: str,
    method: Method,
    units: tuple[str, ...] = (),
    epsilons: tuple[float, ...] = (),
    encoder: str = "bert",
    told: Callable[[Verdict], None] = lambda verdict: None,
    debug: bool = False,
) -> MethodReport:
    """Every check for each unit that the method declares, or for the given ones.

    encoder: "bert" or "albert". debug: let an exception of the method's own through.
    """
    settings = requested(name, method, units, epsilons, encoder)
    world, verdicts = World.small(), []
    with world.encoder(encoder) if method.uses_encoder else nullcontext() as found:
        for turn, (unit, epsilon) in enumerate(settings):
            whole = None if turn % len(epsilons or EPSILONS) else method
            setting = _setting(method, unit, epsilon, world, found)
            for verdict in checks(setting, world, debug, whole):
                verdicts.append(verdict)
                told(verdict)
    return MethodReport(name, tuple(verdicts))


def requested(
    name: str,
    method: Method,
    units: tuple[str, ...] = (),
    epsilons: tuple[float, ...] = (),
    encoder: str = "bert",
) -> list[tuple[str, float]]:
    """Every (unit, ε) that is to be replayed.

    Raises:
        AttackError: the method claims no privacy, or not for such a unit or budget, or the encoder
            is none of replay's.
    """
    if not method.private:
        raise AttackError(f"method '{name}' claims no privacy: there is nothing to check")
    for epsilon in epsilons:
        if not (epsilon > 0 and math.isfinite(epsilon)):
            raise AttackError(f"epsilon = {epsilon:g}: a replay needs a finite, positive budget")
    odd = [u for u in units if u not in method.units]
    if odd:
        raise AttackError(
            f"method '{name}' has no claim for the unit '{odd[0]}'"
            f"{did_you_mean(odd[0], sorted(method.units))}"
        )
    if encoder not in ("bert", "albert"):
        raise AttackError(f"encoder '{encoder}': replay has tiny ones called bert and albert")
    chosen = units or sorted(method.units, reverse=True)
    return [(unit, epsilon) for unit in chosen for epsilon in epsilons or EPSILONS]


def check_names(method: Method) -> tuple[str, ...]:
    """The checks that a method without a flaw is put to, in their order."""
    return CHECKS if method.limited(STEPS) != method else CHECKS[: CHECKS.index(AT_LENGTH)]


def replayed(
    method: Method, unit: str, epsilon: float, encoder: str = "bert", debug: bool = True
) -> Iterator[Verdict]:
    """The verdicts for one unit and budget, each computed when it is asked for."""
    world = World.small()
    with world.encoder(encoder) if method.uses_encoder else nullcontext() as found:
        yield from checks(_setting(method, unit, epsilon, world, found), world, debug, method)


def _setting(
    method: Method, unit: str, epsilon: float, world: World, encoder: Encoder | None
) -> Setting:
    n = world.n_public(unit)
    budget = Budget.of(epsilon, n, unit=unit)
    texts = (*PUBLIC_SENTENCES, *world.texts)
    return Setting(method.limited(STEPS), encoder, budget, world.labels, n, texts=texts)


def checks(
    setting: Setting, world: World, debug: bool = False, whole: Method | None = None
) -> Iterator[Verdict]:
    """The verdicts for one unit and budget; one that stands in the way of the others ends them.

    whole: the method with all its steps, where these are to be replayed too, if nothing is found.
    """
    unit, epsilon = setting.budget.unit, setting.budget.epsilon

    def verdict(check: str, passed: bool, detail: str) -> Verdict:
        return Verdict(unit, epsilon, check, passed, detail)

    everyone = world.universe(unit)
    try:
        made, outcome = record(setting, everyone)
    except (Exception, SystemExit) as error:
        if debug and not isinstance(error, RadprivError | SystemExit):
            raise
        more = "" if isinstance(error, RadprivError | SystemExit) else "; --debug shows more"
        yield verdict("runs", False, in_words(error) + more)
        return
    yield verdict(WAIST, *_waist(outcome, made))
    sure, seen = _certificate(setting, outcome, made, everyone)
    yield verdict(CERTIFICATE, sure, seen)
    again = play(setting, everyone, made, outcome)
    calm = not again.departed and all(d.ratio <= ROUNDING for d in again.differences)
    yield verdict("reproducible", calm, _reproducible(again, calm))
    if not calm:
        return
    results = [
        (pair, _replayed(setting, pair, made, outcome))
        for pair in pairs(world, unit, made, setting.key)
    ]
    bounded, seen = _sensitivity(results)
    yield verdict("sensitivity", bounded, seen)
    alike = _alike(setting, everyone, made, outcome)
    closed, seen = _nothing_else([*results, *alike], again.prints_alike)
    yield verdict("nothing else", closed, seen)
    if bounded and closed:
        yield verdict(ADDITIVITY, *guarded(lambda: _additivity(setting, everyone, made)))
    yield verdict("goes on after a stop", *guarded(lambda: resumes(setting, world)))
    if whole is None or not (sure and bounded and closed):
        return
    yield verdict(ELSEWHERE, *guarded(lambda: other_worlds(setting, world)))
    if whole != setting.method:
        yield verdict(AT_LENGTH, *_at_length(setting, whole, world, again.prints_alike))


def guarded(check: Callable[[], tuple[bool, str]]) -> tuple[bool, str]:
    """What a check says; one that a method brings to an end has not held."""
    try:
        return check()
    except (Exception, SystemExit) as error:
        return False, f"could not be made: {in_words(error)}"


def _additivity(
    setting: Setting, universe: Universe, made: list[RecordedRelease]
) -> tuple[bool, str]:
    if fault := additivity_fault(setting, universe, made):
        return False, fault
    if all(m.declared for m in made):
        return True, "no release is a clipped sum"
    return True, "each clipped sum is that of two halves of the data"


def _alike(
    setting: Setting, universe: Universe, made: list[RecordedRelease], outcome: ReplayOutcome
) -> Results:
    """Replays of the same records in which nothing but values may differ, or nothing at all."""
    key = replace(setting, key=OTHER_KEY)
    other = play(key, universe, made, outcome)
    turned = replace(universe, candidate=~universe.candidate)
    flags = play(setting, turned, made, outcome)
    if not flags.departed and any(d.ratio > ROUNDING for d in flags.differences):
        flags = replace(flags, departed="a value follows the flags of the audit")
    return [
        (Pair("the same outputs under another key", universe, ()), other),
        (Pair("every audit flag turned", universe, ()), flags),
    ]


def _waist(outcome: ReplayOutcome, made: list[RecordedRelease]) -> tuple[bool, str]:
    if outcome.raw:
        return False, "takes the records themselves (train.raw): a claim can only be declared"
    if outcome.silent:
        return False, "a step handed out records and released nothing"
    if not made:
        return True, "releases nothing: ε = 0 if nothing else of it follows the records, see below"
    return True, f"{len(made)} releases, all in the ledger"


def _certificate(
    setting: Setting, outcome: ReplayOutcome, made: list[RecordedRelease], everyone: Universe
) -> tuple[bool, str]:
    budget = setting.budget
    if any(m.noise_multiplier == 0 for m in made):
        return False, "a release carries no noise"
    booked = outcome.releases
    if fault := noise_fault(setting.key, made, booked) or coin_fault(
        setting.key, outcome.draws, everyone
    ):
        return False, fault
    spent, _ = certificate(groups(booked), budget.delta, budget.epsilon) if booked else (0.0, 0.0)
    text = f"ε = {spent:.4g} of {budget.epsilon:g} at δ = {budget.delta:g}, by PLD"
    return spent <= budget.epsilon, text


def _reproducible(again: Replayed, calm: bool) -> str:
    if calm:
        return "the same data gives the same values"
    what = again.departed or f"other values at {again.worst.made if again.worst else 'a release'}"
    return f"the same data run twice: {what}; randomness from elsewhere than run.rng"


def _replayed(
    setting: Setting, pair: Pair, made: list[RecordedRelease], outcome: ReplayOutcome
) -> Replayed:
    if not pair.whole:
        try:
            made, outcome = record(setting, pair.data)
        except (Exception, SystemExit) as error:
            return Replayed((), f"{in_words(error)}, on this data alone")
    return play(setting, pair.neighbour, made, outcome, len(pair.units))


Results = list[tuple[Pair, Replayed]]


def _sensitivity(results: Results) -> tuple[bool, str]:
    seen = [(pair, r.worst) for pair, r in results if r.worst is not None]
    if not seen:
        released = any(r.departed for _, r in results)
        return not released, "no release could be compared" if released else "nothing is released"
    pair, worst = max(seen, key=lambda s: s[1].ratio)
    if all(r.bounded for _, r in results):
        return True, (
            f"one unit moves a value by {worst.ratio:.4g} of the declared bound at most "
            f"({pair.name}, {worst.made})"
        )
    pair, first = min(
        ((p, d) for p, r in results for d in r.differences if not d.bounded),
        key=lambda s: s[1].made.place.step,
    )
    return False, f"{_exceeds(first)} ({pair.name}, {first.made}); {_blame(first)}"


def _exceeds(found: ReplayDifference) -> str:
    beyond = found.ratio - 1
    much = f"{found.ratio:.4g} times" if beyond >= 1e-3 else f"1 + {beyond:.2g} times"
    return f"one unit moves a value by {much} the declared bound"


def _blame(found: ReplayDifference) -> str:
    """Whose fault it is that a bound does not hold."""
    if found.made.declared:
        return "the declared sensitivity is too small, or what it was taken of had come to differ"
    return (
        "a clip of whole units holds for one and the same model, so units were split, or the model "
        "or the mapped records had come to differ before"
    )


def _nothing_else(results: Results, steady: bool) -> tuple[bool, str]:
    """steady: whether two runs on D print the same, so that what is printed can be compared."""
    first: dict[str, str] = {}
    for pair, replayed in results:
        told = replayed.departed
        if not told and pair.whole and steady and not replayed.prints_alike:
            told = "what it prints differs"
        if told:
            first.setdefault(told, pair.name)
    if first:
        found = [f"{how} ({name})" for how, name in first.items()]
        more = f"; {len(found) - 3} more" if len(found) > 3 else ""
        return False, "; ".join(found[:3]) + more
    what = "releases, thresholds and saved model equal"
    if not steady:
        what += f" ({UNCOMPARED})"
    return True, f"{what} on {len(results)} neighbours"


def _at_length(setting: Setting, method: Method, world: World, steady: bool) -> tuple[bool, str]:
    """All steps, on a few neighbours. steady: as for _nothing_else."""
    of, asked = "", int(getattr(method, "steps", 0))
    if asked > LONGEST:
        of, method = f" of {asked:,}", method.limited(LONGEST)
    setting = replace(setting, method=method)
    unit = setting.budget.unit
    try:
        made, outcome = record(setting, world.universe(unit))
    except (Exception, SystemExit) as error:
        return False, in_words(error)
    results = [(pair, _replayed(setting, pair, made, outcome)) for pair in few(world, unit)]
    steps = f"{1 + max((m.place.step for m in made), default=-1):,}{of} steps"
    for holds, why in (
        _certificate(setting, outcome, made, world.universe(unit)),
        _sensitivity(results),
        _nothing_else(results, steady),
    ):
        if not holds:
            return False, f"{steps}: {why}"
    return True, f"{steps} on {len(results)} neighbours: bounds hold, nothing else differs"
