"""The f-DP one-run figure: published values, the pure-DP case, exact small games, what it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm

from radpriv.attacks.epsilon import fdp, gdp, one_run
from radpriv.errors import AttackError


@pytest.mark.parametrize(
    ("v", "expected"), [(90, 2.45641), (95, 3.3233), (99, 4.72672), (100, 5.54903)]
)
def test_reference_values_of_a_public_implementation(v: int, expected: float) -> None:
    assert fdp.epsilon(1000, 100, v, 1e-5, True).epsilon == pytest.approx(expected, abs=1e-5)


def pure(epsilon: float) -> fdp.Curve:
    """The curve of (ε, 0)-DP: e^−ε x, or 1 − e^ε (1 − x) where that is more."""
    return lambda x: max(math.exp(-epsilon) * x, 1 - math.exp(epsilon) * (1 - x))


def loop_rejects(mu: float, m: int, r: int, v: int, alpha: float, bug: str = "") -> bool:
    """The recursion with no early end, in plain steps by scipy; `bug` breaks one of them."""
    right = dict.fromkeys(range(v + 1), 0.0)
    wrong = dict(right)
    right[v], wrong[v] = alpha * v / m, alpha * (r - v) / m
    for i in range(v - 1, -1, -1):
        shift = mu / 2 if bug == "half" else mu
        least = float(norm.cdf(norm.ppf(min(right[i + 1], 1.0)) - shift))
        wrong[i] = max(wrong[i + 1], least)
        weight = (i + 1) / (r - i - 1) if bug == "index" and i < r - 1 else i / (r - i)
        right[i] = right[i + 1] + (wrong[i] - wrong[i + 1]) * weight
    return right[0] + wrong[0] > r / m


@given(
    st.integers(5, 60).flatmap(lambda r: st.tuples(st.just(r), st.integers(r, 120))),
    st.floats(0.5, 1.0),
    st.floats(0.05, 4.0),
)
def test_obvious_loop_decides_alike(sizes: tuple[int, int], share: float, mu: float) -> None:
    r, m = sizes
    v = int(share * r)
    edge = fdp.mu_lower(m, r, v)
    if abs(edge - mu) > 1e-5:
        assert fdp.rejects(fdp.gaussian(mu), m, r, v, 0.05) is loop_rejects(mu, m, r, v, 0.05)
        assert (mu < edge) is fdp.rejects(fdp.gaussian(mu), m, r, v, 0.05)


@pytest.mark.parametrize("bug", ["half", "index"])
def test_loop_tells_wrong_variants_apart(bug: str) -> None:
    m, r, v = 1000, 100, 95
    edge = fdp.mu_lower(m, r, v)
    assert loop_rejects(edge - 1e-5, m, r, v, 0.05) and not loop_rejects(edge + 1e-5, m, r, v, 0.05)
    assert any(
        loop_rejects(mu, m, r, v, 0.05, bug) is not loop_rejects(mu, m, r, v, 0.05)
        for mu in np.linspace(0.8 * edge, 1.25 * edge, 40)
    )


@pytest.mark.parametrize(("m", "r", "v"), [(100, 100, 70), (400, 50, 45), (1000, 100, 100)])
def test_pure_curve_never_beats_the_exact_binomial_bound(m: int, r: int, v: int) -> None:
    """On the pure curve the f-DP bound never beats the exact binomial bound."""
    # For (ε, 0)-DP the most likely way to v right guesses is known: independent ones (one_run.py).
    exact = one_run.epsilon_lower(m, r, v, 0.0)
    assert not fdp.rejects(pure(exact + 1e-5), m, r, v, 0.05)
    assert fdp.rejects(pure(0.6 * exact), m, r, v, 0.05)  # and is not much looser


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.5, 3.0])
def test_gaussian_coins_are_rejected_no_more_than_alpha(mu: float) -> None:
    """Independent Gaussian coins are rejected no more often than alpha."""
    # r = m coins behind N(0 or μ, 1) each: the best guess is right with probability Φ(μ/2), so the
    # probability of a false rejection is known without simulation.
    m = 200
    first = next(v for v in range(m + 2) if v > m or fdp.mu_lower(m, m, v) > mu)
    assert binom.sf(first - 1, m, norm.cdf(mu / 2)) <= 0.05


def test_more_right_guesses_show_more_and_less_confidence_too() -> None:
    values = [fdp.mu_lower(500, 100, v) for v in range(0, 101, 5)]
    assert values == sorted(values) and values[0] == 0.0 < values[-1]
    assert fdp.mu_lower(500, 100, 90, 0.99) < fdp.mu_lower(500, 100, 90, 0.9)
    assert fdp.ceiling(500, 100, 1e-5) == gdp.epsilon_of(values[-1], 1e-5)


def test_chance_shows_nothing() -> None:
    assert fdp.mu_lower(1000, 100, 50) == fdp.mu_lower(1000, 100, 0) == fdp.mu_lower(9, 0, 0) == 0


def test_figure_says_whether_it_is_a_bound() -> None:
    assert fdp.epsilon(1000, 100, 95, 1e-5, gaussian=True).kind == "bound"
    assert fdp.epsilon(1000, 100, 95, 1e-5, gaussian=False).kind == "estimate"


@pytest.mark.parametrize(
    ("arguments", "words"), [((10, 20, 5, 0.95), "v ≤ r ≤ m"), ((10, 5, 5, 1.0), "confidence")]
)
def test_numbers_that_make_no_sense_are_refused(
    arguments: tuple[int, int, int, float], words: str
) -> None:
    with pytest.raises(AttackError, match=words):
        fdp.mu_lower(*arguments)
