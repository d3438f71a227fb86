"""k units together: the certificate at k = 1, a closed form unsampled, an integral for one step."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import binom, norm

from radpriv.benchmark.privacy.accounting import group as group_module
from radpriv.benchmark.privacy.accounting import pld
from radpriv.benchmark.privacy.accounting.calibration import certificate
from radpriv.benchmark.privacy.accounting.group import check_units, generic_bound, group_certificate
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError

LEDGER = (Group(512 / 20_000, 2.09, 390),)
DELTA = 1e-5


def test_one_unit_is_the_certificate_and_more_units_cost_more() -> None:
    values = [group_certificate(LEDGER, DELTA, k, 1.0) for k in (1, 2, 3, 5, 10)]
    assert values[0] == certificate(LEDGER, DELTA, 1.0)[0]
    assert all(a < b for a, b in pairwise(values))
    sampled = pld.epsilon(LEDGER, DELTA, 1e-3, 1)
    assert sampled == pytest.approx(values[0], rel=2e-3)


@pytest.mark.parametrize("k", [2, 5])
def test_unsampled_units_have_k_times_the_sensitivity(k: int) -> None:
    """Unsampled units are one Gaussian with k times the sensitivity.

    Balle & Wang 2018, Theorem 8, with sigma / k.
    """
    s = 20.0 / math.sqrt(9) / k

    def excess(e: float) -> float:
        return float(norm.cdf(0.5 / s - e * s) - math.exp(e) * norm.cdf(-0.5 / s - e * s) - DELTA)

    exact = float(brentq(excess, 0, 100))
    found = group_certificate((Group(1.0, 20.0, 9),), DELTA, k, 1.0)
    assert exact <= found <= 1.005 * exact


@pytest.mark.parametrize("k", [2, 5, 10])
def test_the_mixture_is_within_the_generic_bound(k: int) -> None:
    """At the generic bound's own δ; without its coins (k·C at the rate of one) it is not."""
    epsilon = certificate(LEDGER, DELTA, 1.0)[0]
    bound, delta = generic_bound(epsilon, DELTA, k)
    assert group_certificate(LEDGER, delta, k, epsilon) <= bound
    too_high = certificate((Group(min(1.0, k * 0.0256), 2.09 / k, 390),), delta, bound)[0]
    assert too_high > bound


@pytest.mark.parametrize("remove", [True, False])
@pytest.mark.parametrize(("rate", "sigma", "k"), [(0.3, 1.0, 2), (0.05, 0.6, 4)])
def test_one_step_is_the_integral(rate: float, sigma: float, k: int, remove: bool) -> None:
    p = binom.pmf(range(k + 1), k, rate)

    def mixed(x: float) -> float:
        return float(np.dot(p, norm.pdf(x, np.arange(k + 1), sigma)))

    def plain(x: float) -> float:
        return float(norm.pdf(x, 0, sigma))

    upper, lower = (mixed, plain) if remove else (plain, mixed)
    for e in (0.0, 0.3, 1.5):

        def rest(x: float, e: float = e) -> float:
            return max(0.0, upper(x) - math.exp(e) * lower(x))

        exact = quad(rest, -8 * sigma, k + 8 * sigma, limit=800, epsabs=1e-11)[0]
        found = pld.hockey_stick(np.array([e]), rate, sigma, k, remove)[0]
        assert found == pytest.approx(exact, abs=1e-8)
        one_fewer = pld.hockey_stick(np.array([e]), rate, sigma, k - 1, remove)[0]
        assert exact < 1e-12 or one_fewer < exact - 1e-6


@pytest.mark.parametrize("remove", [True, False])
@pytest.mark.parametrize(("rate", "sigma"), [(0.0256, 2.0), (1e-4, 0.4), (0.2, 100.0)])
def test_the_tails_of_a_step_are_those_of_the_library(
    rate: float, sigma: float, remove: bool
) -> None:
    from dp_accounting.pld import privacy_loss_mechanism as library

    kind = library.AdjacencyType.REMOVE if remove else library.AdjacencyType.ADD
    single = library.GaussianPrivacyLoss(sigma, sampling_prob=rate, adjacency_type=kind)
    ends = single.connect_dots_bounds()
    grid = np.linspace(ends.epsilon_lower, ends.epsilon_upper, 500)
    ours = pld.hockey_stick(grid, rate, sigma, 1, remove)
    assert np.abs(ours - single.get_delta_for_epsilon(grid)).max() < 1e-14


def test_the_worse_direction_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adding only, as a broken variant would: less than what removal gives."""
    both = group_certificate(LEDGER, DELTA, 3, 1.0)
    group_module._group.cache_clear()
    original = pld.hockey_stick

    def adding(*args: Any) -> Any:
        return original(*args[:4], remove=False)

    monkeypatch.setattr(pld, "hockey_stick", lambda *args, **_: adding(*args))
    assert group_certificate(LEDGER, DELTA, 3, 1.0) < 0.999 * both
    group_module._group.cache_clear()


def test_no_noise_is_infinite_and_nonsense_is_refused() -> None:
    assert math.isinf(group_certificate((Group(0.1, 0.0, 3),), DELTA, 2, 1.0))
    assert group_certificate((), DELTA, 5, 1.0) == 0.0
    for k in (0, -1, 1.5, True, 10**6):
        with pytest.raises(PrivacyError, match="whole number"):
            group_certificate(LEDGER, DELTA, k, 1.0)  # type: ignore[arg-type]


def test_up_to_a_hundred_units_may_change_together() -> None:
    check_units(1)
    check_units(100)
    for k in (0, 101, True, 1.0):
        with pytest.raises(PrivacyError, match="from 1 to 100"):
            check_units(k)  # type: ignore[arg-type]


def test_the_generic_bound_is_vadhan_s() -> None:
    assert generic_bound(0.0, 1e-5, 5) == (0.0, pytest.approx(5e-5))
    epsilon, delta = generic_bound(1.0, 1e-5, 3)
    assert epsilon == 3.0
    assert delta == pytest.approx(1e-5 * (1 + math.e + math.e**2))


def test_the_first_grid_for_two_units_fits_twice_the_epsilon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A grid that is fit for one unit's ε would have to be made again."""
    intervals = []

    def spent(work: object, delta: float, k: int, interval: float) -> float:
        intervals.append(interval)
        return 2.16

    monkeypatch.setattr(group_module, "_group", spent)
    assert group_certificate((Group(0.05, 1.0, 100),), 1e-5, 2, 1.0) == 2.16
    assert len(intervals) == 1


def test_loss_beyond_float64_is_no_answer_for_many_units_either() -> None:
    """A loss beyond float64 is no answer for many units either."""
    with pytest.raises(pld.NoAnswer, match="2 units together: PLD has no answer"):
        group_certificate((Group(0.1, 1e-6, 1),), 1e-5, 2, 1.0)
