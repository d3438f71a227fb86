"""A certificate and a whole calibration; the first is on the path of every cell.

pytest tests/benchmarks/test_calibration_speed.py --benchmark-enable
"""

from __future__ import annotations

from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting.calibration import calibrate, certificate, certify
from radpriv.benchmark.privacy.accounting.ledger import Group

pytestmark = pytest.mark.benchmark(group="accounting")
CASES = [(1.0, 512 / 20_000, 390), (0.01, 512 / 20_000, 390), (0.1, 1e-4, 10_000)]


@pytest.mark.parametrize(("epsilon", "rate", "steps"), CASES)
def test_certificate(benchmark: Any, epsilon: float, rate: float, steps: int) -> None:
    groups = (Group(rate, calibrate(epsilon, 1e-5, rate, steps), steps),)

    def fresh() -> float:
        certify.cache_clear()
        return certificate(groups, 1e-5, epsilon)[0]

    assert benchmark.pedantic(fresh, rounds=3) <= epsilon


@pytest.mark.parametrize(("epsilon", "rate", "steps"), CASES[:2])
def test_calibration(benchmark: Any, epsilon: float, rate: float, steps: int) -> None:
    def fresh() -> float:
        certify.cache_clear()
        calibrate.cache_clear()
        return calibrate(epsilon, 1e-5, rate, steps)

    assert benchmark.pedantic(fresh, rounds=3) > 0
