"""Neighbours chosen to hurt: pairs of data that differ in one unit, each for a reason.

    for pair in pairs(world, unit, recording, key): pair.name, pair.data, pair.unit

A method that leaks leaks on *some* unit; an ordinary one may never show it. So the pairs take the
longest report, the rarest label, a duplicate, a badly labelled record, the only record of a step, a
gradient canary, the last record of all, and the patient with the most reports. A decision over many
records (when to stop, which threshold) seldom turns on one: so others are far apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.canary_spec import GRADIENT
from radpriv.benchmark.conformance.replay import RecordedRelease
from radpriv.benchmark.conformance.toy_data import World, only, without
from radpriv.benchmark.datasets.audit_set.canaries import MARK, Canary
from radpriv.benchmark.datasets.audit_set.universe import Universe, plant
from radpriv.benchmark.privacy.streams import uniforms


@dataclass(frozen=True)
class Pair:
    """D and what of it is taken away. whole: D is the world itself, recorded once for all.

    other: the neighbour, where something else than absence makes the difference.
    """

    name: str
    data: Universe = field(repr=False)
    units: tuple[int, ...]
    whole: bool = True
    other: Universe | None = field(default=None, repr=False)

    @property
    def neighbour(self) -> Universe:
        return without(self.data, self.units) if self.other is None else self.other


def pairs(
    world: World, unit: str, recording: Sequence[RecordedRelease], key: bytes
) -> Iterator[Pair]:
    """The pairs for one unit. recording: of a run on the whole world, for its sampled steps."""
    whole = world.universe(unit)
    for name, chosen in _special_units(world, whole).items():
        yield Pair(name, whole, (chosen,))
    lonely = _alone_in_a_step(whole, recording, key)
    if lonely is not None:
        step, one, members = lonely
        data = only(whole, members)
        yield Pair(f"the only record of step {step}", data, (one,), whole=False)
    yield _planted(whole, unit)
    last = int(whole.unit[0])
    yield Pair("none left", only(whole, np.array([last])), (last,), whole=False)
    yield from _far(whole)


def few(world: World, unit: str) -> Iterator[Pair]:
    """The pairs for a long run: one unit of weight, and those far apart."""
    whole = world.universe(unit)
    name = "the longest report, badly labelled"
    yield Pair(name, whole, (_special_units(world, whole)[name],))
    yield from _far(whole)


def _far(whole: Universe) -> Iterator[Pair]:
    """Data that differ in k units are k neighbours apart: a value moves by k bounds at most, and
    nothing else differs. No step is like the recorded one, and every loss and score is another.
    """
    everyone = tuple(range(whole.units))
    yield Pair("every second unit gone", whole, everyone[::2])
    yield Pair("every unit gone", whole, everyone)
    turned = replace(whole, y=1.0 - whole.y)  # each is taken away and another put there
    yield Pair("every label turned", whole, everyone + everyone, other=turned)


def _special_units(world: World, universe: Universe) -> dict[str, int]:
    """Units by what is special about them."""
    lengths = np.array([len(t.split()) for t in world.texts])
    positives = np.nansum(world.y, axis=0)
    rare = int(np.argmin(np.where(positives > 0, positives, np.inf)))
    first: dict[str, int] = {}
    twins = [i for i, t in enumerate(world.texts) if first.setdefault(t, i) != i]
    unobserved = np.flatnonzero(np.isnan(world.y).all(1))
    names, counts = np.unique(np.array(world.patients), return_counts=True)
    many = names[int(np.argmax(counts))]
    rows = {
        "an ordinary report": len(world.texts) // 2,
        "the longest report, badly labelled": int(np.argmax(lengths)),
        "the only positive of a label": int(np.flatnonzero(world.y[:, rare] == 1)[0]),
        "a duplicate": twins[0],
        "nothing observed": int(unobserved[0]),
        "a patient with many reports": world.patients.index(many),
    }
    return {name: int(universe.unit[row]) for name, row in rows.items()}


def _planted(universe: Universe, unit: str) -> Pair:
    """A gradient canary beside the records: the most that the clip lets one unit add."""
    labels = (1.0,) * universe.y.shape[1]
    canary = Canary(f"{MARK}{GRADIENT}", GRADIENT, 1, "", labels, point=0.5)
    data = plant(universe, [canary], lambda name: True, unit)
    return Pair("a gradient canary", data, (int(data.unit[data.gradient][0]),), whole=False)


def _alone_in_a_step(
    universe: Universe, recording: Sequence[RecordedRelease], key: bytes
) -> tuple[int, int, NDArray[np.int64]] | None:
    """(step, unit, members): data of which a sampled step draws this unit and no other."""
    for made in recording:
        step, rate = made.place.step, made.place.rate
        drawn = np.flatnonzero(uniforms(key, ("coin", step), universe.units) < rate)
        if rate < 1 and len(drawn):
            others = np.setdiff1d(np.arange(universe.units), drawn)
            return step, int(drawn[0]), np.append(others, drawn[0])
    return None
