"""Classifier: encoder, masked mean, parameter-free layer norm, linear head; and what is trained.

    model, frozen = build_classifier(encoder, labels, Lora(8, 2.0, 1, True), 128, generator)
    model, frozen = build_classifier(encoder, labels, FineTune("bias"), 128, generator)

The layers below the first trained one are a public function of one text, `FrozenPart`: evaluated
once per record and cached (privacy/records.py). Training then starts from hidden states. An encoder
whose layers share weights (ALBERT) has no such part; there the frozen part is the tokenizer.

PEFT wraps the whole Classifier with `modules_to_save=["head"]`, so that
`PeftModel.from_pretrained(Classifier(…), folder)` restores adapter and head. All numbers that a
model is made of have the encoder's dtype.
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

from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.encoders.explained import explained
from radpriv.benchmark.encoders.features import OnePerThread
from radpriv.benchmark.methods.layers import (
    arrived,
    counted,
    onward,
    stack,
    stop_at,
    ways_of,
    whole,
)
from radpriv.benchmark.methods.trained_tensors import adapted_maps, unfreeze
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.errors import EncoderError


@dataclass(frozen=True)
class FrozenPart(OnePerThread):
    """The frozen layers: text -> (T, hidden) after `layers` layers, in the encoder's dtype.

    For 0 layers int64 (T,) token ids; T ≤ max_length tokens.
    """

    encoder: Encoder
    layers: int
    max_length: int
    ragged: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        required(self.encoder)

    @property
    def key(self) -> str:
        e = self.encoder
        return f"frozen/1/{e.sha256}/{self.layers}/{self.max_length}/{e.dtype}"

    @cached_property
    def _model(self) -> nn.Module | None:
        if self.layers == 0:
            return None
        return stop_at(self.encoder.model().eval(), self.layers, self.encoder.name)

    def __call__(self, text: str) -> NDArray[Any]:
        e = self.encoder
        ids = e.tokens(text, self.max_length)
        if self._model is None:
            return np.asarray(ids, np.int64)
        with torch.inference_mode(), explained(e.name, e.kind, "reading a text"):
            return np.asarray(arrived(self._model, input_ids=torch.tensor([ids]))[0].numpy())


@dataclass(frozen=True)
class Pooled(OnePerThread):
    """A sentence vector: text -> (hidden,), mean of the last layer, layer-normalised.

    No parameters of its own; texts are cut to max_length tokens.
    """

    encoder: Encoder
    max_length: int
    ragged: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        required(self.encoder)

    @property
    def key(self) -> str:
        return f"pooled/1/{self.encoder.sha256}/{self.max_length}/{self.encoder.dtype}"

    @cached_property
    def _model(self) -> nn.Module:
        return self.encoder.model().eval()

    def __call__(self, text: str) -> NDArray[Any]:
        e = self.encoder
        ids = torch.tensor([e.tokens(text, self.max_length)])
        with torch.inference_mode(), explained(e.name, e.kind, "reading a text"):
            hidden = self._model(input_ids=ids).last_hidden_state
            return np.asarray(pool(hidden, torch.ones_like(ids, dtype=torch.bool))[0].numpy())


def pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over observed positions, then layer norm without parameters: (B, T, H) -> (B, H)."""
    weight = mask.to(hidden.dtype).unsqueeze(-1)
    mean = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1.0)
    return functional.layer_norm(mean, mean.shape[-1:])


def masked_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy summed over observed labels ÷ the constant number of labels.

    So a record's loss is a function of that record alone, and one with few observed labels weighs
    less.

    Args:
        logits: (B, L).
        labels: (B, L); 1, 0, or NaN where not observed.

    Returns:
        One loss per record, (B,), in nats.
    """
    observed = ~torch.isnan(labels)
    losses = functional.binary_cross_entropy_with_logits(
        logits, labels.nan_to_num().to(logits.dtype), reduction="none"
    )
    return (losses * observed).sum(1) / labels.shape[1]


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
        self.name = name
        self.begin(start)
        size = int(encoder.config.hidden_size)  # type: ignore[union-attr,arg-type]
        dtype = next(encoder.parameters()).dtype
        self.register_buffer("center", torch.zeros(size, dtype=dtype), persistent=False)
        self.head = nn.Linear(size, labels, dtype=dtype)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def begin(self, start: int) -> None:
        """Take hidden states after `start` layers from now on; token ids for 0."""
        self.start = start
        self.ways = ways_of(self.encoder, start, self.name)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Logits (B, labels) from token ids (B, T), or hidden states (B, T, H) after `start`."""
        pooled = pool(self.hidden(values, mask), mask) - self.center
        return self.head(pooled)

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor:
        if not self.start:
            return whole(self.encoder, values, mask, self.positions(values))
        return onward(self.encoder, values, mask, self.ways, self.name)

    def positions(self, ids: Tensor) -> dict[str, Tensor]:
        """Position ids (B, T), where the encoder would broadcast its own (1, T) over the records.

        Of a broadcast one the position embedding has a single gradient for the whole batch.
        """
        return counted(ids) if self.ways.positions else {}

    def losses(self, records: Records) -> Tensor:
        """(B,): masked BCE per record."""
        # Weights have moved since the last call, and autocast would go on with its copies of them.
        torch.clear_autocast_cache()
        values, mask = records.inputs()
        return masked_bce(self(values, mask), records.labels)


