"""Exposure in bits: reference values, ties, scales, and a fit against slow integration."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skewnorm

from radpriv.attacks.extraction import bits
from radpriv.errors import AttackError

THOUSAND = np.arange(1.0, 1001.0)  # losses of 1,000 candidates in order


@pytest.mark.parametrize(("place", "expected"), [(1, 9.97), (10, 6.64), (1000, 0.0)])
@pytest.mark.parametrize("scale", [lambda x: x, lambda x: np.exp(x / 100)])
def test_places_in_a_thousand_have_their_exposure_by_rank(
    place: int, expected: float, scale: np.ufunc
) -> None:
    """First, tenth and last of a thousand, on the loss and on its exponential, show their bits."""
    losses = scale(THOUSAND)
    found = bits.exposure_by_rank(losses[place - 1], np.delete(losses, place - 1))
    assert found == pytest.approx(expected, abs=0.005)
    assert found == pytest.approx(math.log2(1000 / place), abs=1e-12)


def test_where_all_are_tied_about_one_bit_is_shown_and_not_all() -> None:
    assert bits.exposure_by_rank(2.0, np.full(999, 2.0)) == pytest.approx(math.log2(1000 / 500.5))
    assert bits.exposure_by_fit(2.0, np.full(999, 2.0), 10**6) == pytest.approx(1.0, abs=0.002)


def test_canary_counts_as_a_candidate_by_convention() -> None:
    """The canary is a candidate, and the other convention is at hand."""
    others = np.arange(1.0, 11.0)
    assert bits.exposure_by_rank(0.5, others) == pytest.approx(math.log2(11))
    assert bits.exposure_by_rank(0.5, others, space=10) == pytest.approx(3.3219, abs=1e-4)


@given(st.integers(-3, 3), st.lists(st.integers(-3, 3), min_size=1, max_size=12), st.randoms())
def test_rank_is_the_mean_place_over_all_orders_of_ties(
    truth: int, others: list[int], random: object
) -> None:
    """Oracle: count pair by pair; a tie is won half of the time."""
    place = 1.0
    for other in others:
        place += 1.0 if other < truth else 0.5 if other == truth else 0.0
    assert bits.rank(truth, np.array(others, float)) == place


def test_uniform_rank_shows_log2_e_bits_on_average() -> None:
    n = 1000
    every = [bits.exposure_by_rank(float(k), np.delete(np.arange(n), k)) for k in range(n)]
    exact = math.log2(n) - math.lgamma(n + 1) / math.log(2) / n
    assert np.mean(every) == pytest.approx(exact) and exact == pytest.approx(bits.CHANCE, abs=0.01)


@pytest.mark.parametrize("truth", [0.5, 2.0, 4.0])
def test_fit_is_the_density_integrated_to_thirty_digits(truth: float) -> None:
    """The fit is the density with those moments integrated to thirty digits.

    Oracle: the skew-normal density, integrated below the canary's loss.
    """
    losses = np.random.default_rng(3).gamma(9.0, 0.4, size=500)
    mean, deviation = losses.mean(), losses.std()
    skew = float(np.mean((losses - mean) ** 3)) / deviation**3
    alpha, location, scale = bits.skew_normal(mean, deviation, skew)
    with mpmath.workdps(30):

        def density(t: mpmath.mpf) -> mpmath.mpf:
            return 2 * mpmath.npdf(t) * mpmath.ncdf(alpha * t)

        z = (truth - location) / scale
        mass = mpmath.quad(density, [z - 30, z - 10, z - 4, z - 1, z - 0.2, z])
        expected = float(-mpmath.log(mass, 2))
    assert 0 < skew < 0.9 and expected > 0.3
    assert bits.exposure_by_fit(truth, losses) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("alpha", [-3.0, 0.0, 2.0])
def test_fit_has_the_moments_of_the_losses(alpha: float) -> None:
    mean, variance, skew = skewnorm.stats(alpha, 5.0, 2.0, moments="mvs")
    found = bits.skew_normal(float(mean), math.sqrt(variance), float(skew))
    np.testing.assert_allclose(found, (alpha, 5.0, 2.0), atol=1e-6)


def test_fit_agrees_with_the_share_that_does_as_well() -> None:
    """The fit agrees with the share of secrets that do as well.

    Oracle: a million losses of which the fit sees 20,000.
    """
    losses = skewnorm.rvs(2.0, 3.0, 1.5, size=1_000_000, random_state=np.random.default_rng(0))
    for quantile in (1e-4, 1e-2, 0.3):
        truth = float(np.quantile(losses, quantile))
        found = bits.exposure_by_fit(truth, losses[:20_000])
        assert found == pytest.approx(-math.log2(quantile), rel=0.1)


def test_fit_depends_on_the_scale_and_names_its_own() -> None:
    losses = np.random.default_rng(1).gamma(9.0, 0.3, size=999)
    on_loss = bits.exposure_by_fit(0.2, losses)
    on_perplexity = bits.exposure_by_fit(math.exp(0.2), np.exp(losses))
    assert bits.SCALE == "cross-entropy" and abs(on_loss - on_perplexity) > 2


def test_fit_never_shows_more_bits_than_the_secret_has() -> None:
    losses = np.random.default_rng(2).normal(5.0, 0.1, size=500)
    assert bits.exposure_by_fit(0.0, losses) == 1022
    assert bits.exposure_by_fit(0.0, losses, 10**6) == pytest.approx(math.log2(10**6))
    assert 0 <= bits.exposure_by_fit(9.0, losses) < 1e-6


def test_losses_that_do_not_rank_are_refused() -> None:
    for truth, others in ((math.nan, [1.0]), (1.0, [math.inf]), (1.0, []), (1.0, [[1.0]])):
        with pytest.raises(AttackError, match="one finite loss per other candidate"):
            bits.exposure_by_rank(truth, others)
