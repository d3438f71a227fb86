"""Per-record gradients, clipped and summed: what one record may add to a release.

    total = clipped_sum(model, step.records, max_norm)     # ClippedSum; carries its sensitivity

`model.losses(records)` is a vector with one entry per record, so a mean cannot slip in. Opacus
computes per-record gradients of every trainable tensor; a parameter used several times (ALBERT) has
its uses summed before squaring. Norms and sums are float64. A non-finite contribution counts as
zero. Clipping: Abadi et al. 2016 (1607.00133), Algorithm 1, with the flat norm over all tensors.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from radpriv.benchmark.privacy.records import Records
from radpriv.errors import PrivacyError

TOKENS = 4096
"""Padded tokens in one micro-batch: a matter of speed and memory, never of the result."""

ELEMENTS = 2**22
"""Per-record gradient elements in one micro-batch (float64: 32 MiB), likewise."""


class LossModel(Protocol):
    """A torch module with `losses(records) -> (B,)`."""

    training: bool

    def losses(self, records: Records) -> Tensor: ...


@dataclass(frozen=True)
class ClippedSum:
    """float64 tensors by parameter name; one unit changes their joint L2 norm by ≤ max_norm."""

    tensors: dict[str, Tensor] = field(repr=False)
    max_norm: float

    @property
    def sensitivity(self) -> float:
        return self.max_norm

    @property
    def name(self) -> str:
        """SHA-256 of its content: a release takes only what `clipped_sum` made of its sample."""
        return sha256_of(self.tensors, repr(self.max_norm))


def sha256_of(tensors: dict[str, Tensor], head: str = "") -> str:
    """Of names, shapes and float64 little-endian bytes, in order of name."""
    h = hashlib.sha256(head.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().numpy().astype("<f8")
        h.update(name.encode() + b"\0" + repr(array.shape).encode() + array.tobytes())
    return h.hexdigest()


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Trainable tensors by name: the set that is clipped, noised and updated."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def clipped_sum(
    model: nn.Module, records: Records, max_norm: float, tokens: int = TOKENS
) -> ClippedSum:
    """Sum over records of g · min(1, max_norm / ‖g‖), g the gradient of all trainable tensors.

    PrivacyError if max_norm is not positive and finite, if the model is in eval mode (the hooks
    record nothing there), if it has no trainable tensor, or if a tensor has no gradient per record.
    """
    if not (max_norm > 0 and math.isfinite(max_norm)):
        raise PrivacyError(f"max_norm = {max_norm}: the clip must be positive and finite")
    if not model.training:
        raise PrivacyError("the model is in eval() mode, where no per-record gradient is recorded")
    params = trainable(model)
    if not params:
        raise PrivacyError("the model has no trainable tensor")
    totals = {n: torch.zeros_like(p, dtype=torch.float64) for n, p in params.items()}
    loss_sum, clipped = 0.0, 0
    most = max(1, ELEMENTS // sum(p.numel() for p in params.values()))
    with per_record_gradients(model):
        for part in records.micro_batches(tokens, most):
            gradients, losses = _gradients(model, params, part)
            norms = torch.stack([g.square().sum(1) for g in gradients.values()]).sum(0).sqrt()
            finite = torch.isfinite(norms)
            scale = torch.where(finite, (max_norm / norms.clamp_min(1e-300)).clamp(max=1.0), 0.0)
            for name, g in gradients.items():
                g[~finite] = 0.0
                totals[name] += (scale @ g).view_as(totals[name])
            loss_sum += float(losses.detach().double().nan_to_num().sum())
            clipped += int((norms > max_norm).sum() + (~finite).sum())
    n = max(records.size, 1)
    records._diary.note(records=records.size, loss=loss_sum / n, share_clipped=clipped / n)
    total = ClippedSum(totals, max_norm)
    records._sample.sums.add(total.name)
    return total


def _gradients(
    model: nn.Module, params: dict[str, nn.Parameter], part: Records
) -> tuple[dict[str, Tensor], Tensor]:
    """Gradients of one micro-batch, float64 (B, size), and its losses (B,)."""
    losses: Tensor = model.losses(part)  # type: ignore[operator]
    if losses.shape != (part.size,):
        raise PrivacyError(
            f"losses() returned shape {tuple(losses.shape)} for {part.size} records; "
            "it must give one loss per record"
        )
    losses.sum().backward()
    found = {}
    for name, p in params.items():
        g = getattr(p, "grad_sample", None)
        if not isinstance(g, Tensor) or len(g) != part.size:
            raise PrivacyError(
                f"tensor {name} has no gradient per record (its layer is unused, broadcast over "
                "records, or was replaced after the model was built)"
            )
        found[name] = g.detach().double().reshape(part.size, -1)
        p.grad, p.grad_sample = None, None  # type: ignore[attr-defined]
    return found, losses


@contextmanager
def per_record_gradients(model: nn.Module) -> Iterator[None]:
    """Opacus' hooks, attached for the time of one sum so that none can go stale."""
    from opacus.grad_sample.grad_sample_module import GradSampleHooks

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        hooks = GradSampleHooks(model, loss_reduction="sum", strict=True)
        try:
            yield
        finally:
            hooks.cleanup()
            for module in model.modules():
                module.__dict__.pop("activations", None)
                module.__dict__.pop("max_batch_len", None)
            for p in model.parameters():
                p.grad = None
