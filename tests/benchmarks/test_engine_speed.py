"""What a clipped sum costs beside plain training and beside the loop it replaces, in one run.

pytest tests/benchmarks/test_engine_speed.py --benchmark-enable --benchmark-group-by=group
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from radpriv.benchmark.encoders.features import Features, evaluate
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.privacy.release import Place, add_noise

pytestmark = pytest.mark.benchmark(group="32 records, tiny encoder")


@pytest.fixture
def setting(tiny_bert: Any, made_up: Any) -> tuple[Any, Records]:
    generator = torch.Generator().manual_seed(0)
    model, frozen = build_classifier(tiny_bert, 3, Lora(8, 16.0, 2, False), 64, generator)
    features: Features = evaluate(frozen, made_up.texts[:32])
    return model, Records(np.arange(32), features, torch.from_numpy(made_up.y[:32]))


def test_clipped_sum(benchmark: Any, setting: tuple[Any, Records]) -> None:
    model, records = setting
    total = benchmark(clipped_sum, model, records, 1.0)
    assert set(total.tensors) == set(trainable(model))


def test_plain_backward_pass(benchmark: Any, setting: tuple[Any, Records]) -> None:
    model, records = setting

    def plain() -> None:
        model.zero_grad()
        for part in records.micro_batches(4096):
            model.losses(part).sum().backward()

    benchmark(plain)
    assert all(p.grad is not None for p in trainable(model).values())


def test_loop_of_single_records(benchmark: Any, setting: tuple[Any, Records]) -> None:
    model, records = setting

    def loop() -> float:
        total = 0.0
        for i in range(records.size):
            model.zero_grad()
            model.losses(records.take(np.array([i]))).sum().backward()
            total += sum(float(p.grad.square().sum()) for p in trainable(model).values())  # type: ignore[union-attr]
        return total

    assert benchmark(loop) > 0


@pytest.mark.benchmark(group="noise for 30,000 values")
def test_named_noise(benchmark: Any, setting: tuple[Any, Records]) -> None:
    from radpriv.benchmark.privacy.bounded import ClippedSum

    value = ClippedSum({"w": torch.zeros(30_000, dtype=torch.float64)}, 1.0)
    noised = benchmark(add_noise, b"k" * 32, Place(0, "gradient", 1.0), value, 1.0)
    assert noised.tensors["w"].std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.benchmark(group="noise for 30,000 values")
def test_torch_noise(benchmark: Any) -> None:
    assert benchmark(torch.randn, 30_000, dtype=torch.float64).numel() == 30_000
