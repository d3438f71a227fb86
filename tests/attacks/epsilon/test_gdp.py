"""μ, ε and δ of Gaussian mechanisms against integrals, and the μ that counts show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from radpriv.attacks.epsilon import gdp
from radpriv.attacks.epsilon.clopper_pearson import GuessCounts
from radpriv.errors import AttackError


@pytest.mark.parametrize("mu", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 2.0])
def test_delta_is_the_hockey_stick_integral(epsilon: float, mu: float) -> None:
    # ∫ max(0, p(x) − e^ε p'(x)) dx, by quadrature beyond where the integrand turns positive.
    start = epsilon / mu + mu / 2
    value, _ = quad(lambda x: norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x), start, start + 12)
    assert gdp.delta_of(epsilon, mu) == pytest.approx(value, rel=1e-6, abs=1e-14)


@given(st.floats(0.01, 60.0), st.floats(1e-9, 1e-2))
def test_epsilon_and_mu_are_inverse(epsilon: float, delta: float) -> None:
    mu = gdp.mu_of(epsilon, delta)
    assert gdp.delta_of(epsilon, mu) == pytest.approx(delta, rel=1e-5)
    assert gdp.epsilon_of(mu, delta) == pytest.approx(epsilon, abs=1e-6)


def test_the_textbook_calibration_is_told_apart() -> None:
    textbook = 1.0 / math.sqrt(2 * math.log(1.25 / 1e-5))
    assert gdp.mu_of(1.0, 1e-5) > 1.25 * textbook


def test_no_leakage_is_epsilon_zero() -> None:
    assert gdp.epsilon_of(0.0, 1e-5) == 0.0
    assert gdp.delta_of(0.0, 0.0) == gdp.delta_of(3.0, 0.0) == 0.0


def test_counts_show_the_mu_behind_them_from_below() -> None:
    n, mu, threshold = 10_000_000, 1.5, 1.0
    tp, fp = round(n * norm.sf(threshold - mu)), round(n * norm.sf(threshold))
    found = gdp.mu_lower(GuessCounts(tp, n, fp, n))
    assert mu - 0.01 < found < mu


def test_null_counts_show_nothing_in_at_least_95_percent() -> None:
    rng = np.random.default_rng(3)
    draws = [GuessCounts(int(a), 500, int(b), 500) for a, b in rng.binomial(500, 0.1, (2000, 2))]
    above = sum(gdp.mu_lower(c) > 0 for c in draws)
    assert above <= 0.05 * 2000
    # What a public tool does, the absolute value on both sides, is seen to fail:
    wrong = sum(abs(norm.ppf(c.limits(0.95)[0]) - norm.ppf(c.limits(0.95)[1])) > 0 for c in draws)
    assert wrong > 1900


def test_perfect_and_empty_counts_are_numbers() -> None:
    assert 0 < gdp.mu_lower(GuessCounts(20, 20, 0, 20)) < 10
    assert gdp.mu_lower(GuessCounts(0, 20, 20, 20)) == gdp.mu_lower(GuessCounts(0, 0, 0, 0)) == 0.0


def test_the_auc_is_that_of_two_normals() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 400_000))
    assert gdp.auc_of(1.2) == pytest.approx((x + 1.2 > y).mean(), abs=4 * 0.5 / math.sqrt(400_000))
    assert gdp.auc_of(0.0) == pytest.approx(0.5)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for call in (
        lambda: gdp.epsilon_of(1.0, 0.0),
        lambda: gdp.mu_of(-1.0, 1e-5),
        lambda: gdp.delta_of(1.0, -1.0),
        lambda: gdp.mu_of(1.0, 1.0),
    ):
        with pytest.raises(AttackError):
            call()
