"""LiRA: the paper's formulas by slow loops, its edges by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from radpriv.attacks.attack import attacks
from radpriv.attacks.membership.lira import Lira, LiraOffline, log_ratio
from radpriv.attacks.membership.loss import Loss
from radpriv.attacks.metrics import auc
from radpriv.errors import AttackError

MakeFamily = Callable[..., list[Any]]


def by_loops(
    target: np.ndarray, values: np.ndarray, member: np.ndarray, own: bool, online: bool
) -> list[float]:
    """Carlini et al.'s Gaussians, one record at a time; every record has two of each kind."""
    groups = [
        {
            "in": [v for v, m in zip(values[:, i], member[:, i]) if m],
            "out": [v for v, m in zip(values[:, i], member[:, i]) if not m],
        }
        for i in range(len(target))
    ]
    pooled = {}
    for side in ("in", "out"):
        squares = sum((v - np.mean(g[side])) ** 2 for g in groups for v in g[side])
        pooled[side] = math.sqrt(squares / sum(len(g[side]) - 1 for g in groups))
    scores = []
    for x, g in zip(target, groups):
        sigma = {s: float(np.std(g[s], ddof=1)) if own else pooled[s] for s in ("in", "out")}
        if online:
            inside = norm.logpdf(x, np.mean(g["in"]), sigma["in"])
            scores.append(inside - norm.logpdf(x, np.mean(g["out"]), sigma["out"]))
        else:
            scores.append(norm.logcdf((x - np.mean(g["out"])) / sigma["out"]))
    return scores


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_it_equals_the_papers_formulas_by_loops(own: bool, online: bool) -> None:
    rng = np.random.default_rng(0)
    member = rng.random((12, 30)) < 0.5
    member[:2], member[2:4] = True, False
    values = rng.standard_normal((12, 30)) * rng.uniform(0.5, 2, 30) + 2 * member
    target = rng.standard_normal(30) * 3
    found = log_ratio(target, values, member, 1.0, 12 if own else 13, online)
    assert found == pytest.approx(by_loops(target, values, member, own, online), rel=1e-9)


def test_offline_score_is_a_tail_and_not_a_density() -> None:
    """Out-fit N(0, 1) and φ = −3, 0, 3: a badly fitted record is no member."""
    values = np.array([[-1.0] * 3, [1.0] * 3]) / math.sqrt(2)
    found = log_ratio(np.array([-3.0, 0.0, 3.0]), values, np.zeros((2, 3), bool), 9.0, online=False)
    assert found is not None and found[2] > found[1] > found[0]
    assert found.tolist() == pytest.approx([-6.6077262, -0.6931472, -0.0013508], abs=1e-7)
    density = -norm.logpdf([-3.0, 0.0, 3.0])
    assert density.round(2).tolist() == [5.42, 0.92, 5.42]  # the other attack


def test_far_tails_stay_finite_and_ordered() -> None:
    values, out = np.array([[-1.0] * 4, [1.0] * 4]), np.zeros((2, 4), bool)
    found = log_ratio(np.array([-1e6, -60.0, 5.0, 8.0]), values, out, 1.0, online=False)
    assert found is not None and np.isfinite(found).all() and (np.diff(found) > 0).all()


