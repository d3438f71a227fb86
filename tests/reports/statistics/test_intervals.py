from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from radpriv.reports.statistics.f1 import bootstrap_weights, count, resampled, weighted_f1
from radpriv.reports.statistics.intervals import (
    DIFFERENCE,
    SCORE,
    Pool,
    ResampledScore,
    estimate,
    pool_differences,
    pool_seeds,
)


def test_the_pooled_variance_is_the_one_worked_out_by_hand() -> None:
    # squares: (0.1² + 0 + 0.1²) = 0.02 with df 2; (0.05² + 0.05²) = 0.005 with df 1
    pool = pool_seeds([np.array([0.7, 0.8, 0.9]), np.array([0.5, 0.6]), np.array([0.4])])
    assert pool is not None
    assert pool.s2 == pytest.approx(0.025 / 3) and pool.df == 3 and pool.rows == 2


def test_the_half_width_is_t_times_the_root_of_both_variances() -> None:
    draws = np.array([0.7, 0.8, 0.9])
    e = estimate(ResampledScore(np.array([0.75, 0.85]), draws), Pool(0.004, 6, 3))
    assert e.v == pytest.approx(0.01)
    assert e.half == pytest.approx(stats.t.ppf(0.975, 6) * np.sqrt(0.004 / 2 + 0.01))
    assert (e.k, e.df, e.mean) == (2, 6, pytest.approx(0.8))


def test_interval_of_one_seed_without_a_pool() -> None:
    """One seed without a pool has patient variance only, and says so."""
    e = estimate(
        ResampledScore(np.array([0.8]), np.array([0.7, 0.8, 0.9])), pool_seeds([np.ones(1)])
    )
    assert e.half == pytest.approx(stats.norm.ppf(0.975) * 0.1)
    assert e.s2 is None and e.df is None
    assert e.flags == ("one seed: no seed variance",)


def test_one_seed_borrows_the_variance_of_rows_with_more_seeds() -> None:
    pool = pool_seeds([np.array([0.5]), np.array([0.6, 0.7])])
    e = estimate(ResampledScore(np.array([0.5]), np.array([0.5, 0.5])), pool)
    assert e.half == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(0.005)) and not e.flags


def test_interval_of_a_score_is_cut_to_0_and_1() -> None:
    """An interval of a score ends where no score can lie, and says so."""
    values = np.array([0.9, 0.96])
    pool = pool_seeds([values])
    e = estimate(ResampledScore(values, np.array([0.92, 0.93, 0.94])), pool, within=SCORE)
    assert e.half > 0.3 and e.mean == pytest.approx(0.93)  # t with one degree of freedom
    assert e.cut and (e.low, e.high) == (pytest.approx(0.93 - e.half), 1.0)
    assert e.flags == (f"by the formula ± {e.half:.2f}, cut to 0 to 1",)
    wild = np.array([0.1, 0.9])
    whole = estimate(ResampledScore(wild, np.array([0.4, 0.6])), pool_seeds([wild]), within=SCORE)
    assert (whole.low, whole.high) == (0, 1)


def test_interval_of_a_difference_is_cut_to_minus_1_and_1() -> None:
    """An interval of a difference is cut at −1 and 1 only."""
    values = np.array([-0.2, -0.1])
    e = estimate(
        ResampledScore(values, np.array([-0.16, -0.14])), pool_seeds([values]), within=DIFFERENCE
    )
    assert not e.cut and not e.flags and e.low == e.mean - e.half < -0.7
    values = np.array([-0.3, 0.3])
    e = estimate(
        ResampledScore(values, np.array([-0.1, 0.1])), pool_seeds([values]), within=DIFFERENCE
    )
    assert (e.low, e.high) == (-1, 1) and "cut to −1 to 1" in e.flags[0]


def test_interval_inside_its_range_is_not_cut() -> None:
    """What stays inside is not touched."""
    made = ResampledScore(np.array([0.75, 0.85]), np.array([0.75, 0.8, 0.85]))
    free = estimate(made, Pool(0.0001, 40, 3))
    bound = estimate(made, Pool(0.0001, 40, 3), within=SCORE)
    assert (free.low, free.high, free.flags) == (bound.low, bound.high, bound.flags)
    assert not bound.cut and bound.high == bound.mean + bound.half


