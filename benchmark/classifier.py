"""Classifier: encoder, masked mean, parameter-free layer norm, linear head; and LoRA on top of it.

The layers below the first adapter are a public function of one text, `FrozenPart`: evaluated once
per record and cached (privacy/records.py). Training then starts from hidden states. An encoder
whose layers share weights (ALBERT) has no such part; there the frozen part is the tokenizer.

PEFT wraps the whole Classifier with `modules_to_save=["head"]`, so that
`PeftModel.from_pretrained(Classifier(…), folder)` restores adapter and head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from radpriv.benchmark.encoders import Encoder
from radpriv.benchmark.features import OnePerThread
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.public import PUBLIC_SENTENCES
from radpriv.errors import EncoderError


@dataclass(frozen=True)
class FrozenPart(OnePerThread):
    """text -> float32 (T, hidden) after `layers` layers; int64 (T,) token ids for 0 layers."""

    encoder: Encoder
    layers: int
    max_length: int
    ragged: bool = field(default=True, init=False)

    @property
    def key(self) -> str:
        return f"frozen/1/{self.encoder.sha256}/{self.layers}/{self.max_length}/float32"

    @cached_property
    def _model(self) -> nn.Module | None:
        if self.layers == 0:
            return None
        model = self.encoder.model().eval()
        stack(model, self.encoder.name).__delitem__(slice(self.layers, None))
        return model

    def __call__(self, text: str) -> NDArray[Any]:
        ids = self.encoder.tokens(text, self.max_length)
        if self._model is None:
            return np.asarray(ids, np.int64)
        with torch.inference_mode():
            hidden = self._model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        return np.asarray(hidden.numpy())


@dataclass(frozen=True)
class Pooled(OnePerThread):
    """text -> float32 (hidden,): masked mean of the last layer, layer-normalised, no parameters."""

    encoder: Encoder
    max_length: int
    ragged: bool = field(default=False, init=False)

    @property
    def key(self) -> str:
        return f"pooled/1/{self.encoder.sha256}/{self.max_length}/float32"

    @cached_property
    def _model(self) -> nn.Module:
        return self.encoder.model().eval()

    def __call__(self, text: str) -> NDArray[Any]:
        ids = torch.tensor([self.encoder.tokens(text, self.max_length)])
        with torch.inference_mode():
            hidden = self._model(input_ids=ids).last_hidden_state
            return np.asarray(pool(hidden, torch.ones_like(ids, dtype=torch.bool))[0].numpy())


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over observed positions, then layer norm without parameters: (B, T, H) -> (B, H)."""
    weight = mask.to(hidden.dtype).unsqueeze(-1)
    mean = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1.0)
    return functional.layer_norm(mean, mean.shape[-1:])


def masked_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,): binary cross-entropy summed over observed labels ÷ the constant number of labels."""
    observed = ~torch.isnan(labels)
    losses = functional.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num().to(logits.dtype), reduction="none"
    )
    return (losses * observed).sum(1) / labels.shape[1]


def stack(model: nn.Module, name: str) -> nn.ModuleList:
    """The list of layers of a BERT-like model; EncoderError for one that has none."""
    for candidate in (model, getattr(model, "encoder", None), getattr(model, "transformer", None)):
        layers = getattr(candidate, "layer", None)
        if isinstance(layers, nn.ModuleList):
            return layers
    raise EncoderError(
        f"encoder '{name}': no list of layers to cut ({type(model).__name__}); use top_layers = 0"
    )


def shares_layers(model: nn.Module) -> bool:
    """Whether one layer's weights are used several times (ALBERT)."""
    return getattr(getattr(model, "config", None), "model_type", "") == "albert"


