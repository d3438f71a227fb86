"""ε from independent runs: published values, exact limits, validity on known mechanisms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from radpriv.attacks.epsilon.clopper_pearson import (
    GuessCounts,
    best,
    ceiling,
    count,
    epsilon_lower,
    fewest_runs,
)
from radpriv.errors import AttackError


def test_reference_values_of_a_public_implementation() -> None:
    assert epsilon_lower(GuessCounts(300, 500, 50, 500), 1e-5) == pytest.approx(1.4547, abs=5e-5)
    assert epsilon_lower(GuessCounts(500, 500, 0, 500), 0.0, 0.99) == pytest.approx(
        4.541916, abs=1e-6
    )


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (120, 300)])
def test_limits_are_those_of_an_exact_test(k: int, n: int) -> None:
    low, high = GuessCounts(k, n, k, n).limits(0.95)
    exact = binomtest(k, n).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_opposite_guess_counts_as_well() -> None:
    # All members found, a third of the others too: TPR/FPR shows little, TNR/FNR much.
    counts = GuessCounts(500, 500, 170, 500)
    low, high = counts.limits(0.95)
    assert epsilon_lower(counts, 0.0) == pytest.approx(math.log((1 - high) / (1 - low)))
    assert epsilon_lower(counts, 0.0) > 3 > math.log(low / high)
    mirrored = GuessCounts(330, 500, 0, 500)
    assert epsilon_lower(mirrored, 0.0) == pytest.approx(epsilon_lower(counts, 0.0))


def test_delta_lowers_it_and_may_leave_nothing() -> None:
    counts = GuessCounts(10, 100, 0, 100)
    assert epsilon_lower(counts, 0.0) > epsilon_lower(counts, 0.01) > 0
    assert epsilon_lower(counts, 0.5) == 0.0


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_bound_passes_the_truth_in_five_percent_by_exact_sum(epsilon: float) -> None:
    """The bound passes the truth in at most five percent, by an exact sum.

    Randomised response over n + n runs: all counts and their probabilities, no simulation.
    """
    n = 40
    q = 1 / (1 + math.exp(-epsilon))
    above = sum(
        binom.pmf(a, n, q) * binom.pmf(b, n, 1 - q)
        for a in range(n + 1)
        for b in range(n + 1)
        if epsilon_lower(GuessCounts(a, n, b, n), 0.0) > epsilon
    )
    assert above <= 0.05
    whole_alpha = sum(  # α on either side in place of α/2, for the null: seen to fail
        binom.pmf(a, n, 0.5) * binom.pmf(b, n, 0.5)
        for a in range(n + 1)
        for b in range(n + 1)
        if epsilon_lower(GuessCounts(a, n, b, n), 0.0, confidence=0.5) > 0
    )
    assert whole_alpha > 0.05


def test_best_of_fixed_thresholds_is_corrected() -> None:
    rng = np.random.default_rng(1)
    member = rng.random(400) < 0.5
    scores = rng.standard_normal(400) + 2 * member
    found, at = best(scores, member, 1e-5, (0.0, 1.0, 2.0))
    each = 1 - 0.05 / 3
    assert found == max(
        epsilon_lower(count(scores, member, t), 1e-5, each) for t in (0.0, 1.0, 2.0)
    )
    assert found == epsilon_lower(count(scores, member, at), 1e-5, each)
    assert found < epsilon_lower(count(scores, member, at), 1e-5)
    with pytest.raises(AttackError, match="threshold"):
        best(scores, member, 1e-5, ())


def test_null_scores_pass_chosen_thresholds_in_five_percent() -> None:
    """Null scores with a choice of thresholds show something in at most five percent."""
    rng = np.random.default_rng(2)
    above = 0
    for _ in range(1000):
        member = rng.random(60) < 0.5
        if member.all() or not member.any():
            continue
        above += best(rng.standard_normal(60), member, 0.0, (-1.0, -0.5, 0.0, 0.5, 1.0))[0] > 0
    assert above <= 50


def test_guess_is_made_above_the_threshold_strictly() -> None:
    counts = count(np.array([0.0, 1.0, 1.0, 2.0]), np.array([True, True, False, False]), 1.0)
    assert counts == GuessCounts(0, 2, 1, 2)


def test_few_runs_show_nothing_and_it_is_known_how_few() -> None:
    assert fewest_runs() == 12
    assert ceiling(5, 5, 0.0) == 0.0 < ceiling(6, 6, 0.0)
    assert epsilon_lower(GuessCounts(0, 0, 0, 12), 1e-5) == 0.0


def test_counts_that_are_none_are_refused() -> None:
    with pytest.raises(AttackError):
        GuessCounts(3, 2, 0, 1)
    with pytest.raises(AttackError):
        epsilon_lower(GuessCounts(1, 2, 0, 1), 1.0)
    with pytest.raises(AttackError):
        epsilon_lower(GuessCounts(1, 2, 0, 1), 0.0, 1.0)
