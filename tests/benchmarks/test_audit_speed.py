"""Speed of a whole one-run audit over 10,000 canaries, beside references in the same run.

    pytest tests/benchmarks/test_audit_speed.py --benchmark-enable --benchmark-only

The reference is vectorised NumPy and SciPy without the audit's short cuts: every binomial tail of
every trial ε, and the f-DP recursion for all trial μ at once. Where `jax-privacy` is installed
(`tox -e oracles`) its `auditing` runs on the same scores: at one threshold, and, as it is meant to
be used, over all of them. Nothing is timed by assertion but for the last test here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri
from scipy.stats import binom

from radpriv.attacks.epsilon import gdp, selection
from radpriv.attacks.epsilon.audit_report import audit
from radpriv.attacks.epsilon.ideal import SampledStep, ideal
from radpriv.attacks.epsilon.selection import best_bound, guess_counts, right
from radpriv.attacks.epsilon.white_box import log_odds
from radpriv.attacks.view import Projections

Benchmark = Callable[..., Any]
Scores = tuple[NDArray[np.float64], NDArray[np.bool_]]
M, DELTA = 10_000, 1e-6
EACH = 0.05 / 5


@pytest.fixture(scope="module")
def data() -> Scores:
    rng = np.random.default_rng(0)
    member = rng.random(M) < 0.5
    return rng.standard_normal(M) + 1.5 * member, member


def forget() -> None:
    selection.lower.cache_clear()
    selection.best_ceiling.cache_clear()


def cold(data: Scores, how: Any) -> float:
    """The best of the grid with its ceiling and price, and nothing remembered."""
    forget()
    return best_bound(*data, DELTA, how=how).epsilon


def plain_one_run(data: Scores) -> float:
    """The same, each bound by bisection on whole arrays of binomial tails."""

    def p_value(r: int, v: int, epsilon: float) -> float:
        i = np.arange(0, v + 1)
        tails = binom.sf(v - i - 1, r, expit(epsilon))
        return float(tails[0] + 2 * M * DELTA * ((tails[1:] - tails[0]) / i[1:]).max())

    def bound(r: int, v: int) -> float:
        low, high = 0.0, 16.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (middle, high) if p_value(r, v, middle) <= EACH else (low, middle)
        return low

    grid = guess_counts(M)
    ceilings = [bound(r, r) for r in grid]
    return max([bound(r, v) for r, v in zip(grid, right(*data, grid))]) + 0 * max(ceilings)


def plain_fdp(data: Scores) -> float:
    """The same figure by three grids of 64 μ, each recursion for all of them and to the end."""

    def largest(r: int, v: int) -> float:
        low, high = 0.0, 16.0
        for _ in range(4):
            mu = np.linspace(low, high, 64)
            good, bad = np.full(64, EACH * v / M), np.full(64, EACH * (r - v) / M)
            for i in range(v - 1, -1, -1):
                least = np.maximum(bad, ndtr(ndtri(np.minimum(good, 1.0)) - mu))
                good, bad = good + (least - bad) * i / (r - i), least
            passed = int((good + bad > r / M).sum())
            low, high = mu[max(passed - 1, 0)], mu[min(passed, 63)]
        return float(low)

    grid = guess_counts(M)
    return gdp.epsilon_of(max(largest(r, v) for r, v in zip(grid, right(*data, grid))), DELTA)


@pytest.mark.benchmark(group="one-run bound, best of a grid, 10,000 canaries")
def test_one_run(benchmark: Benchmark, data: Scores) -> None:
    assert 2 < benchmark(cold, data, "one_run") < 4


@pytest.mark.benchmark(group="one-run bound, best of a grid, 10,000 canaries")
def test_one_run_in_plain_numpy(benchmark: Benchmark, data: Scores) -> None:
    found = benchmark.pedantic(plain_one_run, (data,), rounds=1)  # type: ignore[attr-defined]
    assert found == pytest.approx(cold(data, "one_run"), abs=3e-6)


@pytest.mark.benchmark(group="f-DP figure, best of a grid, 10,000 canaries")
def test_fdp(benchmark: Benchmark, data: Scores) -> None:
    assert 3 < benchmark(cold, data, "fdp") < 7


@pytest.mark.benchmark(group="f-DP figure, best of a grid, 10,000 canaries")
def test_fdp_in_plain_numpy(benchmark: Benchmark, data: Scores) -> None:
    found = benchmark.pedantic(plain_fdp, (data,), rounds=1)  # type: ignore[attr-defined]
    assert found == pytest.approx(cold(data, "fdp"), abs=1e-3)


@pytest.fixture(scope="module")
def peer(data: Scores) -> Any:
    auditing = pytest.importorskip(
        "jax_privacy.auditing", reason="jax-privacy is not installed: tox -e oracles"
    )
    scores, member = data
    return auditing, auditing.CanaryScoreAuditor(scores[member], scores[~member])


@pytest.mark.benchmark(group="one-run bound, best of a grid, 10,000 canaries")
def test_one_run_by_jax_privacy_over_its_thresholds(benchmark: Benchmark, peer: Any) -> None:
    assert benchmark.pedantic(peer[1].epsilon_one_run, (0.05, DELTA), rounds=3) > 1.5  # type: ignore[attr-defined]


@pytest.mark.benchmark(group="f-DP figure, best of a grid, 10,000 canaries")
def test_fdp_by_jax_privacy_over_its_thresholds(benchmark: Benchmark, peer: Any) -> None:
    assert benchmark.pedantic(peer[1].epsilon_one_run_fdp, (0.05, DELTA), rounds=3) > 2.5  # type: ignore[attr-defined]


@pytest.mark.benchmark(group="the whole audit, 10,000 canaries")
def test_every_figure(benchmark: Benchmark, data: Scores) -> None:
    def whole() -> float:
        forget()
        return audit([data[0]], [data[1]], DELTA).one_run.epsilon

    assert 2 < benchmark(whole) < 4


@pytest.mark.benchmark(group="the ideal value, 10,000 canaries, 3,000 steps")
def test_ideal_value(benchmark: Benchmark) -> None:
    def value() -> float:
        forget()
        return ideal([SampledStep(0.01, 1.0, 3000)], M, DELTA).epsilon

    assert benchmark(value) > 0.5


@pytest.mark.benchmark(group="the white-box score, 10,000 canaries, 300 steps")
def test_white_box_score(benchmark: Benchmark) -> None:
    values = np.random.default_rng(0).standard_normal((300, M))
    one = np.ones(300)
    seen = Projections(values, one, one, 0.1 * one)
    assert np.isfinite(benchmark(log_odds, seen)).all()


def test_one_run_audit_of_ten_thousand_takes_under_a_second(data: Scores) -> None:
    """A one-run audit over ten thousand canaries takes less than a second."""
    start = time.process_time()
    cold(data, "one_run")
    best_bound(*data, DELTA, how="fdp")
    assert time.process_time() - start < 1.0
