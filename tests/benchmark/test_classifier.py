"""The classifier: cached hidden states, padding and batching change no logit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from radpriv.benchmark.classifier import (
    Classifier,
    FrozenPart,
    Lora,
    Pooled,
    build_classifier,
    masked_bce,
    pool,
    stack,
    untrained,
)
from radpriv.benchmark.encoders import Encoder
from radpriv.benchmark.features import Features, evaluate
from radpriv.benchmark.fitted import LoraFitted
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.records import Records
from radpriv.errors import EncoderError

LABELS = ("a", "b", "c")


def lora_model(encoder: Encoder, top_layers: int) -> tuple[nn.Module, FrozenPart]:
    """A LoRA classifier whose trained tensors were moved off their start."""
    generator = torch.Generator().manual_seed(0)
    model, frozen = build_classifier(encoder, 3, Lora(2, 4.0, top_layers, False), 48, generator)
    with torch.no_grad():
        for p in trainable(model).values():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return model.eval(), frozen


def logits(model: nn.Module, features: Features, slots: list[int]) -> torch.Tensor:
    records = Records(np.array(slots), features, torch.zeros(len(slots), 3))
    with torch.no_grad():
        found: torch.Tensor = model(*records.inputs())
    return found


@pytest.mark.parametrize("top_layers", [1, 2])
def test_starting_from_cached_hidden_states_equals_the_full_path(
    tiny_bert: Encoder, reports: list[str], top_layers: int
) -> None:
    model, frozen = lora_model(tiny_bert, top_layers)
    assert frozen.layers == 3 - top_layers
    features = evaluate(frozen, reports)
    cut = logits(model, features, list(range(len(reports))))
    model.base_model.model.start = 0
    tokens = evaluate(FrozenPart(tiny_bert, 0, 48), reports)
    full = logits(model, tokens, list(range(len(reports))))
    assert (cut - full).abs().max() < 1e-5 and full.std() > 0.01


@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_albert"])
def test_padding_and_batching_change_no_logit(
    kind: str, request: pytest.FixtureRequest, reports: list[str]
) -> None:
    model, frozen = lora_model(request.getfixturevalue(kind), 2)
    features = evaluate(frozen, reports)
    assert len(set(features.lengths)) > 5
    alone = torch.cat([logits(model, features, [i]) for i in range(len(reports))])
    together = logits(model, features, list(range(len(reports))))
    reversed_ = logits(model, features, list(range(len(reports)))[::-1]).flip(0)
    assert (alone - together).abs().max() < 1e-4 and alone.std() > 0.01
    assert (reversed_ - together).abs().max() < 1e-4
    scored = LoraFitted(LABELS, model, frozen).logits(reports)
    assert np.abs(scored - alone.numpy()).max() < 1e-4


def test_where_layers_share_weights_the_frozen_part_is_the_tokenizer(
    tiny_albert: Encoder,
) -> None:
    model, frozen = lora_model(tiny_albert, 1)
    value = frozen("the heart is normal")
    assert frozen.layers == 0 and value.dtype == np.int64
    assert list(value) == tiny_albert.tokens("the heart is normal", 48)
    assert any("lora" in n for n in trainable(model))


def test_adapters_sit_on_the_top_layers_only_and_a_may_be_frozen(tiny_bert: Encoder) -> None:
    generator = torch.Generator().manual_seed(0)
    both, _ = build_classifier(tiny_bert, 3, Lora(2, 4.0, 1, False), 48, generator)
    names = set(trainable(both))
    assert {n for n in names if "lora" in n} and all(".layer.2." in n for n in names if "lora" in n)
    half, _ = build_classifier(tiny_bert, 3, Lora(2, 4.0, 1, True), 48, generator)
    assert set(trainable(half)) == {n for n in names if ".lora_A." not in n}
    assert {n for n in names if "head" in n} and both.training


def test_at_the_start_every_logit_is_zero_and_a_follows_the_generator(
    tiny_bert: Encoder, reports: list[str]
) -> None:
    def build(seed: int) -> tuple[nn.Module, FrozenPart]:
        generator = torch.Generator().manual_seed(seed)
        return build_classifier(tiny_bert, 3, Lora(2, 4.0, 1, False), 48, generator)

    model, frozen = build(0)
    assert not logits(model, evaluate(frozen, reports), [0, 1, 2]).any()
    torch.manual_seed(99)
    same, other = trainable(build(0)[0]), trainable(build(1)[0])
    for name, p in trainable(model).items():
        assert torch.equal(p, same[name])
        assert torch.equal(p, other[name]) == (".lora_A." not in name)


def test_the_pooled_feature_is_the_normalised_mean_of_the_last_layer(tiny_bert: Encoder) -> None:
    text = "no pleural effusion , the heart is normal"
    ids = torch.tensor([tiny_bert.tokens(text, 48)])
    with torch.no_grad():
        mean = tiny_bert.model().eval()(input_ids=ids).last_hidden_state[0].mean(0)
    expected = (mean - mean.mean()) / mean.std(correction=0)
    np.testing.assert_allclose(Pooled(tiny_bert, 48)(text), expected.numpy(), atol=1e-3)


def test_masked_positions_have_no_part_in_the_mean() -> None:
    hidden = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, False, False], [True] * 4])
    spoilt = hidden.clone()
    spoilt[0, 2:] = 1e3
    assert torch.equal(pool(spoilt, mask)[0], pool(hidden, mask)[0])
    assert torch.allclose(pool(hidden, mask)[0], pool(hidden[:1, :2], mask[:1, :2])[0])


def test_keys_name_all_that_a_feature_depends_on(tiny_bert: Encoder) -> None:
    other = replace(tiny_bert, sha256="f" * 64)
    parts = [
        FrozenPart(tiny_bert, 1, 48),
        FrozenPart(tiny_bert, 2, 48),
        FrozenPart(tiny_bert, 1, 32),
        FrozenPart(other, 1, 48),
        Pooled(tiny_bert, 48),
        Pooled(tiny_bert, 32),
        Pooled(other, 48),
    ]
    assert len({p.key for p in parts}) == len(parts)


def test_the_loss_skips_unobserved_labels_and_divides_by_a_constant() -> None:
    z = torch.tensor([[1.0, -2.0, 0.5], [1.0, -2.0, 0.5], [1.0, -2.0, 0.5]])
    nan = float("nan")
    y = torch.tensor([[1.0, 0.0, 1.0], [1.0, nan, nan], [nan, nan, nan]])
    softplus = nn.functional.softplus
    terms = [softplus(-z[0, 0]), softplus(z[0, 1]), softplus(-z[0, 2])]
    expected = torch.stack([sum(terms) / 3, terms[0] / 3, torch.tensor(0.0)])  # type: ignore[arg-type]
    assert torch.allclose(masked_bce(z, y), expected)
    z.requires_grad_()
    masked_bce(z, y).sum().backward()
    assert z.grad is not None and torch.isfinite(z.grad).all()
    assert not z.grad[2].any() and not z.grad[1, 1:].any() and z.grad[0].all()


def test_more_layers_than_there_are_are_refused(tiny_bert: Encoder) -> None:
    with pytest.raises(EncoderError, match="has 3 layers, not 4"):
        untrained(tiny_bert, 3, 4, 48)


def test_a_model_without_a_list_of_layers_is_refused_with_a_sentence() -> None:
    class Odd(nn.Module):
        pass

    with pytest.raises(EncoderError, match=r"encoder 'odd': no list of layers to cut \(Odd\)"):
        stack(Odd(), "odd")


def test_the_head_starts_at_zero(tiny_bert: Encoder) -> None:
    model, _ = untrained(tiny_bert, 5, 1, 48)
    assert isinstance(model, Classifier) and model.head.weight.shape == (5, 16)
    assert not model.head.weight.any() and not model.head.bias.any()
