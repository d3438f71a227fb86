"""An adapter that cannot move is found on public input (rule 10); no check reads a record."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from radpriv.benchmark.features import RecordFunction, evaluate
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.public import PUBLIC_SENTENCES
from radpriv.errors import CellFailed


def softmax_cancels(name: str) -> bool:
    """Attention key biases have gradient 0: they add one constant to every score of a query."""
    return name.endswith("key.bias")


def public_records(function: RecordFunction, labels: int, device: torch.device) -> Records:
    """A few public sentences as records, with both values of every label among them."""
    y = np.indices((len(PUBLIC_SENTENCES), labels)).sum(0) % 2
    return Records(
        np.arange(len(PUBLIC_SENTENCES)),
        evaluate(function, PUBLIC_SENTENCES),
        torch.from_numpy(y.astype(np.float32)).to(device),
        device,
    )


def check_gradients_reach(
    model: nn.Module, function: RecordFunction, labels: int, device: torch.device
) -> None:
    """Before step 0: each trainable tensor, perturbed, must get a gradient from public text.

    Perturbed because some are 0 by construction at the start (LoRA's A while B = 0); the weights
    are restored bit by bit. CellFailed names the tensor.
    """
    params = trainable(model)
    saved = {n: p.detach().clone() for n, p in params.items()}
    records = public_records(function, labels, device)
    generator = torch.Generator().manual_seed(0)
    try:
        with torch.no_grad():
            for p in params.values():
                shift = 0.05 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
                p.add_(shift.to(p))
        with torch.autocast(device.type, enabled=False):
            total, apart, clip = _together_and_apart(model, records)
    finally:
        with torch.no_grad():
            for n, p in params.items():
                p.copy_(saved[n])
    dead = [n for n, t in total.tensors.items() if not t.any() and not softmax_cancels(n)]
    if dead:
        raise CellFailed(
            f"adapter did not move: tensor {dead[0]} gets no gradient from public sentences "
            f"({len(dead)} of {len(params)} tensors); it is not part of what losses() computes"
        )

    mixed = _norm({n: t - apart[n] for n, t in total.tensors.items()})
    if mixed > 1e-3 * clip:
        raise CellFailed(
            "the gradient of one record depends on the others in its batch (batch statistics, "
            "centring or contrast inside losses()); clipping then bounds nothing"
        )


def _together_and_apart(
    model: nn.Module, records: Records
) -> tuple[ClippedSum, dict[str, Tensor], float]:
    """(sum over the records, the same record by record, clip): a clip that all records feel."""
    ones = [records.take(np.array([i])) for i in range(records.size)]
    norms = [_norm(clipped_sum(model, one, max_norm=1e30).tensors) for one in ones]
    clip = 0.5 * min((n for n in norms if n > 0), default=1.0)
    alone = [clipped_sum(model, one, clip).tensors for one in ones]
    apart = {n: torch.stack([a[n] for a in alone]).sum(0) for n in alone[0]}
    return clipped_sum(model, records, clip), apart, clip


def _norm(tensors: dict[str, Tensor]) -> float:
    return float(sum(t.square().sum() for t in tensors.values()).sqrt())  # type: ignore[union-attr]


def buffers(model: nn.Module) -> dict[str, Tensor]:
    return {n: b.detach().clone() for n, b in model.named_buffers()}


def check_constant(model: nn.Module, before: dict[str, Tensor]) -> None:
    """A buffer that changes carries statistics of records past the noise."""
    for name, now in model.named_buffers():
        if name not in before or not torch.equal(now, before[name]):
            raise CellFailed(
                f"buffer {name} of the model changed in a step: what it holds of the records went "
                "around the noise"
            )


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in trainable(model).items()}


def check_moved(model: nn.Module, before: dict[str, Tensor]) -> None:
    """After the first noised update with a non-zero step size: each tensor must have changed."""
    still = [n for n, p in trainable(model).items() if torch.equal(p.detach(), before[n])]
    if still:
        raise CellFailed(
            f"adapter did not move: tensor {still[0]} is unchanged after the first noised update "
            f"({len(still)} of {len(before)} tensors); the optimizer may hold stale parameters"
        )


def finite(model: nn.Module) -> bool:
    """Whether the (noised) weights are finite."""
    return all(bool(torch.isfinite(p).all()) for p in trainable(model).values())
