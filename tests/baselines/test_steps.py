"""Step sizes: what a private method is documented to do with lr, its decay and its scales."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from radpriv.baselines import dp_lora
from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.baselines.dp_linear_probe import DPLinearProbe
from radpriv.baselines.dp_lora import DPLoRA
from radpriv.baselines.solvers import linear
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Method
from radpriv.errors import EncoderError

STEPS = 4


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[list[float]]]:
    """Watches the step sizes with which a module applies its updates, one list per step."""

    def watch(module: ModuleType) -> list[list[float]]:
        seen: list[list[float]] = []
        real = module.apply  # type: ignore[attr-defined]

        def apply(model: Any, optimizer: Any, update: Any) -> None:
            seen.append([group["lr"] for group in optimizer.param_groups])
            real(model, optimizer, update)

        monkeypatch.setattr(module, "apply", apply)
        return seen

    return watch


@pytest.mark.parametrize(
    ("method", "module", "sizes"),
    [
        (DPLinearProbe(solver="sgd", steps=STEPS, lr=0.25, max_length=32), linear, {0.25}),
        (DPBagOfWords(steps=STEPS, lr=0.25), linear, {0.25}),
        (DPLoRA(steps=STEPS, lr=0.25, head_lr=0.75, max_length=32), dp_lora, {0.25, 0.75}),
    ],
    ids=["dp_linear_probe", "dp_bow", "dp_lora"],
)
def test_step_size_falls_in_a_line_from_lr(
    method: Method, module: ModuleType, sizes: set[float], fit: Any, rates: Any
) -> None:
    seen = rates(module)
    fit(method)
    assert len(seen) == STEPS
    for t, found in enumerate(seen):
        assert set(found) == {size * (1 - t / STEPS) for size in sizes}


def test_first_step_of_the_probe_moves_weights_by_lr(fit: Any, tiny_bert: Encoder) -> None:
    """The first step of the probe moves every weight by lr in scaled features.

    Adam's first step is lr in every coordinate; pooled features are scaled by 1/√hidden.
    """
    fitted, *_ = fit(DPLinearProbe(solver="sgd", steps=1, lr=0.25, max_length=32))
    expected = 0.25 / math.sqrt(tiny_bert.hidden_size)
    assert np.allclose(np.abs(fitted.weight), expected, rtol=1e-3)


def test_impossible_adapter_is_refused_with_the_method() -> None:
    """An adapter that cannot be made is refused when the method is made."""
    with pytest.raises(EncoderError, match="targets"):
        DPLoRA(targets="every_second")
