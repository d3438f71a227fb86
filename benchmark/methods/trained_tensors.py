"""Which tensors of an encoder are trained: the targets of an adapter, or its own.

    targets = adapted_maps(base, ("query", "value"))
    unfreeze(base, "bias")

A tensor can be trained where each use of it has a row per record: a gradient of its own for each of
them is then defined. Encoders also send constants through their layers (DeBERTa its relative
positions, MPNet its bias of distances, OPT whole batches laid end to end). Which ones is found by
sending two rows through and looking; tensors of such layers, and those that no hidden state depends
on, stay as they came.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from radpriv.benchmark.methods.layers import some_ids
from radpriv.errors import EncoderError

ROWS = 2


class EncoderAndHead(Protocol):
    """What is asked of a classifier here: see classifier.Classifier, which is built on this."""

    encoder: nn.Module
    head: nn.Linear
    start: int
    name: str

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor: ...


def adapted_maps(base: EncoderAndHead, last: Container[str] | None) -> list[str]:
    """Names of the linear maps that get an adapter, with each use a row per record.

    last: last parts of names; None: all linear maps of the layers that are trained.

    Raises:
        EncoderError: there is none.
    """
    from transformers.pytorch_utils import Conv1D

    maps = {
        name: module
        for name, module in base.encoder.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and (last is None or name.rsplit(".", 1)[-1] in last)
        and layer_number(name) >= base.start
    }
    usual = _by_rows(base, set(maps.values()))
    found = [name for name, module in maps.items() if module in usual]
    if found:
        return found
    kind = "linear maps" if last is None else "query and value maps"
    what = "whose uses have a row per record" if maps else "by their names"
    more = "" if last is None else 'targets = "all_linear", '
    raise EncoderError(
        f"encoder '{base.name}' ({type(base.encoder).__name__}): found no {kind} for LoRA {what}; "
        f"try {more}dp_linear_probe, or another encoder"
    )


def unfreeze(base: EncoderAndHead, which: str) -> None:
    """Train "all" tensors of the layers from `base.start` on, or every "bias" of theirs.

    Raises:
        EncoderError: there is none.
    """
    wanted = {
        name: p
        for name, p in base.encoder.named_parameters()
        if p.requires_grad  # some are tables that their makers keep as they are
        and (not base.start or layer_number(name) >= base.start)
        and (which == "all" or name.endswith(".bias"))
    }
    base.encoder.requires_grad_(False)
    for module in base.encoder.modules():
        if isinstance(module, nn.Embedding):
            # Autograd would leave this row out of the gradient; per-record gradients do not.
            module.padding_idx = None
    owners = {name: base.encoder.get_submodule(name.rpartition(".")[0]) for name in wanted}
    usual = _by_rows(base, set(owners.values()))
    kept = [p for name, p in wanted.items() if owners[name] in usual]
    for p in kept:
        p.requires_grad_(True)
    for p in _unreached(base, kept):
        p.requires_grad_(False)
    if not any(p.requires_grad for p in base.encoder.parameters()):
        what = "biases" if which == "bias" else "tensors"
        raise EncoderError(
            f"encoder '{base.name}' ({type(base.encoder).__name__}): none of its {what} can be "
            "trained; train an adapter (LoRA), or a head on fixed features"
        )


def layer_number(name: str) -> int:
    """Of the layer that a module or tensor lies in; -1 outside the layers."""
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    return numbers[0] if numbers else -1


def _by_rows(base: EncoderAndHead, modules: set[nn.Module]) -> set[nn.Module]:
    """Those of the modules that are used, and whose every input has a row per record."""
    seen: dict[nn.Module, bool] = {}

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        rows = bool(args) and all(
            isinstance(a, Tensor) and a.ndim > 0 and len(a) == ROWS for a in args
        )
        seen[module] = rows and seen.get(module, True)

    handles = [m.register_forward_pre_hook(look, with_kwargs=True) for m in modules]
    try:
        with torch.no_grad():
            base.hidden(*_inputs(base))
    finally:
        for handle in handles:
            handle.remove()
    return {module for module, rows in seen.items() if rows}


def _unreached(base: EncoderAndHead, tensors: list[nn.Parameter]) -> list[nn.Parameter]:
    """Those that no hidden state depends on, such as heads of pretraining."""
    if not tensors:
        return []
    states = base.hidden(*_inputs(base)).sum()
    gradients = torch.autograd.grad(states, tensors, allow_unused=True)
    return [p for p, g in zip(tensors, gradients, strict=True) if g is None]


def _inputs(base: EncoderAndHead) -> tuple[Tensor, Tensor]:
    """Two rows of what the classifier reads: token ids, or hidden states of ones."""
    ids, mask = some_ids(base.encoder)
    if not base.start:
        return ids, mask
    weight = base.head.weight
    return weight.new_ones(*ids.shape, base.head.in_features), mask
