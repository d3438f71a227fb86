"""Token-level hidden states of a fine-tuned encoder, and of the same encoder before fine-tuning.

    encode = encode_of(fitted)                         # None where no encoder was tuned
    encode([[101, 103, 102]])[0]                       # float32 (3, H), last layer, tuned
    encode([[101, 103, 102]], untuned=True)[0]         # as the checkpoint has it

A classifier shows its logits alone; these are for whoever holds its weights, which a release of the
model gives to everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.classifier import FrozenPart

Matrix = NDArray[np.float32]
BATCH = 32


@dataclass(frozen=True)
class Hidden:
    """`Encode` for a saved model. tuned: the encoder with its adapters, whole, in eval mode."""

    encoder: Encoder
    max_length: int
    tuned: Any = field(repr=False)

    def __call__(self, ids: Sequence[Sequence[int]], untuned: bool = False) -> list[Matrix]:
        model = untuned_of(self.encoder) if untuned else self.tuned
        return list(states(model, ids))


@lru_cache(maxsize=2)
def untuned_of(encoder: Encoder) -> Any:
    """The encoder as it came, in eval mode: one for all models that were tuned from it."""
    return encoder.model().eval()


def states(model: Any, ids: Sequence[Sequence[int]]) -> Iterator[Matrix]:
    """float32 (T, H) per sequence; batches of like length, whose padding is masked."""
    import torch

    found: list[Matrix | None] = [None] * len(ids)
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    device = next(model.parameters()).device
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        longest = len(ids[part[-1]])
        values = torch.zeros((len(part), longest), dtype=torch.long)
        mask = torch.zeros_like(values)
        for row, i in enumerate(part):
            values[row, : len(ids[i])] = torch.as_tensor(ids[i])
            mask[row, : len(ids[i])] = 1
        with torch.inference_mode():
            out = model(input_ids=values.to(device), attention_mask=mask.to(device))
        hidden = out.last_hidden_state.float().cpu().numpy()
        for row, i in enumerate(part):
            found[i] = hidden[row, : len(ids[i])].copy()
    for one in found:
        assert one is not None
        yield one


def encode_of(fitted: Any) -> Hidden | None:
    """`Encode` of a fitted classifier; None unless it trained an encoder (fixed features did not).

    Reads `fitted.model`, a Classifier or PEFT around one, and `fitted.frozen`, its FrozenPart.
    """
    frozen, model = getattr(fitted, "frozen", None), getattr(fitted, "model", None)
    if model is None or not isinstance(frozen, FrozenPart):
        return None
    classifier = model.base_model.model if hasattr(model, "peft_config") else model
    return Hidden(frozen.encoder, frozen.max_length, classifier.encoder.eval())
