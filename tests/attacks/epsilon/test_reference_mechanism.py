"""Known mechanisms: their noise, their AUC, and that an audit reads them as it should."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

from radpriv.attacks import metrics
from radpriv.attacks.epsilon import gdp, reference_mechanism
from radpriv.attacks.epsilon.selection import best_bound
from radpriv.errors import AttackError

DELTA = 1e-5


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 10.0])
def test_gaussian_scores_are_coins_behind_the_calibrated_noise(epsilon: float) -> None:
    member = np.random.default_rng(0).random(20_000) < 0.5
    scores = reference_mechanism.gaussian_scores(member, epsilon, DELTA, "test", 1)
    mu = gdp.mu_of(epsilon, DELTA)
    assert kstest((scores - member) * mu, "norm").pvalue > 1e-3
    assert gdp.delta_of(epsilon, mu) == pytest.approx(DELTA, rel=1e-6)
    error = 0.5 / math.sqrt(10_000)
    assert metrics.auc(scores, member) == pytest.approx(
        reference_mechanism.auc(epsilon, DELTA), abs=4 * error
    )


def test_noise_depends_on_the_name_alone() -> None:
    member = np.zeros(50, dtype=bool)
    one = reference_mechanism.gaussian_scores(member, 1.0, DELTA, "a", 0)
    np.testing.assert_array_equal(
        one, reference_mechanism.gaussian_scores(member, 1.0, DELTA, "a", 0)
    )
    assert not np.array_equal(one, reference_mechanism.gaussian_scores(member, 1.0, DELTA, "a", 1))
    other = reference_mechanism.gaussian_scores(~member, 1.0, DELTA, "a", 0)
    np.testing.assert_allclose(other - one, 1.0)


def test_the_audit_reads_what_is_expected_of_it() -> None:
    found = []
    for seed in range(60):
        member = np.random.default_rng(seed).random(500) < 0.5
        scores = reference_mechanism.gaussian_scores(member, 4.0, DELTA, "reads", seed)
        found.append(best_bound(scores, member, DELTA).epsilon)
    want = reference_mechanism.expected(500, 4.0, DELTA)
    error = math.hypot(1.25 * float(np.std(found)) / math.sqrt(60), want.error)
    assert abs(float(np.median(found)) - want.epsilon) < 4 * error < want.epsilon < 4.0


def test_randomised_response_tells_the_truth_as_often_as_it_may() -> None:
    member = np.random.default_rng(1).random(40_000) < 0.5
    scores = reference_mechanism.randomised_response_scores(member, 1.0, "rr")
    share = float((scores == member).mean())
    assert share == pytest.approx(1 / (1 + math.exp(-1)), abs=4 * 0.5 / 200)
    assert set(np.unique(scores)) == {0.0, 1.0}


def test_uniforms_never_reach_an_end() -> None:
    u = reference_mechanism.uniforms(100_000, "u")
    assert u.min() > 0 and u.max() < 1 and kstest(u, "uniform").pvalue > 1e-3


def test_what_is_no_coin_and_no_epsilon_is_refused() -> None:
    with pytest.raises(AttackError, match="booleans"):
        reference_mechanism.gaussian_scores(np.zeros(3), 1.0, DELTA)
    with pytest.raises(AttackError, match="epsilon"):
        reference_mechanism.randomised_response_scores(np.zeros(3, bool), math.inf)
