"""The white-box score: against obvious loops, against the ideal, and where real records drift."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr

from radpriv.attacks import metrics
from radpriv.attacks.attack import attacks, make_attack
from radpriv.attacks.epsilon.drift import learn
from radpriv.attacks.epsilon.ideal import SampledStep, ideal
from radpriv.attacks.epsilon.selection import best_bound
from radpriv.attacks.epsilon.white_box import WhiteBox, log_odds
from radpriv.attacks.view import Population, Projections, View
from radpriv.errors import AttackError

Floats = NDArray[np.float64]
SIGMA, NORM, RATE, STEPS, DELTA = 0.5, 0.8, 0.1, 25, 1e-5
NOISE = SIGMA / NORM


def shown(values: Floats, rate: float = RATE, norm_: float = NORM) -> Projections:
    full = np.full(len(values), 1.0)
    return Projections(values, norm_ * full, SIGMA * full, rate * full)


def observed(
    seed: int, m: int = 1000, rate: float = RATE, steps: int = STEPS
) -> tuple[Floats, NDArray[np.bool_]]:
    """Exactly the subsampled Gaussian mechanism, one coordinate per canary."""
    rng = np.random.default_rng(seed)
    member = rng.random(m) < 0.5
    drawn = member & (rng.random((steps, m)) < rate)
    return SIGMA * rng.standard_normal((steps, m)) + NORM * drawn, member


def view_of(values: Floats) -> View:
    m = values.shape[1]
    empty = np.zeros((m, 2), np.float32)
    return View(
        logits=empty,
        labels=empty,
        slots=np.arange(m),
        length=np.zeros(m, np.int32),
        similarity=np.zeros(m, np.float32),
        patient=("",) * m,
        references=(),
        population=Population(empty, empty),
        projections=shown(values),
    )


def test_pure_ratio_is_the_sum_of_log_densities() -> None:
    values, _ = observed(0, m=7)
    slow = np.zeros(7)
    for t, i in itertools.product(range(STEPS), range(7)):
        x = values[t, i]
        one = (1 - RATE) * norm.pdf(x, 0, SIGMA) + RATE * norm.pdf(x, NORM, SIGMA)
        slow[i] += math.log(one / norm.pdf(x, 0, SIGMA))
    np.testing.assert_allclose(
        log_odds(shown(values), stray=0.0, learn_drift=False), slow, rtol=1e-9
    )


def test_without_sampling_it_ranks_by_the_sum_over_steps() -> None:
    values, _ = observed(1, m=50, rate=1.0)
    scores = log_odds(shown(values, rate=1.0), stray=0.0, learn_drift=False)
    x = values.sum(axis=0) / SIGMA
    np.testing.assert_allclose(scores, x / NOISE - STEPS / (2 * NOISE**2), rtol=1e-9)


def posterior(columns: list[Floats], values: Floats) -> float:
    """log-odds of the first of g canaries on one coordinate: every coin and draw written out."""
    g = len(columns)
    odds = {True: 0.0, False: 0.0}
    for coins in itertools.product((False, True), repeat=g):
        likelihood = 1.0
        for x in values:
            step = 0.0
            for draws in itertools.product((False, True), repeat=g):
                p = math.prod(
                    (RATE if d else 1 - RATE) if c else float(not d) for c, d in zip(coins, draws)
                )
                step += p * norm.pdf(x, NORM * sum(draws), SIGMA)
            likelihood *= step
        odds[coins[0]] += likelihood
    return math.log(odds[True] / odds[False])


@pytest.mark.parametrize("g", [2, 3])
def test_canaries_on_one_coordinate_share_its_posterior(g: int) -> None:
    values, _ = observed(2, m=4)
    values[:, 1] += NORM * (np.random.default_rng(5).random(STEPS) < 0.3)
    together = np.column_stack([values] + [values[:, 1]] * (g - 1))
    scores = log_odds(shown(together), stray=0.0, learn_drift=False)
    expected = posterior([values[:, 1]] * g, values[:, 1])
    np.testing.assert_allclose(scores[[1, *range(4, 3 + g)]], expected, rtol=1e-9)
    alone = log_odds(shown(values), stray=0.0, learn_drift=False)
    np.testing.assert_allclose(scores[[0, 2, 3]], alone[[0, 2, 3]], rtol=1e-12)
    assert abs(alone[1] - expected) > 0.01  # as if it were alone, the score would be another


@pytest.mark.parametrize(("rate", "steps"), [(RATE, STEPS), (0.02, 200)])
def test_on_the_exact_mechanism_it_reaches_the_ideal_value(rate: float, steps: int) -> None:
    found = []
    for seed in range(24):
        values, member = observed(seed, 1000, rate, steps)
        found.append(best_bound(log_odds(shown(values, rate)), member, DELTA).epsilon)
    want = ideal([SampledStep(rate, NOISE, steps)], 1000, DELTA)
    error = math.hypot(1.25 * float(np.std(found)) / math.sqrt(24), want.error)
    assert abs(float(np.median(found)) - want.epsilon) < 4 * error < 0.4 * want.epsilon


def early(rng: np.random.Generator, m: int) -> Floats:
    """Large at the first steps, in some coordinates far more than in others."""
    size = 3 * SIGMA * rng.standard_t(2, m)
    return np.asarray(size * np.exp(-np.arange(STEPS) / 2.5)[:, None])


def scattered(rng: np.random.Generator, m: int) -> Floats:
    return np.asarray(0.5 * SIGMA * rng.standard_t(2.5, (STEPS, m)))


def lasting(rng: np.random.Generator, m: int) -> Floats:
    """A few courses over time, another mixture of them in each coordinate."""
    t = np.arange(STEPS) / STEPS
    courses = np.array([np.exp(-3 * t), np.sin(6 * t), 1 - 2 * t])
    return np.asarray(0.6 * SIGMA * courses.T @ rng.standard_normal((3, m)))


@pytest.mark.parametrize(
    ("drift", "spoiled", "mended"),
    [
        (early, (0.0, False), (1e-3, True)),
        (scattered, (0.0, True), (1e-3, True)),
        (lasting, (1e-3, False), (1e-3, True)),
    ],
)
def test_real_records_cost_less_than_they_cost_the_pure_ratio(
    drift: Callable[[np.random.Generator, int], Floats],
    spoiled: tuple[float, bool],
    mended: tuple[float, bool],
) -> None:
    """What real records add costs less than it costs the pure ratio."""
    bounds: dict[tuple[float, bool], list[float]] = {spoiled: [], mended: []}
    for seed in range(8):
        values, member = observed(seed)
        values = values + drift(np.random.default_rng(100 + seed), 1000)
        for how, found in bounds.items():
            found.append(best_bound(log_odds(shown(values), *how), member, DELTA).epsilon)
    assert np.mean(bounds[mended]) > 1.2 * np.mean(bounds[spoiled])


def test_learned_drift_gives_generalised_least_squares() -> None:
    """Without sampling a learned drift gives generalised least squares.

    With known covariance the best score of a mean shift is 1ᵀ Σ⁻¹ x.
    """
    rng = np.random.default_rng(11)
    steps, m = 30, 4000
    course = np.exp(-np.arange(steps) / 6.0)
    values, member = observed(11, m, 1.0, steps)
    values = values + 1.5 * SIGMA * np.outer(course, rng.standard_normal(m))
    sigma = SIGMA**2 * (np.eye(steps) + 2.25 * np.outer(course, course))
    best = np.linalg.solve(sigma, np.ones(steps)) @ values
    score = log_odds(shown(values, 1.0), 0.0)
    assert spearmanr(score, best).statistic > 0.995 > 0.97 > spearmanr(score, values.sum(0))[0]
    assert metrics.auc(score, member) > metrics.auc(values.sum(0), member)


def test_no_drift_is_learned_where_there_is_none() -> None:
    for seed, rate in itertools.product(range(5), (RATE, 1.0)):
        values, _ = observed(seed, rate=rate)
        full = np.ones(STEPS)
        found = learn(values / SIGMA, full / NOISE, rate * full)
        assert found.courses.shape == (STEPS, 0)
        assert (found.extra > 0).mean() < 0.2 and found.extra.max() < 0.25
    values, _ = observed(0)
    values = values + lasting(np.random.default_rng(0), 1000)
    assert 2 <= learn(values / SIGMA, full / NOISE, RATE * full).courses.shape[1] <= 3


def test_clean_values_keep_their_ratio() -> None:
    values, member = observed(3)
    pure, robust = (log_odds(shown(values), s, False) for s in (0.0, 1e-3))
    assert spearmanr(pure, robust).statistic > 0.999
    assert metrics.auc(robust, member) == pytest.approx(metrics.auc(pure, member), abs=0.002)


def test_value_that_nothing_explains_says_nothing() -> None:
    values, _ = observed(4, m=3)
    before = log_odds(shown(values))
    values[0] += 40 * SIGMA
    after = log_odds(shown(values))
    pure = log_odds(shown(values), 0.0, False)
    assert np.abs(after - before).max() < 2 < np.abs(pure - before).min()


def test_attack_is_registered_and_reads_the_view() -> None:
    values, member = observed(6, m=400)
    attack = make_attack("white_box", {})
    assert attacks.get("white_box") is WhiteBox and attack.on == "gradients"
    view = view_of(values)
    scores = attack.score(view)
    assert scores.dtype == np.float64 and scores.shape == (400,)
    np.testing.assert_array_equal(scores, log_odds(shown(values)))
    assert metrics.auc(scores, member) > 0.65
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_allclose(attack.score(view_of(values[:, order])), scores[order], atol=1e-9)
    pure, rows = WhiteBox(drift=False), np.arange(0, 400, 3)
    np.testing.assert_allclose(pure.score(view.only(rows)), pure.score(view)[rows], rtol=1e-12)


def test_nothing_is_finite_less_and_nothing_shown_says_nothing() -> None:
    values, _ = observed(7, m=5)
    for wild in (values * 1e6, values - 1e5, np.zeros_like(values)):
        for rate in (1e-6, 1.0):
            assert np.isfinite(log_odds(shown(wild, rate))).all()
    np.testing.assert_array_equal(log_odds(shown(values[:0])), np.zeros(5))
    np.testing.assert_allclose(log_odds(shown(values, norm_=0.0)), 0.0, atol=1e-12)


def test_unreadable_view_is_refused() -> None:
    """What the attack cannot read is refused."""
    values, _ = observed(8, m=5)
    bare = view_of(values)
    object.__setattr__(bare, "projections", None)
    with pytest.raises(AttackError, match="gradient"):
        WhiteBox().score(bare)
    one = np.ones(STEPS)
    with pytest.raises(AttackError, match="no noise"):
        log_odds(Projections(values, one, 0 * one, one))
    with pytest.raises(AttackError, match="stray"):
        WhiteBox(stray=1.0)
