"""The searches inside a calibration: for a grid that fits, and for noise; and where they end."""

from __future__ import annotations

import math

import pytest

from radpriv.benchmark.privacy.accounting import calibration, pld
from radpriv.benchmark.privacy.accounting.calibration import calibrate, fitted, search
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError


def test_a_grid_that_is_always_too_fine_says_so() -> None:
    asked: list[float] = []

    def spent(interval: float) -> float:
        asked.append(interval)
        raise pld.TooFine("no")

    with pytest.raises(pld.TooFine):
        fitted(spent, (Group(0.1, 1.0, 10),), 1e-5, 1.0)
    assert len(asked) == 6 and asked == sorted(asked)


@pytest.mark.parametrize("value", [0.0, math.inf])
def test_no_grid_is_fitted_to_an_epsilon_that_has_no_size(value: float) -> None:
    asked: list[float] = []

    def spent(interval: float) -> float:
        asked.append(interval)
        return value

    assert fitted(spent, (Group(0.1, 1.0, 10),), 1e-5, 1.0) == (value, asked[0])
    assert len(asked) == 1


def test_a_guess_that_spends_the_budget_exactly_is_the_answer() -> None:
    asked: list[float] = []

    def spent(sigma: float) -> float:
        asked.append(sigma)
        return 1 / sigma

    assert search(spent, 1.0, 1.0, 1.05, 0.002) == 1.0 and asked == [1.0]


def test_false_position_that_creeps_is_helped_by_halving() -> None:
    """Where ε is flat on one side of a cliff, false position alone moves one end a little a turn:
    without every third turn's halving, 91 figures are asked for here.
    """
    asked: list[float] = []

    def spent(sigma: float) -> float:
        asked.append(sigma)
        flat = 0.5 + 0.5 * math.exp(-1000 * max(sigma - 1.3, 0.0))
        return flat if sigma > 1.3 else 1e3 * (1.3 / sigma) ** 2

    found = search(spent, 1.0, 40.0, 16.0, 0.002)
    assert len(asked) < 70
    assert 0.998 <= spent(found) <= 1.0


def test_the_clock_also_ends_the_fine_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first search, on a coarse grid, is quick here; then time is up."""
    now = [0.0]

    def slow(*given: object) -> float:
        found = search(*given)  # type: ignore[arg-type]
        now[0] += 61.0
        return found

    monkeypatch.setattr(calibration.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(calibration, "search", slow)
    calibrate.cache_clear()
    with pytest.raises(pld.NoAnswer, match="78 steps: none was found in 60 s"):
        calibrate(1.0, 1e-5, 0.07, 78)


def test_where_rdp_refuses_too_pld_s_reason_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(*_: object) -> float:
        raise pld.NoAnswer("too large")

    def refused(*_: object) -> float:
        raise PrivacyError("no order")

    monkeypatch.setattr(calibration.pld, "epsilon", no_answer)
    monkeypatch.setattr(calibration, "rdp", refused)
    with pytest.raises(pld.NoAnswer) as told:
        calibration.certify((Group(0.123, 4.57, 7),), 3e-6)
    assert str(told.value) == "PLD has no answer: too large"
