"""An adapter that cannot move is found on public input (rule 10); no check reads a record."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.features import RecordFunction, evaluate
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.errors import CellFailed

UNCLIPPED = 1e30
KEY_BIASES = ("key.bias", "key_proj.bias", "k_proj.bias", "k_lin.bias", ".k.bias")
"""As encoders call them."""


def softmax_cancels(name: str) -> bool:
    """Attention key biases have gradient 0: they add one constant to every score of a query."""
    return name.endswith(KEY_BIASES)


def public_records(function: RecordFunction, labels: int, device: torch.device) -> Records:
    """A few public sentences as records: all labels there, none, every other one, in turn.

    So both values of every label occur, and what a loss might take of a batch differs over rows.
    """
    rows, columns = np.indices((len(PUBLIC_SENTENCES), labels))
    y = np.select([rows % 3 == 0, rows % 3 == 1], [1, 0], columns % 2)
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
    saved = snapshot(model)
    records = public_records(function, labels, device)
    generator = torch.Generator().manual_seed(0)
    try:
        with torch.no_grad():
            for p in params.values():
                shift = 0.05 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
                p.add_(shift.to(p))
        with torch.autocast(device.type, enabled=False):
            total = _same_together_and_apart(model, records)
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


def _same_together_and_apart(model: nn.Module, records: Records) -> ClippedSum:
    """The sum over public records, which must be that of the records one by one.

    Without a clip, where a factor that the batch shares shows, and with one that all of them feel.
    """
    ones = [records.take(np.array([i])) for i in range(records.size)]
    whole = [clipped_sum(model, one, UNCLIPPED).tensors for one in ones]
    norms = [_norm(tensors) for tensors in whole]
    felt = 0.5 * min((n for n in norms if n > 0), default=1.0)
    clipped = [clipped_sum(model, one, felt).tensors for one in ones]
    for clip, size, alone in ((UNCLIPPED, max(norms), whole), (felt, felt, clipped)):
        total = clipped_sum(model, records, clip)
        mixed = {n: t - torch.stack([a[n] for a in alone]).sum(0) for n, t in total.tensors.items()}
        if _norm(mixed) > 1e-3 * size:
            raise CellFailed(
                "the gradient of one record depends on the others in its batch (batch statistics, "
                "weights, centring or contrast inside losses()); clipping then bounds nothing"
            )
    return total


def _norm(tensors: dict[str, Tensor]) -> float:
    return float(sum(t.square().sum() for t in tensors.values()).sqrt())  # type: ignore[union-attr]


def constants(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all that a step must leave alone: buffers and frozen parameters."""
    return {n: t.detach().clone() for n, t in _constants(model)}


def _constants(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_buffers()
    yield from ((n, p) for n, p in model.named_parameters() if not p.requires_grad)


def check_constant(model: nn.Module, before: dict[str, Tensor]) -> None:
    """What changes beside the trained tensors carries statistics of records past the noise.

    `before` is brought up to date: groups of tensors may be trained in turn, each frozen meanwhile.
    """
    now, buffers = dict(_constants(model)), dict(model.named_buffers())
    for name, tensor in now.items():
        if name not in before and name not in buffers:
            before[name] = tensor.detach().clone()  # trained until this step, and resting from now
        elif name not in before or not torch.equal(tensor, before[name]):
            raise CellFailed(
                f"buffer or frozen tensor {name} of the model changed in a step: what it holds of "
                "the records went around the noise"
            )
    for name in before.keys() - now.keys():
        del before[name]


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in trainable(model).items()}


def check_moved(model: nn.Module, before: dict[str, Tensor]) -> None:
    """After the first noised update with a non-zero step size: each tensor that is trained in it
    must have changed."""
    trained = {n: p for n, p in trainable(model).items() if n in before}
    still = [n for n, p in trained.items() if torch.equal(p.detach(), before[n])]
    if still:
        raise CellFailed(
            f"adapter did not move: tensor {still[0]} is unchanged after the first noised update "
            f"({len(still)} of {len(before)} tensors); the optimizer may hold stale parameters"
        )


def finite(model: nn.Module) -> bool:
    """Whether the (noised) weights are finite."""
    return all(bool(torch.isfinite(p).all()) for p in trainable(model).values())