def test_interval_of_equal_resamples_is_degenerate() -> None:
    """A score of one in every resample is degenerate and not NaN."""
    e = estimate(ResampledScore(np.ones(1), np.ones(100)), None)
    assert (e.low, e.high) == (1, 1)
    assert "degenerate: every resample agrees" in e.flags


def test_the_share_of_undefined_resamples_is_shown() -> None:
    draws = np.array([np.nan] * 25 + [0.4, 0.6, 0.8] * 25)
    e = estimate(ResampledScore(np.array([0.6]), draws), None)
    assert e.undefined == 0.25 and np.isfinite(e.half)
    assert "undefined in 25.0% of the resamples" in e.flags


def test_an_undefined_score_is_flagged_and_never_zero() -> None:
    e = estimate(ResampledScore(np.array([np.nan]), np.full(10, np.nan)), None)
    assert not e.defined and any("undefined" in f for f in e.flags)


def test_difference_pool_of_two_rows() -> None:
    """It is the variance of their differences."""
    rows = np.array([[0.7, 0.8, 0.75], [0.6, 0.65, 0.7]])
    pool = pool_differences([rows])
    assert pool is not None
    assert pool.s2 == pytest.approx((rows[0] - rows[1]).var(ddof=1)) and pool.df == 2


def test_the_difference_pool_counts_only_independent_differences() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 3))
    pool = pool_differences([rows])
    pairs = [(rows[i] - rows[j]).var(ddof=1) for i in range(4) for j in range(i)]
    assert pool is not None
    assert pool.df == 6
    assert pool.s2 == pytest.approx(np.mean(pairs))


def coverage(wobble: float, shared: float) -> float:
    """Coverage over 400 repetitions of 4 rows × 3 seeds on 300 fresh patients.

    wobble: standard deviation of a seed's sensitivity.  shared: share of the records whose
    difficulty is the same for every seed; the others are drawn anew by each seed.
    """
    rng = np.random.default_rng(11)
    rate, alarms, patients, seeds = 0.2, 0.03, 300, 3
    levels = np.array([0.5, 0.6, 0.7, 0.8])
    many = levels[:, None] + wobble * rng.normal(size=20_000)
    truth = (2 * rate * many / (rate * many + (1 - rate) * alarms + rate)).mean(axis=1)
    covered = []
    for repetition in range(400):
        y = (rng.random((patients, 1)) < rate).astype(np.float32)
        weights = bootstrap_weights(f"repetition {repetition}", patients, 200)
        difficulty, fixed = rng.random(y.shape), rng.random(y.shape) < shared
        measured = []
        for level in levels:
            values, draws = [], []
            for _ in range(seeds):
                hard = np.where(fixed, difficulty, rng.random(y.shape))
                pred = hard < np.where(y == 1, level + wobble * rng.normal(), alarms)
                c = count(y, pred, np.arange(patients))
                values.append(weighted_f1(c.total()))
                draws.append(weighted_f1(resampled(c, weights)))
            measured.append(ResampledScore(np.array(values), np.mean(draws, axis=0)))
        pool = pool_seeds([m.values for m in measured])
        for m, value in zip(measured, truth):
            e = estimate(m, pool)
            covered.append(e.low <= value <= e.high)
    assert len(covered) == 400 * len(levels)
    return float(np.mean(covered))


@pytest.mark.slow
@pytest.mark.parametrize("wobble", [0.02, 0.05, 0.1])
def test_nominal_95_percent_intervals_cover_92_to_98_percent(wobble: float) -> None:
    assert 0.92 <= coverage(wobble, shared=0.9) <= 0.98


@pytest.mark.slow
def test_interval_errs_to_the_wide_side() -> None:
    """Seeds that share no difficult record make the interval too wide, not too narrow."""
    assert coverage(0.02, shared=0.0) >= 0.95
