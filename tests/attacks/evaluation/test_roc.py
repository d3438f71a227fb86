"""The curve equals the metric at each rate, and its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from radpriv.attacks import metrics
from radpriv.attacks.evaluation import roc
from radpriv.attacks.evaluation.roc import _Sorted, family_curve, grid


def simulated(rng: np.random.Generator, m: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    member = rng.random(m) < 0.5
    return rng.standard_normal(m) + shift * member, member


def test_grid_holds_the_rates_that_tables_show() -> None:
    assert {0.001, 0.01, 0.1, 1.0} <= set(grid().tolist())


def test_one_seed_gives_the_metrics_value_at_each_rate() -> None:
    """One seed gives at each rate what the metric gives, ties included."""
    rng = np.random.default_rng(1)
    scores, member = simulated(rng, 500, 1.0)
    for values in (scores, np.round(scores), np.zeros(500)):
        curve = family_curve([(values, member)], grid())
        wanted = [metrics.tpr_at_fpr(values, member, f) for f in grid()]
        np.testing.assert_allclose(curve.tpr, wanted, atol=1e-12)
        assert curve.advantage == pytest.approx(metrics.advantage(values, member))
        assert (curve.low <= curve.tpr).all() and (curve.tpr <= curve.high).all()


def test_seeds_are_averaged_at_the_poorest_resolution() -> None:
    """Seeds are averaged, and resolution is that of the poorest."""
    rng = np.random.default_rng(2)
    a, b = simulated(rng, 300, 2.0), simulated(rng, 300, 0.5)
    both = family_curve([a, b], grid())
    alone = [family_curve([s], grid()).tpr for s in (a, b)]
    np.testing.assert_allclose(both.tpr, np.mean(alone, axis=0))
    few = min(int((~m).sum()) for _, m in (a, b))
    assert both.resolvable.tolist() == [few >= 10 / f for f in grid()]


def test_weights_count_as_copies_of_a_candidate() -> None:
    rng = np.random.default_rng(3)
    scores, member = simulated(rng, 40, 1.0)
    weights = rng.integers(0, 4, 40)
    rows = np.repeat(np.arange(40), weights)
    found = _Sorted.of(scores, member).curves(weights[None].astype(float), grid())[0][0]
    wanted = [metrics.tpr_at_fpr(scores[rows], member[rows], f) for f in grid()]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_equal_scores_give_equal_numbers_on_every_run() -> None:
    seeds = [simulated(np.random.default_rng(4), 200, 1.0)] * 2
    one, two = family_curve(seeds, grid()), family_curve(seeds, grid())
    assert one.low.tobytes() == two.low.tobytes() and one.high.tobytes() == two.high.tobytes()


@pytest.mark.slow
def test_intervals_cover_the_true_rate_of_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nominal 95%: over 150 simulated sets, TPR at 5% and 10% FPR of a shift by one deviation."""
    monkeypatch.setattr(roc, "RESAMPLES", 200)
    rng, rates = np.random.default_rng(5), np.array([0.05, 0.1])
    truth = norm.sf(norm.isf(rates) - 1.0)
    inside = np.zeros(2)
    for _ in range(150):
        curve = family_curve([simulated(rng, 1000, 1.0)], rates)
        inside += (curve.low <= truth) & (truth <= curve.high)
    assert (inside / 150 >= 0.88).all(), inside / 150


def test_perfect_and_empty_answers_have_intervals_of_width() -> None:
    """Perfect separation and nothing found have intervals of some width."""
    member = np.arange(200) % 2 == 0
    perfect = [(member.astype(float), member)] * 2
    found = family_curve(perfect, np.array([0.1, 0.5, 1.0]))
    exact = binomtest(100, 100).proportion_ci(0.95)
    assert found.tpr.tolist() == [1, 1, 1] and found.high.tolist() == [1, 1, 1]
    np.testing.assert_allclose(found.low, [exact.low, exact.low, 1], rtol=1e-12)
    assert found.advantage == 1 and 0.9 < found.advantage_low < exact.low
    nothing = family_curve([(-member.astype(float), member)], np.array([0.1]))
    exact = binomtest(0, 100).proportion_ci(0.95)
    assert nothing.tpr[0] == 0 == nothing.low[0]
    np.testing.assert_allclose(nothing.high, [exact.high], rtol=1e-12)