class Classifier(nn.Module):
    """encoder → masked mean → layer norm → minus center → head.

    start: layers already applied to its input. center: (hidden,), public, see `center_of`.
    """

    center: Tensor

    def __init__(self, encoder: nn.Module, labels: int, start: int = 0, name: str = "") -> None:
        super().__init__()
        self.encoder = encoder
        self.start = start
        self.name = name
        size = int(encoder.config.hidden_size)  # type: ignore[union-attr,arg-type]
        self.register_buffer("center", torch.zeros(size), persistent=False)
        self.head = nn.Linear(size, labels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, labels) from token ids (B, T), or hidden states (B, T, H) after `start`."""
        pooled = pool(self.hidden(values, mask), mask) - self.center
        return self.head(pooled)

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor:
        if not self.start:
            full = self.encoder(input_ids=values, attention_mask=mask.long())
            return full.last_hidden_state
        hidden, attention = values, mask[:, None, None, :]
        for layer in stack(self.encoder, self.name)[self.start :]:
            hidden = layer(hidden, attention)
        return hidden

    def losses(self, records: Records) -> Tensor:
        """(B,): masked BCE per record."""
        values, mask = records.inputs()
        return masked_bce(self(values, mask), records.labels)


@dataclass(frozen=True)
class Lora:
    """LoRA (Hu et al. 2021, 2106.09685) on query and value of the top layers, and the head.

    top_layers: number of layers with adapters; 0 = all. freeze_a: FFA-LoRA (2403.12313), trains B
    and the head only. Scaling is alpha / rank.
    """

    rank: int
    alpha: float
    top_layers: int
    freeze_a: bool


def build_classifier(
    encoder: Encoder, labels: int, lora: Lora, max_length: int, generator: torch.Generator
) -> tuple[Any, FrozenPart]:
    """(PEFT model, frozen part): A Kaiming-uniform from `generator`, B and head zero."""
    from peft import get_peft_model

    base, frozen = untrained(encoder, labels, lora.top_layers, max_length)
    model = get_peft_model(base, _config(base, encoder, lora))
    for name, p in model.named_parameters():
        if ".lora_A." in name:
            bound = 1.0 / math.sqrt(p.shape[1])
            with torch.no_grad():
                p.copy_(torch.rand(p.shape, generator=generator) * (2 * bound) - bound)
            p.requires_grad_(not lora.freeze_a)
    return model.train(), frozen


def untrained(
    encoder: Encoder, labels: int, top_layers: int, max_length: int
) -> tuple[Classifier, FrozenPart]:
    """A Classifier with a zero head, and the frozen part that feeds it."""
    model = encoder.model()
    start = 0
    if top_layers and not shares_layers(model):
        depth = len(stack(model, encoder.name))
        if top_layers > depth:
            raise EncoderError(f"encoder '{encoder.name}' has {depth} layers, not {top_layers}")
        start = depth - top_layers
    base = Classifier(model, labels, start, encoder.name)
    base.center.copy_(center_of(encoder, max_length))
    return base, FrozenPart(encoder, start, max_length)


@lru_cache(maxsize=16)
def center_of(encoder: Encoder, max_length: int) -> Tensor:
    """(hidden,): mean of `Pooled` over a few fixed public sentences of the field.

    Sentence vectors share a large common part; taking a public estimate of it away leaves more of
    a clipped gradient to what tells reports apart (error grows with the diameter of the features
    and not with their norm: 2307.11106).
    """
    pooled = Pooled(encoder, max_length)
    return torch.from_numpy(np.mean([pooled(s) for s in PUBLIC_SENTENCES], axis=0))


def _config(base: Classifier, encoder: Encoder, lora: Lora) -> Any:
    from peft import LoraConfig

    targets = [
        name
        for name, module in base.encoder.named_modules()
        if isinstance(module, nn.Linear)
        and name.rsplit(".", 1)[-1] in ("query", "value", "q_lin", "v_lin")
        and _layer_number(name) >= base.start
    ]
    if not targets:
        raise EncoderError(f"encoder '{encoder.name}': found no query and value layers for LoRA")
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,
        target_modules=sorted(f"encoder.{t}" for t in targets),
        modules_to_save=["head"],
    )


def _layer_number(name: str) -> int:
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    return numbers[0] if numbers else 0
