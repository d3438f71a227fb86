"""RMIA: the paper's ratio and share by slow loops, ties broken, edges by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radpriv.attacks.attack import attacks
from radpriv.attacks.membership.loss import Loss
from radpriv.attacks.membership.rmia import Rmia, share_dominated
from radpriv.errors import AttackError

MakeFamily = Callable[..., list[Any]]


def geometric(logits: np.ndarray, labels: np.ndarray) -> float:
    """(∏ p)^(1/L) over one record's observed labels."""
    each = [1 / (1 + math.exp(-z if y else z)) for z, y in zip(logits, labels) if not math.isnan(y)]
    return math.prod(each) ** (1 / len(each))


def by_loops(view: Any, a: float, gamma: float) -> list[tuple[int, float]]:
    """(z dominated, r_x) of each record, straight from the paper; every record has an OUT model."""

    def ratio(p: float, outs: list[float]) -> float:
        return p / (0.5 * ((1 + a) * float(np.mean(outs)) + (1 - a)))

    z = [
        ratio(
            geometric(view.population.logits[j], view.population.labels[j]),
            [geometric(r.population.logits[j], r.population.labels[j]) for r in view.references],
        )
        for j in range(len(view.population.logits))
    ]
    found = []
    for i in range(len(view)):
        outs = [geometric(r.logits[i], r.labels[i]) for r in view.references if not r.member[i]]
        r = ratio(geometric(view.logits[i], view.labels[i]), outs)
        found.append((sum(r / q >= gamma for q in z), r))
    return found


def complete(view: Any) -> Any:
    """Candidates with a label and an OUT reference."""
    rows = ~np.isnan(view.labels).all(axis=1)
    rows &= ~np.all([r.member for r in view.references], axis=0)
    return view.only(np.flatnonzero(rows))


@pytest.mark.parametrize(("a", "gamma"), [(0.8, 1.0), (0.3, 1.1), (1.0, 2.0)])
def test_it_equals_the_papers_share_by_loops(a: float, gamma: float, simulated: MakeFamily) -> None:
    view = complete(simulated(np.random.default_rng(0), 5, gain=1.0, m=80)[0][0])
    answer = Rmia(a, gamma).score(view)
    expected = by_loops(view, a, gamma)
    n = len(view.population.logits)
    assert np.floor(answer * (n + 1) + 1e-10).tolist() == [share for share, _ in expected]
    assert np.array_equal(np.argsort(answer), np.argsort([r for _, r in expected]))
    assert len(np.unique(answer)) == len(view)  # a share alone has at most n + 1 values


@given(
    arrays(np.float64, 9, elements=st.floats(-30, 30)),
    arrays(np.float64, st.integers(1, 6), elements=st.floats(-30, 30)),
    st.floats(0.1, 10),
)
def test_share_counts_and_never_turns_the_order(
    gain: np.ndarray, population: np.ndarray, gamma: float
) -> None:
    found = share_dominated(gain, population, gamma)
    assert ((found >= 0) & (found < 1)).all()
    bars = population + np.log(gamma)
    counts = [int((g >= bars).sum()) for g in gain]
    assert np.floor(found * (len(population) + 1) + 1e-10).tolist() == pytest.approx(counts, abs=0)
    assert (np.diff(found[np.argsort(gain, kind="stable")]) >= 0).all()


def test_record_every_reference_saw_is_judged_alike(simulated: MakeFamily) -> None:
    """A record that every reference saw is judged like the others."""
    view, member = simulated(np.random.default_rng(1), 3, gain=3.0, m=1500)[0]
    seen = np.all([r.member for r in view.references], axis=0)
    answer = Rmia().score(view)
    assert 200 < seen.sum() < 600
    for coin in (True, False):
        a, b = (np.median(answer[(member == coin) & s]) for s in (seen, ~seen))
        assert abs(a - b) < 0.1
    assert np.median(answer[member & seen]) > np.median(answer[~member & seen]) + 0.2


def test_without_references_it_is_the_loss_order(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(2), 1)[0]
    rows = ~np.isnan(view.labels).all(axis=1)
    order = np.argsort(Loss().score(view)[rows])
    assert np.array_equal(np.argsort(Rmia().score(view)[rows]), order)
    everyone = simulated(np.random.default_rng(2), 3)[0][0]
    yes = np.ones(len(everyone), bool)
    flags = tuple(replace(r, member=yes) for r in everyone.references)
    assert np.array_equal(
        Rmia().score(replace(everyone, references=flags)),
        Rmia().score(replace(everyone, references=())),
    )


def test_population_makes_scores_of_two_models_comparable(simulated: MakeFamily) -> None:
    """One target is sharper on everything, seen or not; log r_x alone would call it all members."""
    rng = np.random.default_rng(3)
    view, _ = simulated(rng, 4, m=600, n=600)[0]
    sharper = replace(
        view,
        logits=view.logits + 2 * (2 * np.nan_to_num(view.labels) - 1),
        population=replace(
            view.population,
            logits=view.population.logits + 2 * (2 * view.population.labels - 1),
            memo={},
        ),
        memo={},
    )
    nobody = np.empty((0, 4), np.float32)

    def without_population(v: Any) -> Any:
        empty = replace(v.population, logits=nobody, labels=nobody, untuned=None, features=None)
        return replace(v, population=replace(empty, memo={}))

    plain, sharp = (np.median(Rmia().score(v)) for v in (view, sharper))
    assert abs(plain - 0.5) < 0.1 and abs(sharp - 0.5) < 0.1
    plain, sharp = (np.median(Rmia().score(without_population(v))) for v in (view, sharper))
    assert sharp > plain + 0.3


def test_it_is_found_by_name_and_refuses_odd_parameters() -> None:
    assert attacks.get("rmia") is Rmia
    for a, gamma in ((-0.1, 1.0), (1.1, 1.0), (0.5, 0.0)):
        with pytest.raises(AttackError, match="a from 0 to 1 and gamma above 0"):
            Rmia(a, gamma)
