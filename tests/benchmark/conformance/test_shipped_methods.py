"""The shipped methods hold every check, and a stock one is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.conformance import replay
from radpriv.benchmark.conformance.check_method import STEPS, check_method, check_names
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import methods

SHIPPED = ["dp_bow", "dp_linear_probe", "dp_lora"]
STOCK = Path(__file__).parents[3] / "benchmark" / "conformance" / "stock_opacus.py"


@pytest.mark.parametrize("unit", ["report", "patient"])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("dp_bow", {}),
        ("dp_linear_probe", {"solver": "sgd"}),
        ("dp_linear_probe", {"solver": "least_squares"}),
        ("dp_linear_probe", {"solver": "output"}),
        ("dp_lora", {}),
    ],
)
def test_every_shipped_private_method_passes_for_both_units(
    name: str, params: dict[str, Any], unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For patients the runs share their features; for reports each run makes its own."""
    if unit == "patient":
        shared = FeatureCache(None)
        monkeypatch.setattr(replay, "FeatureCache", lambda folder: shared)
    report = check_method(name, methods.get(name)(**params), (unit,), (8.0,))
    assert report.passed, report.verdicts
    assert report.standing == "by construction"
    assert tuple(v.check for v in report.verdicts) == check_names(methods.get(name)(**params))


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["bert", "albert"])
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_private_methods_pass_at_both_budgets(name: str, encoder: str) -> None:
    """Every shipped private method passes at both budgets on both encoders."""
    report = check_method(name, methods.get(name)(), encoder=encoder)
    assert report.passed and len(report.verdicts) == 9 * 2 + 7 * 2


def test_registry_has_no_private_method_that_is_not_replayed() -> None:
    """The registry holds no private method that is not replayed."""
    assert [n for n in methods.names() if methods.get(n).private and n.startswith("dp_")] == SHIPPED


@pytest.mark.skipif(not STOCK.is_file(), reason="the source tree lies elsewhere")
@pytest.mark.parametrize(
    ("batch", "words"), [(16, "another sampling rate"), (13, "head.safetensors differs")]
)
def test_stock_opacus_follows_the_number_of_records(batch: int, words: str) -> None:
    names = [n for n in methods.names() if n == "stock_opacus"] or methods.load_file(str(STOCK))
    report = check_method(
        names[0],
        methods.get(names[0])(batch=batch),
        epsilons=(8.0,),
    )
    found = {v.check: v for v in report.verdicts}
    assert found["sensitivity"].passed and found["certificate"].passed
    assert not found["nothing else"].passed and words in found["nothing else"].detail
    assert report.standing == "declared at best" and STEPS == 6
