"""Gradients per record: exact for every architecture, every choice of trained tensors, any padding.

test_exactness_broken.py breaks what is compared here, and finds it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from radpriv.benchmark.methods.classifier import FineTune, Lora
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.records import Records

from .per_record import (
    REAL,
    TINY,
    TOLERANCE,
    TRAINED,
    EncoderOf,
    built,
    clip,
    hooked,
    looped,
    summed,
    worst,
)

CPU_AND_CARD = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)], indirect=True
)


def check(model: nn.Module, records: Records, tolerance: float) -> None:
    exact = looped(model, records)
    norms = exact.norm(dim=1)
    assert norms.min() > 1e-3
    assert worst(hooked(model, records), exact) <= tolerance
    some = [1, 3]
    alone = torch.stack([summed(model, records.take(np.array([i])), 1e9) for i in some])
    assert worst(alone, exact[some]) <= tolerance
    max_norm = float(norms.median())  # some are clipped and some are not
    total = clip(exact, norms, max_norm)
    found = summed(model, records, max_norm, tokens=10**6)
    assert (found - total).norm() <= tolerance * max_norm * records.size


CASES = [
    pytest.param(kind, trained, id=f"{kind}: {what}")
    for kind in TINY
    for what, trained in TRAINED.items()
    if kind == "bert" or "top two" not in what  # ALBERT's one layer is trained or is not
]


@CPU_AND_CARD
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize(("kind", "trained"), CASES)
def test_gradients_per_record_equal_a_loop_of_single_passes(
    kind: str,
    trained: Lora | FineTune,
    dtype: torch.dtype,
    device: torch.device,
    encoder_of: EncoderOf,
) -> None:
    """Gradients per record equal a loop of single backward passes."""
    model, records = built(encoder_of(kind, TINY[kind]), trained, dtype, device)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert {n.rsplit(".", 1)[-1] for n in trainable(model) if "head." in n} == {"weight", "bias"}
    check(model, records, TOLERANCE[dtype])


@pytest.mark.parametrize("device", ["elsewhere"], indirect=True)
@pytest.mark.parametrize("what", ["query and value", "everything"])
@pytest.mark.parametrize("kind", TINY)
def test_no_tensor_is_left_behind_on_another_device(
    kind: str, what: str, device: torch.device, encoder_of: EncoderOf
) -> None:
    model, records = built(encoder_of(kind, TINY[kind]), TRAINED[what], device=device)
    check(model, records, TOLERANCE[torch.float32])


@pytest.mark.slow
@CPU_AND_CARD
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize("what", ["query and value", "all linear", "everything", "biases"])
@pytest.mark.parametrize("kind", REAL)
def test_gradients_per_record_are_exact_at_real_sizes(
    kind: str, what: str, dtype: torch.dtype, device: torch.device, encoder_of: EncoderOf
) -> None:
    model, records = built(encoder_of(kind, REAL[kind]), TRAINED[what], dtype, device, count=3)
    exact = looped(model, records)
    assert worst(hooked(model, records), exact) <= TOLERANCE[dtype]