LORA_TARGETS = {
    "query_value": (
        *("query", "value", "q_lin", "v_lin", "q_proj", "v_proj", "query_proj", "value_proj"),
        *("q", "v", "Wqkv", "c_attn", "in_proj", "query_key_value", "qkv_proj"),
    ),
    "all_linear": None,
}
"""Linear maps that get an adapter, by the last part of their name; None: all of a layer's.

Where one map makes query, key and value (Wqkv, c_attn), it is that one."""


@dataclass(frozen=True)
class Lora:
    """LoRA (Hu et al. 2021, 2106.09685) on linear maps of the top layers, and the head.

    top_layers: number of layers with adapters; 0 = all. freeze_a: FFA-LoRA (2403.12313), trains B
    and the head only. targets: a key of LORA_TARGETS. Scaling is alpha / rank.
    """

    rank: int
    alpha: float
    top_layers: int
    freeze_a: bool
    targets: str = "query_value"

    def __post_init__(self) -> None:
        if self.targets not in LORA_TARGETS:
            raise EncoderError(
                f"LoRA targets '{self.targets}' are not known: give {' or '.join(LORA_TARGETS)}"
            )


@dataclass(frozen=True)
class FineTune:
    """The encoder's own tensors, without an adapter, and the head.

    which: "all", or "bias" for the biases only (BitFiT, Zaken et al. 2022, 2106.10199).
    top_layers: number of layers that are trained; 0 = all, with the embeddings.
    """

    which: str
    top_layers: int = 0

    def __post_init__(self) -> None:
        if self.which not in ("all", "bias"):
            raise EncoderError(f"FineTune('{self.which}') is not known: give 'all' or 'bias'")


def build_classifier(
    encoder: Encoder,
    labels: int,
    trained: Lora | FineTune,
    max_length: int,
    generator: torch.Generator,
) -> tuple[Any, FrozenPart]:
    """(model in train mode, frozen part), the head zero: PEFT's for LoRA, a Classifier else.

    Of an adapter, A is Kaiming-uniform from `generator` and B is zero (Hu et al. 2021, 2106.09685).

    Args:
        encoder: the pretrained model.
        labels: how many.
        trained: what is trained of the encoder, beside the head.
        max_length: tokens to which texts are cut.
        generator: public randomness, `run.rng(name)`.

    Raises:
        EncoderError: the encoder has fewer layers than are to be trained, or none to adapt.
    """
    base, frozen = untrained(encoder, labels, trained.top_layers, max_length)
    if isinstance(trained, FineTune):
        unfreeze(base, trained.which)
        return base.train(), frozen
    from peft import get_peft_model

    model = get_peft_model(base, _config(base, trained))
    for name, p in model.named_parameters():
        if ".lora_A." in name:
            bound = 1.0 / math.sqrt(p.shape[1])
            # Drawn in float32 for every dtype, so that all start from the same numbers.
            drawn = torch.rand(p.shape, generator=generator, dtype=torch.float32)
            with torch.no_grad():
                p.copy_(drawn * (2 * bound) - bound)
            p.requires_grad_(not trained.freeze_a)
        elif ".modules_to_save." in name and not name.startswith("base_model.model.head."):
            p.requires_grad_(False)  # PEFT takes all whose name ends in "head"
    return model.train(), frozen


def untrained(
    encoder: Encoder, labels: int, top_layers: int, max_length: int
) -> tuple[Classifier, FrozenPart]:
    """A Classifier with a zero head, and the frozen part that feeds it."""
    model = required(encoder).model()
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


def _config(base: Classifier, lora: Lora) -> Any:
    from peft import LoraConfig

    targets = adapted_maps(base, LORA_TARGETS[lora.targets])
    linear = [isinstance(base.encoder.get_submodule(t), nn.Linear) for t in targets]
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=0.0,
        fan_in_fan_out=not any(linear),  # GPT-2 keeps its maps transposed
        target_modules=sorted(f"encoder.{t}" for t in targets),
        modules_to_save=["head"],
    )