def test_variance_is_pooled_below_64_references() -> None:
    """Below 64 references the variance is pooled, and from 64 on each record's own."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((64, 2)) * np.array([1.0, 10.0])
    out = np.zeros((64, 2), bool)
    target = np.array([3.0, 3.0])
    few = log_ratio(target, values[:63], out[:63], 1.0, online=False)
    many = log_ratio(target, values, out, 1.0, online=False)
    assert few is not None and abs(few[0] - few[1]) < 0.1
    assert many is not None and many[0] > -0.01 and many[1] < -0.3


def test_records_in_all_or_in_no_reference_are_placed_by_the_gap() -> None:
    values = np.array([[4.0, 0.0, 4.0, 0.0], [4.4, 0.4, 0.2, 4.2]])
    member = np.array([[True, False, True, False], [True, False, False, True]])
    found = log_ratio(np.array([4.2, 0.2, 4.2, 0.2]), values, member, 1.0)
    assert found is not None and np.isfinite(found).all()
    assert found[0] > 0 > found[1]  # like a member, like a non-member, though never seen apart
    assert found[0] == pytest.approx(found[2], rel=0.2)


def test_with_one_reference_deviations_come_from_test_records(simulated: MakeFamily) -> None:
    """No record has two OUT values; test records do, one in each model."""
    (view, _), _ = simulated(np.random.default_rng(5), 2)
    one, _ = view.population.logits, view.references[0].population.logits
    apart = replace(view.population, logits=one * 100, memo={})
    narrow, wide = (
        LiraOffline().score(view),
        LiraOffline().score(replace(view, population=apart, memo={})),
    )
    assert np.ptp(narrow) > 3 * np.ptp(wide)


def test_without_references_it_is_the_loss_order(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(2), 1)[0]
    rows = ~np.isnan(view.labels).all(axis=1)
    for attack in (Lira(), LiraOffline()):
        order = np.argsort(attack.score(view)[rows])
        assert np.array_equal(order, np.argsort(Loss().score(view)[rows]))


def test_references_of_members_alone_count_as_none(simulated: MakeFamily) -> None:
    """References of members alone count as none, and of no member as offline."""
    view, _ = simulated(np.random.default_rng(3), 4)[0]
    alone = replace(view, references=())

    def all_flags(value: bool) -> Any:
        flags = np.full(len(view), value)
        return replace(view, references=tuple(replace(r, member=flags) for r in view.references))

    assert np.array_equal(Lira().score(all_flags(True)), Lira().score(alone))
    assert np.array_equal(Lira().score(all_flags(False)), LiraOffline().score(all_flags(False)))
    assert not np.array_equal(Lira().score(view), LiraOffline().score(view))


def test_many_references_find_what_the_loss_hides(simulated: MakeFamily) -> None:
    targets = simulated(np.random.default_rng(4), 9, gain=0.8)
    areas = {
        name: np.mean([auc(a.score(v), member) for v, member in targets])
        for name, a in (("loss", Loss()), ("online", Lira()), ("offline", LiraOffline()))
    }
    assert areas["online"] > areas["loss"] + 0.03 and areas["offline"] > areas["loss"] + 0.02


@settings(max_examples=50)
@given(
    arrays(np.float64, (6, 5), elements=st.floats(-9, 9)),
    arrays(np.bool_, (6, 5)),
    arrays(np.float64, 5, elements=st.floats(-1e3, 1e3)),
    st.permutations(range(5)),
    st.permutations(range(6)),
)
def test_neither_hardness_nor_order_matters(
    values: np.ndarray, member: np.ndarray, hardness: np.ndarray, order: list[int], seeds: list[int]
) -> None:
    """Adding a constant to one record's φ in every model leaves its evidence where it was."""
    member = np.concatenate([member, [[True] * 5, [True] * 5, [False] * 5, [False] * 5]])
    values = np.concatenate([values, np.arange(20.0).reshape(4, 5) % 7])
    target = values[0] + 0.5
    seeds = [*seeds, 6, 7, 8, 9]
    for online in (True, False):
        plain = log_ratio(target, values, member, 1.0, online=online)
        moved = log_ratio(target + hardness, values + hardness, member, 1.0, online=online)
        assert moved == pytest.approx(plain, rel=1e-6, abs=1e-6)
        mixed = log_ratio(
            target[order], values[seeds][:, order], member[seeds][:, order], 1.0, online=online
        )
        assert plain is not None and mixed == pytest.approx(plain[order], rel=1e-9, abs=1e-9)


def test_they_are_found_by_name() -> None:
    assert attacks.get("lira") is Lira and attacks.get("lira_offline") is LiraOffline
    with pytest.raises(AttackError, match="2 references or more"):
        Lira(per_record=1)
