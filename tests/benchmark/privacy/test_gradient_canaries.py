"""Gradient canaries: what the waist adds is max_norm times a direction, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import bounded as bounded_module
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.bounded import Declared, bounded_sum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.gradient_canaries import add_planted, coordinates, projections
from radpriv.benchmark.privacy.records import PrivateRecords, Projection, Records
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.privacy.streams import uniforms

CLIP = 0.7
WORDS = HashedWords(256, 1, True)
CANARIES = 40


class Head(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(256, 3)

    def losses(self, records: Records) -> torch.Tensor:
        x, _ = records.inputs()
        y = torch.nan_to_num(records.labels)
        return (self.head(x.float()) - y).square().mean(1)


@pytest.fixture
def planted(made_up: Dataset) -> Universe:
    policy = AuditPolicy(share=0.5, planted=(Planting("gradient", CANARIES),))
    return draw(made_up, policy, b"audit", 30, seed=0)


def loop(
    make_run: Callable[..., Run], universe: Universe, steps: int = 3, rate: float = 0.5
) -> tuple[list[dict[str, torch.Tensor]], list[dict[str, torch.Tensor]], list[Projection]]:
    """Exact sums, noised values and projections of a short training that never moves."""
    train = PrivateRecords(universe, ("a", "b", "c"), 30, FeatureCache(None))
    records = train.map("words", WORDS)
    torch.manual_seed(0)
    model = Head()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(units=universe.units, ledger=Ledger(None))
    sums, noised = [], []
    for step in run.poisson(records, rate, steps, state=(model, optimizer)):
        total = clipped_sum(model, step.records, CLIP)
        sums.append(dict(total.tensors))
        noised.append(step.gaussian("gradient", total, 0.1).tensors)
    return sums, noised, train._diagnostics.projections


def flat(tensors: dict[str, torch.Tensor]) -> np.ndarray:
    return torch.cat([tensors[n].reshape(-1) for n in sorted(tensors)]).numpy()


def in_step(universe: Universe, step: int, rate: float) -> np.ndarray:
    """bool (canaries,): member and drawn, by the coins that the waist promises."""
    coins = uniforms(b"k" * 32, ("coin", step), universe.units) < rate
    slots = np.flatnonzero(universe.gradient)
    return coins[universe.unit[slots]] & universe.member[slots]


def test_each_drawn_canary_adds_the_clip_to_one_coordinate(
    make_run: Any, planted: Universe
) -> None:
    """Oracle: the same run without its canaries, plus max_norm at floor(point · d)."""
    empty = replace(planted, member=planted.member & ~planted.gradient)
    sums, _, _ = loop(make_run, planted)
    plain, _, _ = loop(make_run, empty)
    assert planted.points is not None
    points = planted.points[planted.gradient]
    seen = 0
    for t, (with_canaries, without) in enumerate(zip(sums, plain)):
        expected = flat(without)
        for point in points[in_step(planted, t, 0.5)]:
            expected[int(point * len(expected))] += CLIP
            seen += 1
        np.testing.assert_allclose(flat(with_canaries), expected, rtol=0, atol=1e-12)
    assert 15 < seen < 3 * CANARIES


def test_a_canary_that_is_out_leaves_everything_as_it_is(make_run: Any, planted: Universe) -> None:
    nobody = replace(planted, member=planted.member & ~planted.gradient)
    points = np.where(planted.gradient, 0.123, np.nan)
    one, two = loop(make_run, nobody), loop(make_run, replace(nobody, points=points))
    for a, b in zip(one[0] + one[1], two[0] + two[1]):
        np.testing.assert_array_equal(flat(a), flat(b))


def test_removed_canary_changes_a_sum_by_the_clip_and_no_coin(
    make_run: Any, planted: Universe
) -> None:
    """Removing one canary changes a sum by the clip, and no other coin."""
    slot = next(s for s in np.flatnonzero(planted.gradient) if planted.member[s])
    less = replace(planted, member=planted.member & (np.arange(len(planted)) != slot))
    moved = [
        float(np.linalg.norm(flat(a) - flat(b)))
        for a, b in zip(loop(make_run, planted, 12)[0], loop(make_run, less, 12)[0])
    ]
    assert all(m == 0 or m == pytest.approx(CLIP, abs=1e-12) for m in moved)
    assert 0 < sum(m > 0 for m in moved) < 12


def test_projections_are_the_noised_value_along_every_canary(
    make_run: Any, planted: Universe
) -> None:
    """Projections are the noised value along every canary, in or out."""
    _, noised, found = loop(make_run, planted)
    assert [(p.step, p.release) for p in found] == [(t, "gradient") for t in range(3)]
    assert planted.points is not None
    for value, line in zip(noised, found):
        whole = flat(value)
        places = (planted.points[planted.gradient] * len(whole)).astype(int)
        np.testing.assert_array_equal(line.values, whole[places])
    assert len(found[0].values) == CANARIES


def test_projections_tell_members_when_noise_is_small(make_run: Any, planted: Universe) -> None:
    """Projections tell members from the others when noise is small.

    And not when the waist does not add what it promises: the broken variant is at chance.
    """

    def gap() -> float:
        _, _, found = loop(make_run, planted, steps=20)
        mean = np.mean([p.values for p in found], axis=0)
        member = planted.member[planted.gradient]
        return float(stats.mannwhitneyu(mean[member], mean[~member]).pvalue)

    assert gap() < 1e-3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_module, "add_planted", lambda *_: None)
        assert gap() > 1e-3


def test_canary_is_no_record_for_methods_in_or_outside_the_waist(planted: Universe) -> None:
    """A canary is no record for methods outside or inside the waist."""
    train = PrivateRecords(planted, ("a", "b", "c"), 30, FeatureCache(None))
    chosen = np.ones(planted.units, bool)
    records = train.map("words", WORDS)._select(chosen, torch.device("cpu"))
    members = np.flatnonzero(planted.member & ~planted.gradient)
    np.testing.assert_array_equal(records.slots, members)
    np.testing.assert_array_equal(train.raw().slots, members)
    assert len(records._sample.drawn) == planted.member[planted.gradient].sum() > 5


def test_query_adds_canaries_to_bounded_sums_not_declared_values(
    make_run: Any, planted: Universe
) -> None:
    """A query adds canaries to bounded sums and not to declared values."""
    train = PrivateRecords(planted, ("a", "b", "c"), 30, FeatureCache(None))
    records = train.map("words", WORDS)
    run = make_run(units=planted.units, budget=Budget.of(8.0, 30))
    with run.once(records) as query:
        total = bounded_sum(lambda r: {"x": r.inputs()[0].double()}, query.records, CLIP)
        rows = query.records.inputs()[0].double()
        query.gaussian("moments", total, 1.0)
        query.gaussian("declared", Declared({"w": torch.zeros(9)}, 1.0, "zero is zero"), 1.0)
    scale = (CLIP / rows.norm(dim=1).clamp_min(1e-30)).clamp(max=1.0)
    expected = (rows * scale[:, None]).sum(0).numpy()
    assert planted.points is not None
    for point in planted.points[planted.gradient & planted.member]:
        expected[int(point * 256)] += CLIP
    np.testing.assert_allclose(total.tensors["x"].numpy(), expected, atol=1e-9)
    assert [p.release for p in train._diagnostics.projections] == ["moments", "declared"]


def test_coordinates_count_all_tensors_in_order_of_name() -> None:
    tensors = {"b": torch.zeros(2, 3), "a": torch.zeros(4), "none": torch.zeros(0)}
    points = np.array([0.0, 0.39, 0.4, 0.9999999999999999])
    assert list(coordinates(points, tensors)) == [("a", 0), ("a", 3), ("b", 0), ("b", 5)]
    add_planted(points[2:], tensors, 2.5)
    assert flat(tensors).tolist() == [0, 0, 0, 0, 2.5, 0, 0, 0, 0, 2.5]
    assert projections(points, tensors) == (0.0, 0.0, 2.5, 2.5)
    turned = {**tensors, "b": tensors["b"].T.contiguous().T}  # as a solver may give it
    assert projections(points, turned) == (0.0, 0.0, 2.5, 2.5)


def test_without_canaries_nothing_is_watched(make_run: Any, universe: Universe) -> None:
    assert loop(make_run, universe)[2] == [] and universe.points is None
