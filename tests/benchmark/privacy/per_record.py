"""Tiny and real classifiers, and their gradients per record: by hooks, and by the loop as oracle.

The oracle is a loop of single-record backward passes without padding. Errors are relative to the
norm of the record's whole gradient: a tensor whose gradient is 0 but for rounding (an attention
key's bias) would have none of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import evaluate
from radpriv.benchmark.methods.classifier import FineTune, Lora, build_classifier
from radpriv.benchmark.privacy.clipping import (
    _gradients,
    clipped_sum,
    per_record_gradients,
    trainable,
)
from radpriv.benchmark.privacy.records import Records

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def sizes(hidden: int, heads: int, layers: int, ffn: int, **more: float) -> dict[str, float]:
    return {
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": ffn,
        **more,
    }


TINY = {
    "bert": sizes(16, 2, 3, 32),
    "albert": sizes(16, 2, 12, 32),
    "minilm": sizes(24, 12, 3, 96),
}

REAL = {
    "bert": sizes(512, 8, 4, 2048, vocab_size=30522, initializer_range=0.02),
    "albert": sizes(
        768, 12, 12, 3072, vocab_size=30000, embedding_size=128, initializer_range=0.02
    ),
    "minilm": sizes(384, 12, 6, 1536, vocab_size=30522, initializer_range=0.02),
}
"""bert-small, ALBERT-base and MiniLM."""

TRAINED: dict[str, Lora | FineTune] = {
    "query and value": Lora(2, 4.0, 0, False),
    "query and value, frozen A": Lora(2, 4.0, 0, True),
    "query and value of the top two": Lora(2, 4.0, 2, False),
    "all linear": Lora(2, 4.0, 0, False, "all_linear"),
    "all linear, frozen A": Lora(2, 4.0, 0, True, "all_linear"),
    "all linear of the top two": Lora(2, 4.0, 2, False, "all_linear"),
    "everything": FineTune("all"),
    "everything in the top two": FineTune("all", 2),
    "biases": FineTune("bias"),
    "biases of the top two": FineTune("bias", 2),
}

TEXTS = (
    "heart",
    "no pleural effusion or pneumothorax , the heart is normal in size and the lungs are clear",
    "small left pleural effusion with adjacent opacity",
    "[PAD] catheter ends in [PAD] the superior vena cava",
)
"""Of unequal lengths; one holds the padding token itself."""

LABELS = ((1, 0, 1), (0, 1, 1), (1, math.nan, 0), (0, 0, math.nan))

CPU = torch.device("cpu")

EncoderOf = Callable[[str, dict[str, Any]], Encoder]


def built(
    encoder: Encoder,
    trained: Lora | FineTune,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
    count: int = len(TEXTS),
) -> tuple[nn.Module, Records]:
    """A classifier moved off its start, so that no gradient is 0 by construction; and records."""
    generator = torch.Generator().manual_seed(3)
    model, frozen = build_classifier(encoder, 3, trained, 48, generator)
    with torch.no_grad():
        for p in trainable(model).values():
            fan = p.shape[-1] if p.ndim > 1 else 16
            p.add_(0.3 * torch.randn(p.shape, generator=generator) / math.sqrt(fan))
    features = evaluate(frozen, TEXTS[:count])
    if features.values.dtype == np.float32 and dtype == torch.float64:
        features = replace(features, values=features.values.astype(np.float64))
    labels = torch.tensor(LABELS[:count]).to(device)
    records = Records(np.arange(count), features, labels, device)
    assert len(set(features.lengths)) > 2  # so that there is padding
    return model.to(device, dtype), records


def rows(tensors: dict[str, Tensor], params: dict[str, nn.Parameter]) -> Tensor:
    """(B, P): all tensors of each record in one row, in the order of `params`."""
    assert tensors.keys() == params.keys()
    return torch.cat([tensors[n].reshape(len(tensors[n]), -1) for n in params], 1)


def hooked(model: nn.Module, records: Records) -> Tensor:
    """(B, P) float64: what clipped_sum clips."""
    params = trainable(model)
    with per_record_gradients(model):
        found, _ = _gradients(model, params, records)
    return rows(found, params)


def looped(model: nn.Module, records: Records) -> Tensor:
    """(B, P) float64: one record, one backward pass."""
    params = trainable(model)
    found = []
    for i in range(records.size):
        model.zero_grad()
        model.losses(records.take(np.array([i]))).sum().backward()  # type: ignore[operator]
        assert all(p.grad is not None for p in params.values())
        found.append(
            torch.cat([p.grad.double().flatten() for p in params.values() if p.grad is not None])
        )
    model.zero_grad()
    return torch.stack(found)


def summed(model: nn.Module, records: Records, max_norm: float, **how: int) -> Tensor:
    """(P,) float64: through the public door."""
    total = clipped_sum(model, records, max_norm, **how).tensors
    return rows({n: t[None] for n, t in total.items()}, trainable(model))[0]


def clip(each: Tensor, norms: Tensor, max_norm: float) -> Tensor:
    return (each * (max_norm / norms).clamp(max=1.0)[:, None]).sum(0)


def worst(found: Tensor, exact: Tensor) -> float:
    """Largest error of a record, over the norm of its whole gradient."""
    assert found.shape == exact.shape
    return float(((found - exact).norm(dim=1) / exact.norm(dim=1)).max())
