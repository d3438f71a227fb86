"""Per-record gradients, clipped and summed: what one unit may add to a release.

    total = clipped_sum(model, step.records, max_norm)     # ClippedSum; carries its sensitivity

`model.losses(records)` is a vector with one entry per record, so a mean cannot slip in. Opacus
computes per-record gradients of every trainable tensor; a parameter used several times (ALBERT) has
its uses summed before squaring. What belongs to one unit is summed before it is clipped. Norms and
sums are float64. A non-finite contribution counts as zero. Clipping: Abadi et al. 2016
(1607.00133), Algorithm 1, with the flat norm over all tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from radpriv.benchmark.privacy.bounded import ClippedSum, Totals, within_memory
from radpriv.benchmark.privacy.layer_gradients import add_rules
from radpriv.benchmark.privacy.records import MicroBatches, Records
from radpriv.errors import PrivacyError


class LossModel(Protocol):
    """A torch module with `losses(records) -> (B,)`."""

    training: bool

    def losses(self, records: Records) -> Tensor: ...


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Trainable tensors by name: the set that is clipped, noised and updated."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def clipped_sum(
    model: nn.Module, records: Records, max_norm: float, tokens: int | None = None
) -> ClippedSum:
    """Sum over units of g · min(1, max_norm / ‖g‖), g a unit's gradient of all trainable tensors.

    g is the gradient of the sum of the losses of the unit's records (Abadi et al. 2016, 1607.00133,
    Algorithm 1, with the flat norm over all tensors). When memory runs out, nothing has been
    released yet: the sum is taken again in smaller micro-batches.

    Args:
        model: in train mode, with `losses(records)` that gives one loss per record, (B,).
        records: of the step that is open.
        max_norm: the clip C, the L2 norm that one unit may add; the sum's sensitivity.
        tokens: padded tokens in one micro-batch, where the plan's are not wanted.

    Returns:
        float64 sums by the names and shapes of the trainable tensors.

    Raises:
        PrivacyError: max_norm is not positive and finite, the model is in eval mode (the hooks
            record nothing there) or has no trainable tensor, a tensor has no gradient per record,
            or memory is too short for one unit.
    """
    params = trainable(model)
    if not params:
        raise PrivacyError("the model has no trainable tensor")
    _check_training(model)
    if records._sample.check is not None:
        records._sample.check(model)
    torch.clear_autocast_cache()  # inside one autocast region it would keep weights of last step
    plan = records._plan if tokens is None else MicroBatches(tokens)
    totals, loss = within_memory(plan, lambda: _sum(model, params, records, max_norm, plan))
    return totals.finish(records, loss)


def _sum(
    model: nn.Module,
    params: dict[str, nn.Parameter],
    records: Records,
    max_norm: float,
    plan: MicroBatches,
) -> tuple[Totals, float]:
    totals = Totals({n: p.shape for n, p in params.items()}, max_norm, records.device)
    loss = 0.0
    most = max(1, plan.elements // sum(p.numel() for p in params.values()))
    with per_record_gradients(model):
        for part in records.micro_batches(plan.tokens, most):
            gradients, losses = _gradients(model, params, part)
            totals.add(part, gradients)
            loss += float(losses.detach().double().nan_to_num().sum())
    return totals, loss


def _gradients(
    model: nn.Module, params: dict[str, nn.Parameter], part: Records
) -> tuple[dict[str, Tensor], Tensor]:
    """Gradients of one micro-batch, float64 (B, size), and its losses (B,)."""
    losses: Tensor = model.losses(part)  # type: ignore[operator]
    if losses.shape != (part.size,):
        raise PrivacyError(
            "losses() gave no vector with an entry for each record: it must give one loss per "
            "record"
        )
    _check_rows(model, part.size)
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


def _check_training(model: nn.Module) -> None:
    """Every module with a trainable tensor of its own must be in training mode: see the hooks."""
    for name, module in model.named_modules():
        own = any(p.requires_grad for p in module.parameters(recurse=False))
        if own and not module.training:
            raise PrivacyError(
                f"layer {name or type(model).__name__} is in eval() mode, where no per-record "
                "gradient is recorded"
            )


def _check_rows(model: nn.Module, size: int) -> None:
    """Each use of a trained layer must have one row per record.

    A constant of one row that goes through a layer beside the records would have the gradients of
    all of them booked to the first: removing one record then moves the sum by more than the clip.
    """
    for name, module in model.named_modules():
        for used in module.__dict__.get("activations", ()):
            for t in used:
                if t.ndim == 0 or len(t) != size:
                    raise PrivacyError(
                        f"layer {name} saw an input whose first axis is not the records: give "
                        "every use of a trained layer one row per record (expand what is broadcast)"
                    )


@contextmanager
def per_record_gradients(model: nn.Module) -> Iterator[None]:
    """Opacus' hooks, attached for the time of one sum so that none can go stale."""
    from opacus.grad_sample.grad_sample_module import GradSampleHooks

    add_rules()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        hooks = GradSampleHooks(model, loss_reduction="sum", strict=True)
        try:
            yield
        finally:
            hooks.cleanup()  # takes off what a sum that was cut short has left on the tensors
            for module in model.modules():
                module.__dict__.pop("activations", None)
                module.__dict__.pop("max_batch_len", None)
            for p in model.parameters():
                p.grad = None
