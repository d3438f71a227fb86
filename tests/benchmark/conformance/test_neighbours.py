"""The harness itself: what a player does, and which neighbours it is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.neighbours import few, pairs
from radpriv.benchmark.conformance.replay import KEY, Player, RecordedRelease, Setting, play, record
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy import bounded
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.release import Noised, Place

Of = Callable[..., Method]


def test_player_measures_distances_and_returns_recorded_outputs() -> None:
    """A player measures distances and answers with the recorded outputs."""
    kept = Noised({"w": torch.tensor([5.0], dtype=torch.float64)})
    place = Place(0, "g", 0.5)
    made = RecordedRelease(place, 2.0, 1.0, {"w": torch.tensor([1.0], dtype=torch.float64)}, kept)
    player = Player([made])
    far = ClippedSum({"w": torch.tensor([4.0], dtype=torch.float64)}, 2.0)
    given = player(place, far, 1.0)
    assert player.differences[0].ratio == pytest.approx(1.5)
    given.tensors["w"][0] = 7.0
    assert float(kept.tensors["w"]) == 5.0


def test_neighbours_differ_in_one_unit_and_hold_nothing_of_it(sound: Of, world: World) -> None:
    n = world.n_public("patient")
    setting = Setting(sound(), None, Budget.of(8.0, n, unit="patient"), world.labels, n)
    made, _ = record(setting, world.universe("patient"))
    seen = list(pairs(world, "patient", made, KEY))
    assert len(seen) == 12 and seen[8].neighbour.member.sum() == 0
    for pair in seen[:9]:
        data, neighbour = pair.data, pair.neighbour
        gone = data.unit == pair.units[0]
        assert data.member[gone].all() and not neighbour.member[gone].any()
        assert (data.member[~gone] == neighbour.member[~gone]).all()
        assert {t for t, g in zip(neighbour.texts, gone) if g} == {""}
        assert np.isnan(neighbour.y[gone]).all()
    many = next(p for p in seen if p.name == "a patient with many reports")
    assert (many.data.unit == many.units[0]).sum() == 7


def test_half_of_the_units_move_a_value_by_a_bound_each_at_most(sound: Of, world: World) -> None:
    setting = Setting(sound(), None, Budget.of(8.0, 65), world.labels, 65)
    made, outcome = record(setting, world.universe("report"))
    one, half, gone, turned = few(world, "report")
    assert [p.name for p in pairs(world, "report", made, KEY)][-3:] == [
        half.name,
        gone.name,
        turned.name,
    ]
    assert not gone.neighbour.member.any() and len(gone.units) == 65
    assert turned.neighbour.member.all() and len(turned.units) == 2 * 65
    observed = ~np.isnan(turned.data.y)
    assert (turned.neighbour.y + turned.data.y)[observed].min() == 1.0
    assert len(one.units) == 1 and len(half.units) == 33
    assert half.neighbour.member.sum() == 32
    heard = play(setting, half.neighbour, made, outcome, 33)
    assert heard.bounded and not heard.departed and len(heard.differences) == len(made)
    alone = play(setting, half.neighbour, made, outcome)
    assert not alone.bounded  # as if all were one unit
    assert heard.worst is not None and alone.worst is not None
    assert heard.worst.ratio == pytest.approx(alone.worst.ratio / 33)


def test_the_only_record_of_a_step_is_that(sound: Of, world: World) -> None:
    setting = Setting(sound(), None, Budget.of(8.0, 65), world.labels, 65)
    made, _ = record(setting, world.universe("report"))
    pair = next(p for p in pairs(world, "report", made, KEY) if "only record" in p.name)
    recording, outcome = record(setting, pair.data)
    heard = play(setting, pair.neighbour, recording, outcome)
    assert heard.differences[0].ratio > 0 and not heard.departed
    empty, _ = record(setting, pair.neighbour)
    assert all(not t.any() for t in empty[0].value.values())
    assert any(t.any() for t in recording[0].value.values())


def test_gradient_canary_moves_a_sum_by_the_clip_and_not_twice(
    sound: Of, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gradient canary moves a sum by the clip; a waist that adds it twice is found."""
    setting = Setting(sound(), None, Budget.of(8.0, 65), world.labels, 65)
    made, _ = record(setting, world.universe("report"))
    pair = next(p for p in pairs(world, "report", made, KEY) if p.name == "a gradient canary")

    def worst() -> float:
        recording, outcome = record(setting, pair.data)
        heard = play(setting, pair.neighbour, recording, outcome)
        assert not heard.departed
        return max(d.ratio for d in heard.differences)

    assert worst() == pytest.approx(1.0, abs=1e-12)
    once = bounded.add_planted
    monkeypatch.setattr(bounded, "add_planted", lambda p, s, c: once(p, s, 2 * c))
    assert worst() == pytest.approx(2.0, abs=1e-12)
