"""Speed of the leakage statistics beside an obvious reference in the same run; nothing is timed by
assertion. Shown with `pytest tests/benchmarks --benchmark-enable --benchmark-only`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from radpriv.attacks import metrics
from radpriv.attacks.epsilon import one_run

Benchmark = Callable[..., Any]
M, R, V, DELTA = 10_000, 1_000, 800, 1e-6


def loop_bound() -> float:
    """The bound by a loop over i, one binomial mass at a time."""

    def p_value(epsilon: float) -> float:
        q = expit(epsilon)
        inside = worst = 0.0
        for i in range(1, V + 1):
            inside += binom.pmf(V - i, R, q)
            worst = max(worst, inside / i)
        return float(binom.sf(V - 1, R, q) + 2 * M * DELTA * worst)

    low, high = 0.0, 8.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(middle) <= 0.05 else (low, middle)
    return low


def pair_auc(scores: NDArray[np.float64], member: NDArray[np.bool_]) -> float:
    """The AUC over all pairs, a row of pairs at a time."""
    others = scores[~member]
    wins = [float((a > others).mean() + 0.5 * (a == others).mean()) for a in scores[member]]
    return float(np.mean(wins))


@pytest.fixture(scope="module")
def data() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(0)
    member = rng.random(M) < 0.5
    return np.round(rng.standard_normal(M) + member, 2), member


@pytest.mark.benchmark(group="one-run bound, m = 10,000, r = 1,000")
def test_one_run_bound(benchmark: Benchmark) -> None:
    assert 1.0 < benchmark(one_run.epsilon_lower, M, R, V, DELTA) < 1.4


@pytest.mark.benchmark(group="one-run bound, m = 10,000, r = 1,000")
def test_one_run_bound_by_a_loop(benchmark: Benchmark) -> None:
    found = benchmark.pedantic(loop_bound, rounds=1)  # type: ignore[attr-defined]
    assert found == pytest.approx(one_run.epsilon_lower(M, R, V, DELTA), abs=3e-6)


@pytest.mark.benchmark(group="AUC, 10,000 candidates")
def test_auc(benchmark: Benchmark, data: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
    assert benchmark(metrics.auc, *data) == pytest.approx(pair_auc(*data), abs=1e-12)


@pytest.mark.benchmark(group="AUC, 10,000 candidates")
def test_auc_by_pairs(
    benchmark: Benchmark, data: tuple[NDArray[np.float64], NDArray[np.bool_]]
) -> None:
    assert benchmark(pair_auc, *data) == pytest.approx(metrics.auc(*data), abs=1e-12)
