"""Does a method behave alike where it is not looked at: in float32, with many records and labels?

    holds, seen = other_worlds(setting, world)

A leak can be tied to what a replay does not have: single precision, a thousand reports, all labels
of a dataset, a large n_public. So a short run is replayed there too, on few neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.replay import Replayed, Setting, in_words, play, record
from radpriv.benchmark.conformance.toy_data import World, without
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.encoders import Encoder

STEPS = 3
SINGLE_ROUNDING = 1e-3
"""Relative to a bound, in float32: what a record adds follows its micro-batch in the last bits."""


def other_worlds(setting: Setting, world: World) -> tuple[bool, str]:
    """Whether bounds hold and nothing else differs; what was seen, and in which world."""
    for name, there in (("in float32", world), ("with many records and labels", World.large())):
        with _setting(setting, there) as found:
            fault = _fault(found, there.universe(setting.budget.unit))
        if fault:
            return False, f"{name}: {fault}"
    large = World.large()
    return True, (
        f"float32; {len(large.texts):,} reports, {len(large.labels)} labels: bounds hold, nothing "
        "else differs"
    )


@contextmanager
def _setting(setting: Setting, world: World) -> Iterator[Setting]:
    """The same method and ε in single precision, in this world."""
    budget, old = setting.budget, setting.encoder
    n = world.n_public(budget.unit)
    encoder = nullcontext() if old is None else world.encoder(old.kind, double=False)
    with encoder as found:
        assert found is None or isinstance(found, Encoder)
        yield replace(
            setting,
            method=setting.method.limited(STEPS),
            encoder=found,
            budget=Budget.of(budget.epsilon, n, unit=budget.unit),
            labels=world.labels,
            n_public=n,
            texts=setting.texts[:20],
            dtype=torch.float32,
        )


def _fault(setting: Setting, universe: Universe) -> str:
    try:
        made, outcome = record(setting, universe)
    except (Exception, SystemExit) as error:
        return in_words(error)
    for name, gone in _neighbours(universe):
        found = play(setting, without(universe, gone), made, outcome, len(gone))
        if fault := found.departed or _beyond(found):
            return f"{fault} ({name})"
    return ""


def _neighbours(universe: Universe) -> Iterator[tuple[str, Sequence[int]]]:
    middle = universe.units // 2
    yield "an ordinary unit gone", [middle]
    yield "every second unit gone", range(0, universe.units, 2)


def _beyond(found: Replayed) -> str:
    worst = found.worst
    if worst is None or worst.ratio <= 1 + SINGLE_ROUNDING:
        return ""
    return f"one unit moves {worst.made} by {worst.ratio:.4g} times the declared bound"
