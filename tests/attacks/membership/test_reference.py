"""The reference attacks: loss less difficulty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from radpriv.attacks.attack import attacks
from radpriv.attacks.membership.loss import Loss, mean_bce
from radpriv.attacks.membership.reference import ReferenceAttack, ReferenceUntuned
from radpriv.attacks.metrics import auc
from radpriv.errors import AttackError

MakeFamily = Callable[..., list[Any]]


def test_score_is_the_loss_less_the_mean_of_out_references(simulated: MakeFamily) -> None:
    """The score equals the loss less the mean of out-references, by loops."""
    view, _ = simulated(np.random.default_rng(0), 6, gain=1.0)[0]
    answer = ReferenceAttack().score(view)
    mine = mean_bce(view.logits, view.labels)
    losses = [mean_bce(r.logits, r.labels) for r in view.references]
    checked = 0
    for i in range(1, len(view)):
        outs = [x[i] for x, r in zip(losses, view.references) if not r.member[i]]
        if outs and not np.isnan(mine[i]):
            assert answer[i] == pytest.approx(np.mean(outs) - mine[i], rel=1e-9, abs=1e-12)
            checked += 1
    assert checked > 250 and np.isfinite(answer).all()


def test_it_sees_past_unequal_difficulty(simulated: MakeFamily) -> None:
    targets = simulated(np.random.default_rng(1), 8, gain=0.8)
    plain, calibrated = (
        np.mean([auc(a.score(v), m) for v, m in targets]) for a in (Loss(), ReferenceAttack())
    )
    assert calibrated > plain + 0.02


def test_without_a_model_that_missed_anything_it_is_the_loss(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(2), 3)[0]
    yes = np.ones(len(view), bool)
    for references in ((), tuple(replace(r, member=yes) for r in view.references)):
        answer = ReferenceAttack().score(replace(view, references=references))
        assert answer == pytest.approx(Loss().score(view))


def test_untuned_encoder_stands_for_difficulty(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(3), 1)[0]
    answer = ReferenceUntuned().score(view)
    expected = mean_bce(view.untuned, view.labels) - mean_bce(view.logits, view.labels)
    known = ~np.isnan(expected)
    assert answer[known].tolist() == pytest.approx(expected[known])
    assert answer[~known].tolist() == pytest.approx([np.median(expected[known])] * (~known).sum())
    same = replace(view, untuned=view.logits)
    assert ReferenceUntuned().score(same).tolist() == [0.0] * len(view)


def test_untuned_attack_says_what_it_lacks(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(4), 1)[0]
    with pytest.raises(AttackError, match="no untuned logits"):
        ReferenceUntuned().score(replace(view, untuned=None))


def test_they_are_found_by_name() -> None:
    assert attacks.get("reference") is ReferenceAttack
    assert attacks.get("reference_untuned").needs == {"untuned"}
