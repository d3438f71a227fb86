"""The engine of the certificate: what a loss range is, and which grids are too long."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from radpriv.benchmark.privacy.accounting import pld
from radpriv.benchmark.privacy.accounting.calibration import certify
from radpriv.benchmark.privacy.accounting.ledger import Group

DELTA = 1e-5


def reach(steps: int) -> float:
    """Standard deviations at which both tails of a step together hold TAIL · δ / steps."""
    return float(norm.isf(0.5 * pld.TAIL * DELTA / steps))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.0])
def test_the_losses_of_an_unsampled_gaussian_span_its_line(sigma: float, k: int) -> None:
    """L(x) = (2kx - k²) / 2σ² from x = -zσ to zσ + k: symmetric about 0."""
    top = k * reach(1) / sigma + k * k / (2 * sigma * sigma)
    assert pld.widest((Group(1.0, sigma, 1),), DELTA, k) == pytest.approx(2 * top, rel=1e-9)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
def test_the_losses_of_a_sampled_gaussian_end_at_both_tails(sigma: float) -> None:
    """L(x) = ln(1 - q + q exp((2x - 1) / 2σ²)); never below ln(1 - q)."""
    q, z = 0.05, reach(20)
    top = math.log(1 - q + q * math.exp((2 * z * sigma + 1) / (2 * sigma * sigma)))
    bottom = max(math.log1p(-q), -(z / sigma + 1 / (2 * sigma * sigma)))
    assert pld.widest((Group(q, sigma, 20),), DELTA) == pytest.approx(top - bottom, rel=1e-9)


@pytest.mark.parametrize(("interval", "fits"), [(1.2e-4, False), (2.2e-4, True)])
def test_steps_may_compose_to_two_million_points(interval: float, fits: bool) -> None:
    """2.6 million are refused; 1.4 million are computed, within a second or two."""
    group = (Group(0.5, 1.0, 1600),)
    if fits:
        assert 10 < pld.epsilon(group, DELTA, interval) < 1000
    else:
        with pytest.raises(pld.TooFine, match="1600 steps need a loss grid of 2565"):
            pld.epsilon(group, DELTA, interval)


def test_two_kinds_of_step_may_not_compose_to_more_either() -> None:
    """Each alone is 1.6 million points; together they would be more than two."""
    both = (Group(0.5, 1.0, 1600), Group(0.5, 1.01, 1600))
    with pytest.raises(pld.TooFine, match=r"composed losses need 2[0-9]{6} points"):
        pld.epsilon(both, DELTA, 1.95e-4)


def test_a_loss_range_that_is_no_number_is_infinite() -> None:
    with np.errstate(all="ignore"):
        assert pld.widest((Group(0.5, 1e308, 1),), DELTA) == math.inf


def test_the_grid_of_a_step_begins_where_its_losses_do() -> None:
    """In both directions; a longer one says the same and costs more."""
    q, sigma, interval, z = 0.05, 1.0, 1e-3, reach(20)
    low, high = (
        math.log(1 - q + q * math.exp((2 * x - 1) / (2 * sigma * sigma)))
        for x in (-z * sigma, z * sigma + 1)
    )
    made = pld.mixture(q, sigma, 1, DELTA, 20, interval)
    for pmf, first, last in ((made._pmf_remove, low, high), (made._pmf_add, -high, -low)):
        assert pmf._lower_loss == pytest.approx(first / interval, abs=2)
        assert pmf._lower_loss + pmf.size == pytest.approx(last / interval, abs=3)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_beyond_float64_has_no_answer_in_one_line() -> None:
    with pytest.raises(
        pld.NoAnswer, match="noise multiplier 1e-06 the privacy loss leaves"
    ) as told:
        certify((Group(0.2, 1e-6, 1),), 1e-5, 1e9)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("delta", "answers"), [(1.9e-12, False), (2.1e-12, True)])
def test_a_thousandth_of_delta_may_be_lost_to_rounding(delta: float, answers: bool) -> None:
    """One step and one composition lose 1e-15 each."""
    if answers:
        assert certify((Group(1.0, 1.0, 1),), delta) > 0
    else:
        with pytest.raises(pld.NoAnswer, match="1 steps lose 2e-15 to rounding"):
            certify((Group(1.0, 1.0, 1),), delta)


@pytest.mark.parametrize(("seconds", "answers"), [(59.0, True), (61.0, False)])
def test_a_ledger_is_worked_on_for_a_minute(
    seconds: float, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, *[seconds] * 9])
    monkeypatch.setattr(pld, "time", SimpleNamespace(monotonic=lambda: next(now)))
    two = (Group(0.1, 1.0, 2), Group(0.2, 1.0, 2))
    if answers:
        assert pld.epsilon(two, DELTA, 1e-3) > 0
    else:
        with pytest.raises(pld.NoAnswer, match="1 took 60 s, the limit"):
            pld.epsilon(two, DELTA, 1e-3)


def test_no_loss_is_computed_with_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut = pld._cut(np.array([-2.0, math.log1p(-0.1), 0.0, 1.0, 900.0]), 0.1, 1.0, 1)
    assert np.isfinite(cut).all() and (np.diff(cut) >= 0).all()


@pytest.mark.parametrize(("points", "fits"), [(299_900, True), (300_100, False)])
def test_one_step_has_three_hundred_thousand_points_at_most(
    points: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More would not fit into 500 MB and two seconds (test_calibration.py)."""
    groups = (Group(0.1, 1.0, 10),)

    class Made(Exception):
        pass

    def made(*_: object) -> None:
        raise Made

    monkeypatch.setattr(pld, "_parts", made)
    with pytest.raises(Made if fits else pld.TooFine):
        pld.epsilon(groups, 1e-5, pld.widest(groups, 1e-5) / points)
