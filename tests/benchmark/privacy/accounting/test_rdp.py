"""RDP at the orders that small budgets need."""

from __future__ import annotations

import logging

import pytest
from dp_accounting import dp_event
from dp_accounting.rdp import RdpAccountant

from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.rdp import LARGE, _quiet, rdp

DELTA = 1e-5


def at(order: int, sigma: float) -> float:
    accountant = RdpAccountant([order])
    accountant.compose(dp_event.GaussianDpEvent(sigma))
    return float(accountant.get_epsilon(DELTA))


@pytest.mark.parametrize("order", [2048, 3072, 4096])
def test_each_large_order_is_tried_where_it_is_the_best(order: int) -> None:
    """It is for a Gaussian of 0.4 times as much noise."""
    sigma = 0.4 * order
    best = min((at(o, sigma), o) for o in (1024, *LARGE))
    assert best[1] == order
    assert rdp((Group(1.0, sigma, 1),), DELTA) == pytest.approx(best[0], rel=1e-9)


def test_large_orders_are_powers_of_two_and_their_one_and_a_half() -> None:
    """Large orders are two to the n, and one and a half times that."""
    assert sorted(LARGE) == [
        2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152, 65536, 98304,
    ]  # fmt: skip


def test_library_is_quiet_inside_and_as_loud_as_before_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library is quiet inside, and afterwards as loud as before."""
    logger = logging.getLogger("absl")
    monkeypatch.setattr(logger, "level", logging.INFO)
    with _quiet():
        assert logger.level == logging.ERROR
    assert logger.level == logging.INFO


@pytest.mark.parametrize(("sigma", "tables"), [(1.0, 1), (400.0, 2)])
def test_large_orders_are_tried_where_the_largest_other_is_best(
    sigma: float, tables: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large orders are asked only where the largest of the others is best."""
    asked: list[object] = []

    class Counted(RdpAccountant):
        def __init__(self, orders: object) -> None:
            asked.append(orders)
            super().__init__(orders)

    monkeypatch.setattr("dp_accounting.rdp.RdpAccountant", Counted)
    rdp((Group(1.0, sigma, 1),), DELTA)
    assert len(asked) == tables
