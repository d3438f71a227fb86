"""Ways through an encoder: whole, or from one of its layers on; found by trying, not by its name.

    ways = ways_of(model, start, name)             # start = 0: whole
    hidden = whole(model, ids, mask, ways)         # (B, T, H) from token ids (B, T)
    hidden = onward(model, hidden, mask, ways)     # from hidden states that reached layer `start`

What a layer is given beside hidden states differs between encoders: a mask of one shape or another,
rotary angles, relative positions. So a few fixed token ids are sent through each way once, and a
way is taken if it gives the numbers of the whole model.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.explained import explained
from radpriv.errors import EncoderError

TOLERANCE = 1e-4
"""Two ways are one where they differ by less, relative to the norm of the states."""


@dataclass(frozen=True)
class Ways:
    """How a model is called.

    start: layers already applied to what it is given.  positions: whether it is given position ids,
    which it would broadcast over the records otherwise: of a broadcast one the position embedding
    has a single gradient for the whole batch.  plain: whether a layer takes (hidden, mask) alone.
    """

    start: int = 0
    positions: bool = False
    plain: bool = True


class _Arrived(Exception):
    """Ends a forward pass early, with what has come as far as a layer."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


def stack(model: nn.Module, name: str) -> nn.ModuleList:
    """The list of a model's layers; EncoderError for a model that has none."""
    return _owner(model, name)[2]


def _owner(model: nn.Module, name: str) -> tuple[nn.Module, str, nn.ModuleList]:
    """The module that holds the list of layers, the list's name in it, and the list."""
    depth = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for owner in model.modules():
        for attribute, child in owner.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == depth:
                return owner, attribute, child
    raise EncoderError(
        f"encoder '{name}': no list of layers to cut ({type(model).__name__}); use top_layers = 0"
    )


def stop_at(model: nn.Module, layer: int, name: str) -> nn.Module:
    """The model cut down to the layers below `layer` and that one, at which `arrived` stops it."""
    layers = stack(model, name)
    del layers[layer + 1 :]
    layers[layer].register_forward_pre_hook(_stop, with_kwargs=True)
    return model


def arrived(model: nn.Module, **inputs: Tensor) -> Tensor:
    """(B, T, H): what reaches the layer at which `stop_at` stops this model."""
    try:
        model(**inputs)
    except _Arrived as end:
        return end.hidden
    raise EncoderError(f"{type(model).__name__}: its layers are not called one after another")


def _stop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    raise _Arrived(args[0] if args else kwargs["hidden_states"])


def whole(model: nn.Module, ids: Tensor, mask: Tensor, places: dict[str, Tensor]) -> Tensor:
    """Hidden states (B, T, H) of the last layer, from token ids (B, T); places: `position_ids`."""
    hidden: Tensor = model(input_ids=ids, attention_mask=mask.long(), **places).last_hidden_state
    return hidden


