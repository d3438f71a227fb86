"""What is trained of an encoder: tensors that have a gradient for each record, and no others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.tiny_encoders import KINDS

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.check_trainable import check_trainable
from radpriv.benchmark.methods.classifier import FineTune, Lora, build_classifier
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.errors import EncoderError

Tiny = Callable[[str], Encoder]


def names(encoder: Encoder, trained: Lora | FineTune) -> set[str]:
    """Trained tensors, by their names in the encoder; the head apart."""
    model, _ = build_classifier(encoder, 3, trained, 48, torch.Generator().manual_seed(0))
    found = {name.removeprefix("base_model.model.") for name in trainable(model)}
    return {n.removeprefix("encoder.") for n in found if not n.startswith("head.")}


MAPS = {
    "mpnet": {"q", "v"},
    "deberta": {"query_proj", "value_proj"},
    "deberta-relative": {"value_proj"},
    "roberta": {"query", "value"},
    "xlm-roberta": {"query", "value"},
    "camembert": {"query", "value"},
    "esm": {"query", "value"},
    "electra": {"query", "value"},
    "distilbert": {"q_lin", "v_lin"},
    "modernbert": {"Wqkv"},
    "gpt2": {"c_attn"},
    "llama": {"q_proj", "v_proj"},
}
"""Queries and values as each calls them; those of DeBERTa-v3 are also fed relative positions."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", [0, 1])
def test_adapters_sit_on_queries_and_values(kind: str, top: int, tiny: Tiny) -> None:
    """Of the top layers, or of all three."""
    found = names(tiny(kind), Lora(2, 4.0, top, False))
    maps = {n.split(".lora_")[0] for n in found}
    assert {m.rsplit(".", 1)[-1] for m in maps} == MAPS[kind]
    assert len(maps) == len(MAPS[kind]) * (top or 3) and len(found) == 2 * len(maps)


FROZEN = {
    "esm": {"contact_head.regression.weight", "contact_head.regression.bias"},
    "mpnet": {"encoder.relative_attention_bias.weight"},
    "deberta-relative": {
        "encoder.rel_embeddings.weight",
        "encoder.LayerNorm.weight",
        "encoder.LayerNorm.bias",
        *(
            f"encoder.layer.{i}.attention.self.{part}_proj.{tensor}"
            for i in range(3)
            for part in ("query", "key")
            for tensor in ("weight", "bias")
        ),
    },
}
"""What is fed with one constant for all records, or with nothing: ESM's head for contacts."""


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_trained_but_what_serves_all_records(kind: str, tiny: Tiny) -> None:
    """A constant that goes through a layer has one gradient, which is nobody's."""
    encoder = tiny(kind)
    every = {name for name, _ in encoder.model().named_parameters()}
    assert names(encoder, FineTune("all")) == every - FROZEN.get(kind, set())


@pytest.mark.parametrize("kind", ["llama", "modernbert"])
def test_encoder_without_biases_is_refused_for_biases(kind: str, tiny: Tiny) -> None:
    """The sentence says what could be trained instead."""
    with pytest.raises(EncoderError, match=r"none of its biases can be trained; train an adapter"):
        names(tiny(kind), FineTune("bias"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "trained", [Lora(1, 1.0, 1, True), Lora(1, 1.0, 0, False), FineTune("all")]
)
def test_shipped_ways_of_training_pass_the_check(
    kind: str, trained: Lora | FineTune, tiny: Tiny
) -> None:
    """The waist's own test on public sentences finds each tensor's gradient, record by record."""
    check_trainable(tiny(kind), trained, 32, True)


def test_record_without_a_gradient_of_its_own_is_refused(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a record is mapped; the sentence names architecture, tensor and what works."""
    from radpriv.benchmark.methods import trained_tensors

    monkeypatch.setattr(trained_tensors, "_by_rows", lambda base, modules: modules)
    with pytest.raises(EncoderError) as caught:
        check_trainable(tiny("deberta-relative"), Lora(3, 1.0, 1, True), 32, True)
    sentence = str(caught.value)
    assert "(deberta-v2) cannot be fine-tuned record by record" in sentence
    assert "query_proj" in sentence and "dp_linear_probe" in sentence and "\n" not in sentence
    check_trainable(tiny("deberta-relative"), Lora(3, 1.0, 1, True), 32, False)
