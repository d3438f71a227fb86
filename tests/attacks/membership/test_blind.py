"""The blind attack: finds a split that leaks, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from radpriv.attacks.attack import attacks
from radpriv.attacks.membership.blind import Blind, folds_of, public_order
from radpriv.attacks.metrics import auc

MakeFamily = Callable[..., list[Any]]


def with_flags(view: Any, flags: list[np.ndarray]) -> Any:
    pairs = zip(view.references, flags)
    return replace(view, references=tuple(replace(r, member=f) for r, f in pairs))


def test_it_reads_no_logits(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(0), 4, gain=5.0)[0]
    noise = np.full_like(view.logits, 7.0)
    others = tuple(replace(r, logits=noise, memo={}) for r in view.references)
    assert np.array_equal(
        Blind().score(view), Blind().score(replace(view, logits=noise, references=others, memo={}))
    )


def test_model_that_leaks_on_a_sound_split_leaves_it_at_chance(simulated: MakeFamily) -> None:
    rng = np.random.default_rng(2)
    z = []
    for _ in range(80):
        view, member = simulated(rng, 4, gain=5.0, m=200)[0]
        sizes = member.sum(), (~member).sum()
        error = np.sqrt(201 / (12 * sizes[0] * sizes[1]))
        z.append((auc(Blind().score(view), member) - 0.5) / error)
    assert abs(np.mean(z)) < 3 / np.sqrt(80) and 0.7 < np.std(z) < 1.3


def test_split_by_length_is_found(simulated: MakeFamily) -> None:
    rng = np.random.default_rng(2)
    view, _ = simulated(rng, 5, m=600)[0]
    chance = 0.3 + 0.4 * (view.length > 45)
    leaking = with_flags(view, [rng.random(600) < chance for _ in view.references])
    assert auc(Blind().score(leaking), rng.random(600) < chance) > 0.6


def test_split_that_only_features_show_is_found(simulated: MakeFamily) -> None:
    """A split by what only features show is found through them."""
    rng = np.random.default_rng(3)
    view, _ = simulated(rng, 5, m=800)[0]
    chance = 0.3 + 0.4 * (view.features[:, 2] > 0)
    leaking = with_flags(view, [rng.random(800) < chance for _ in view.references])
    member = rng.random(800) < chance
    assert auc(Blind().score(leaking), member) > 0.6
    assert abs(auc(Blind().score(replace(leaking, features=None)), member) - 0.5) < 0.07


def test_balanced_coins_do_not_give_themselves_away(simulated: MakeFamily) -> None:
    """A record's own coins elsewhere would: with balance the in-count alone has AUC 0 or 1."""
    rng = np.random.default_rng(4)
    view, _ = simulated(rng, 8, m=400)[0]
    coins = np.argsort(rng.random((8, 400)), axis=0) < 4
    member = coins[0]
    balanced = with_flags(view, list(coins[1:]))
    assert auc(-coins[1:].sum(axis=0).astype(float), member) == 1.0
    rich = replace(balanced, features=rng.standard_normal((400, 300)).astype(np.float32))
    for attack in (Blind(), Blind(c=100.0, components=200)):
        assert abs(auc(attack.score(rich), member) - 0.5) < 0.1


def test_where_nothing_can_be_learned_the_order_is_public(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(5), 3)[0]
    yes = np.ones(len(view), bool)
    order = public_order(view.slots)
    assert len(np.unique(order)) == len(view)
    for lonely in (
        replace(view, references=()),
        with_flags(view, [yes, yes]),
        with_flags(view, [~yes, ~yes]),
        replace(view, patient=("one",) * len(view)),
    ):
        assert np.array_equal(Blind().score(lonely), order)
    assert np.array_equal(public_order(view.slots[5:9]), order[5:9])


def test_patient_is_never_in_two_folds() -> None:
    names = tuple(f"p{i % 40}" for i in range(200))
    fold = folds_of(names, 5)
    assert len({(n, f) for n, f in zip(names, fold.tolist())}) == 40
    assert set(fold.tolist()) == set(range(5))


def test_it_is_found_by_name() -> None:
    assert attacks.get("blind") is Blind and Blind.needs == frozenset()