def onward(model: nn.Module, hidden: Tensor, mask: Tensor, ways: Ways, name: str) -> Tensor:
    """Hidden states (B, T, H) of the last layer, from those that reached layer `ways.start`."""
    owner, attribute, layers = _owner(model, name)
    if ways.plain:
        attention = mask[:, None, None, :]
        for layer in layers[ways.start :]:
            hidden = layer(hidden, attention)
        return hidden

    def put(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (hidden, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": hidden}

    ids = torch.zeros(mask.shape, dtype=torch.long, device=hidden.device)
    handle = layers[ways.start].register_forward_pre_hook(put, with_kwargs=True)
    try:
        with _replaced(owner, attribute, nn.ModuleList(layers[ways.start :])):
            return whole(model, ids, mask, {})
    finally:
        handle.remove()


@contextmanager
def _replaced(owner: nn.Module, attribute: str, layers: nn.ModuleList) -> Iterator[None]:
    before = owner._modules[attribute]
    owner._modules[attribute] = layers
    try:
        yield
    finally:
        owner._modules[attribute] = before


def counted(ids: Tensor) -> dict[str, Tensor]:
    """Position ids (B, T) that count from 0."""
    return {"position_ids": torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)}


def ways_of(model: nn.Module, start: int, name: str) -> Ways:
    """The ways that give a model's own numbers.

    Raises:
        EncoderError: a text's states depend on chance or on the padding beside it, it cannot be
            started from that layer, or cannot read token ids at all.
    """
    ids, mask = some_ids(model)
    training = model.training
    model.train()  # as it will be: what it draws at random shows
    try:
        return _ways_of(model, start, name, ids, mask)
    finally:
        model.train(training)


def _ways_of(model: nn.Module, start: int, name: str, ids: Tensor, mask: Tensor) -> Ways:
    with torch.no_grad(), explained(name, type(model).__name__, "reading a few tokens"):
        full = whole(model, ids, mask, {})
        if not _same(whole(model, ids, mask, {}), full):
            raise EncoderError(
                f"encoder '{name}' ({type(model).__name__}): it reads one text differently each "
                "time (dropout that its config.json does not name); give another encoder"
            )
        short = int(mask[1].sum())
        alone = model(input_ids=ids[1:, :short]).last_hidden_state
        if full.shape[:2] != ids.shape or not _same(full[1:, :short], alone):
            raise EncoderError(
                f"encoder '{name}' ({type(model).__name__}): a text's states change with the texts "
                "beside it in a batch (it does not follow the attention mask), so no text has a "
                "gradient of its own; give another encoder"
            )
        ways = Ways(start, positions=_counts_from_zero(model, ids, mask, full))
        if not start:
            return ways
        hidden = _reaching(model, start, name, ids, mask)
        for plain in (True, False):
            ways = Ways(start, ways.positions, plain)
            if hidden.shape[:2] == ids.shape and _goes_on(model, hidden, mask, ways, name, full):
                return ways
    raise EncoderError(
        f"encoder '{name}' ({type(model).__name__}): it cannot be run from layer {start} on; use "
        "top_layers = 0"
    )


def some_ids(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Two rows of token ids, (2, 6), and a mask by which the second is half as long.

    What is masked is a token like others: an embedding of padding is often 0 and would hide a leak.
    """
    config: Any = model.config
    vocabulary, padding = int(config.vocab_size), getattr(config, "pad_token_id", None)
    usual = [i for i in range(5, vocabulary) if i != padding] or list(range(vocabulary))
    device = next(model.parameters()).device
    ids = torch.tensor([usual[7 * i % len(usual)] for i in range(12)], device=device).reshape(2, 6)
    mask = torch.ones(2, 6, dtype=torch.bool, device=device)
    mask[1, 3:] = False
    return ids, mask


def _counts_from_zero(model: nn.Module, ids: Tensor, mask: Tensor, full: Tensor) -> bool:
    """Whether it takes position ids, and those that it makes itself count from 0."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return False
    try:
        return _same(whole(model, ids, mask, counted(ids))[mask], full[mask])
    except (TypeError, ValueError, IndexError, RuntimeError):
        return False


def _reaching(model: nn.Module, start: int, name: str, ids: Tensor, mask: Tensor) -> Tensor:
    handle = stack(model, name)[start].register_forward_pre_hook(_stop, with_kwargs=True)
    try:
        return arrived(model, input_ids=ids, attention_mask=mask.long())
    finally:
        handle.remove()


def _goes_on(
    model: nn.Module, hidden: Tensor, mask: Tensor, ways: Ways, name: str, full: Tensor
) -> bool:
    try:
        found = onward(model, hidden, mask, ways, name)
        return bool(found.shape == full.shape) and _same(found[mask], full[mask])
    except Exception:  # whatever a layer makes of inputs that are not its own
        return False


def _same(found: Tensor, wanted: Tensor) -> bool:
    return bool((found - wanted).norm() <= TOLERANCE * wanted.norm())
