"""Quantile regression: confident beyond what non-members like this record get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radpriv.attacks.attack import attacks
from radpriv.attacks.membership.loss import Loss
from radpriv.attacks.membership.principal_components import principal
from radpriv.attacks.membership.quantile import FEWEST, Quantile, covering, fitted, pinball
from radpriv.attacks.metrics import auc
from radpriv.attacks.view import View
from radpriv.errors import AttackError

MakeFamily = Callable[..., list[Any]]


def hard_by_features(
    make_family: MakeFamily, n: int = 1200, m: int = 800
) -> tuple[View, NDArray[np.bool_]]:
    """Confidence rises with feature 0 and varies with feature 1; a member has one width more."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((n + m, 4)).astype(np.float32)
    member = rng.random((1, m)) < 0.5
    width = np.exp(features[:, 1] / 2)
    logits = 3 * features[:, 0] + width * rng.standard_normal(n + m)
    logits[:m] += width[:m] * member[0]
    ones = np.ones((n + m, 1), dtype=np.float32)
    logits = logits[:, None].astype(np.float32)
    view, flags = make_family(
        logits[None, :m],
        ones[:m],
        member,
        logits[None, m:],
        ones[m:],
        features=features[:m],
        population_features=features[m:],
    )[0]
    return view, flags


def test_it_sees_past_a_difficulty_that_features_show(make_family: MakeFamily) -> None:
    view, member = hard_by_features(make_family)
    found, plain = auc(Quantile().score(view), member), auc(Loss().score(view), member)
    best = 0.76  # of a shift by one deviation, were m(x) and the width known
    assert plain < 0.65 and plain + 0.08 < found < best + 0.03


def test_score_above_one_is_the_papers_flag_at_its_rate(make_family: MakeFamily) -> None:
    view, member = hard_by_features(make_family)
    for level in (0.9, 0.8):
        flagged = Quantile(level).score(view) > 1
        assert flagged[~member].mean() == pytest.approx(1 - level, abs=0.05)
        assert flagged[member].mean() > 1.8 * flagged[~member].mean()


def test_held_out_coverage_is_nominal(make_family: MakeFamily, simulated: MakeFamily) -> None:
    """Held-out coverage is nominal, and the gain is that over a constant."""
    told = Quantile().diagnostics(hard_by_features(make_family)[0])
    assert told["coverage"] == pytest.approx(0.9, abs=0.03)
    assert told["gain"] > 0.4 and told["records"] == 1200 and told["level"] == 0.9
    nothing = simulated(np.random.default_rng(1), 1, n=400)[0][0]  # features are noise
    told = Quantile().diagnostics(nothing)
    assert told["coverage"] == pytest.approx(0.9, abs=0.06) and abs(told["gain"]) < 0.25


def test_coverage_is_made_right_where_trees_follow_their_records() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((200, 30)), rng.standard_normal(200)
    ahead = rng.standard_normal((4000, 30))
    later = rng.standard_normal(4000)
    plain = (later <= fitted(x, y, 0.9, ahead)).mean()
    moved = (later <= covering(x, y, 0.9, ahead)).mean()
    assert moved == pytest.approx(0.9, abs=0.02) and moved > plain + 0.02, (plain, moved)


def test_few_test_records_give_constants_and_so_the_loss_order(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(3), 1, n=FEWEST // 2)[0]
    rows = ~np.isnan(view.labels).all(axis=1)
    order = np.argsort(Loss().score(view)[rows])
    assert np.array_equal(np.argsort(Quantile().score(view)[rows]), order)
    assert Quantile().diagnostics(view) == {"level": 0.9, "records": 50.0}


def test_its_loss_is_least_at_the_quantile() -> None:
    y = np.random.default_rng(4).standard_normal(20001)
    losses = {q: pinball(y, np.full(y.size, q), 0.9) for q in (0.9, 1.2816, 1.6)}
    assert min(losses, key=lambda q: losses[q]) == 1.2816
    one = pinball(np.array([1.0, 1.0]), np.array([0.0, 3.0]), 0.9)
    assert one == pytest.approx((0.9 * 1 + 0.1 * 2) / 2)


def test_without_features_it_says_what_it_lacks(simulated: MakeFamily) -> None:
    view, _ = simulated(np.random.default_rng(5), 1)[0]
    with pytest.raises(AttackError, match="regresses on frozen features"):
        Quantile().score(replace(view, features=None))
    with pytest.raises(AttackError, match=r"above 0\.5 and below 1"):
        Quantile(level=0.4)


def test_components_are_those_of_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    x = np.random.default_rng(6).standard_normal((50, 8)).astype(np.float32)
    new = np.random.default_rng(7).standard_normal((9, 8)).astype(np.float32)
    axes, theirs = principal(x, 3), PCA(3, whiten=True).fit(x.astype(np.float64))
    scale = np.sqrt(50 / 49)  # of deviations over n, and over n − 1
    expected = np.abs(theirs.transform(new)) * scale
    assert np.abs(axes.of(new)) == pytest.approx(expected, rel=1e-4)
    assert axes.of(x).std(axis=0) == pytest.approx(1.0)
    flat = principal(np.zeros((5, 3), np.float32), 2)
    assert flat.of(np.zeros((4, 3), np.float32)).shape == (4, 0)
    assert principal(np.empty((0, 3), np.float32), 2).of(x[:, :3]).shape == (50, 0)


def test_it_is_found_by_name() -> None:
    assert attacks.get("quantile") is Quantile and Quantile.needs == {"features"}
