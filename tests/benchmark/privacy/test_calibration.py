"""Noise for an ε: never above the budget, never wasteful, against known values and closed forms."""

from __future__ import annotations

import math

import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from radpriv.benchmark.privacy.calibration import calibrate, certificate, certify, discretization
from radpriv.benchmark.privacy.ledger import Group
from radpriv.errors import PrivacyError

Q = 512 / 20_000


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 8.0, 10.0])
@pytest.mark.parametrize(("rate", "steps"), [(Q, 390), (0.2, 150), (1.0, 60)])
def test_the_certificate_meets_the_budget_and_wastes_at_most_half_a_percent(
    epsilon: float, rate: float, steps: int
) -> None:
    sigma = calibrate(epsilon, 1e-5, rate, steps)
    spent, _ = certificate((Group(rate, sigma, steps),), 1e-5, epsilon)
    assert 0.995 * epsilon <= spent <= epsilon


@pytest.mark.parametrize(
    ("epsilon", "sigma", "tolerance"), [(1.0, 2.08, 0.02), (0.1, 15.6, 0.1), (0.01, 123.3, 0.3)]
)
def test_noise_multipliers_are_those_of_a_fine_pld(
    epsilon: float, sigma: float, tolerance: float
) -> None:
    assert calibrate(epsilon, 1e-5, Q, 390) == pytest.approx(sigma, abs=tolerance)


def gaussian_epsilon(sigma: float, steps: int, delta: float) -> float:
    """Unsampled Gaussians (Balle & Wang 2018, Theorem 8): as one with sigma / sqrt(steps)."""
    s = sigma / math.sqrt(steps)

    def excess(e: float) -> float:
        upper = norm.cdf(0.5 / s - e * s)
        return float(upper - math.exp(e) * norm.cdf(-0.5 / s - e * s) - delta)

    return float(brentq(excess, 0, 200))


@pytest.mark.parametrize(("sigma", "steps"), [(10.0, 10), (5.0, 1), (30.0, 60)])
def test_without_sampling_the_certificate_is_the_closed_form(sigma: float, steps: int) -> None:
    exact = gaussian_epsilon(sigma, steps, 1e-5)
    spent, _ = certificate((Group(1.0, sigma, steps),), 1e-5, exact)
    assert exact <= spent * (1 + 1e-9)
    assert spent <= exact * 1.005
    if (sigma, steps) == (10.0, 10):
        assert spent == pytest.approx(1.1994, abs=0.002)


def test_one_step_fewer_than_run_would_be_found() -> None:
    sigma = calibrate(1.0, 1e-5, 0.2, 150)
    assert certificate((Group(0.2, sigma, 151),), 1e-5, 1.0)[0] > 1.0


def test_more_steps_than_calibrated_cost_what_they_cost() -> None:
    assert certify((Group(Q, 0.72, 390),), 1e-5) == pytest.approx(7.01, abs=0.03)
    assert certify((Group(Q, 0.72, 468),), 1e-5) == pytest.approx(7.59, abs=0.03)


def test_the_grid_follows_epsilon() -> None:
    assert discretization(0.01) == pytest.approx(1e-5)
    assert discretization(10.0) == 1e-3
    coarse = certify((Group(Q, 123.25, 390),), 1e-5, 1e-4)
    fine = certificate((Group(Q, 123.25, 390),), 1e-5, 0.01)[0]
    assert coarse == pytest.approx(0.010223, abs=2e-6)
    assert fine == pytest.approx(0.010008, abs=2e-6)


def test_infinite_epsilon_needs_no_noise_and_nonsense_is_refused() -> None:
    assert calibrate(math.inf, 1e-5, 0.2, 10) == 0.0
    assert certify((), 1e-5) == 0.0
    for bad in (
        (0.0, 0.2, 10),
        (-1.0, 0.2, 10),
        (math.nan, 0.2, 10),
        (1.0, 0.0, 10),
        (1.0, 0.2, 0),
    ):
        with pytest.raises(PrivacyError):
            calibrate(bad[0], 1e-5, bad[1], int(bad[2]))
