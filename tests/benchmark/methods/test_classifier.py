"""The classifier: cached hidden states, padding and batching change no logit."""

from __future__ import annotations

import copy
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from radpriv.baselines.dp_lora import DPLoRA, two_rate_adam
from radpriv.baselines.lora import LoRA
from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.features import Features, evaluate
from radpriv.benchmark.methods.classifier import (
    Classifier,
    FineTune,
    FrozenPart,
    Lora,
    Pooled,
    build_classifier,
    masked_bce,
    pool,
    stack,
    untrained,
)
from radpriv.benchmark.methods.fitted import LoraFitted
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


def test_frozen_part_is_the_tokenizer_where_layers_share_weights(
    tiny_albert: Encoder,
) -> None:
    """Where layers share weights, the frozen part is the tokenizer."""
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


def test_logits_start_at_zero_and_a_follows_the_generator(
    tiny_bert: Encoder, reports: list[str]
) -> None:
    """At the start every logit is zero, and A follows the generator."""

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


def test_pooled_feature_is_the_normalised_mean_of_the_last_layer(tiny_bert: Encoder) -> None:
    """The pooled feature is the normalised mean of the last layer."""
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


def test_loss_skips_unobserved_labels_and_divides_by_a_constant() -> None:
    """The loss skips unobserved labels and divides by a constant."""
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


def test_model_without_a_list_of_layers_is_refused_in_a_sentence() -> None:
    """A model without a list of layers is refused with a sentence."""

    class Odd(nn.Module):
        pass

    with pytest.raises(EncoderError, match=r"encoder 'odd': no list of layers to cut \(Odd\)"):
        stack(Odd(), "odd")


def test_the_head_starts_at_zero(tiny_bert: Encoder) -> None:
    model, _ = untrained(tiny_bert, 5, 1, 48)
    assert isinstance(model, Classifier) and model.head.weight.shape == (5, 16)
    assert not model.head.weight.any() and not model.head.bias.any()


# What is trained.


def built(encoder: Encoder, trained: Lora | FineTune) -> tuple[nn.Module, FrozenPart]:
    return build_classifier(encoder, 3, trained, 48, torch.Generator().manual_seed(0))


def modules_of(model: nn.Module) -> set[str]:
    """Modules with trained tensors, by their place in the encoder; the head is "head"."""
    found = set()
    for name in trainable(model):
        name = name.removeprefix("base_model.model.").removeprefix("encoder.")
        found.add(name.split(".lora_")[0].split(".modules_to_save.")[0])
    return found


def test_all_linear_adapts_every_linear_map_of_the_top_layers(
    tiny_bert: Encoder, tiny_albert: Encoder
) -> None:
    """`all_linear` puts an adapter on every linear map of the top layers."""
    model, frozen = built(tiny_bert, Lora(2, 4.0, 1, True, "all_linear"))
    maps = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    )
    assert modules_of(model) == {"head", *(f"encoder.layer.2.{m}" for m in maps)}
    assert frozen.layers == 2 and not any(".lora_A." in n for n in trainable(model))
    shared, _ = built(tiny_albert, Lora(2, 4.0, 1, False, "all_linear"))
    assert len(modules_of(shared)) == 6 + 1
    assert all("albert_layers.0" in m for m in modules_of(shared) - {"head"})


def test_fine_tuning_trains_the_tensors_it_names_and_the_head(tiny_bert: Encoder) -> None:
    model, frozen = built(tiny_bert, FineTune("all"))
    assert set(trainable(model)) == {n for n, _ in model.named_parameters()} and model.training
    assert any("embeddings" in n for n in trainable(model)) and frozen.layers == 0
    biases, _ = built(tiny_bert, FineTune("bias"))
    assert set(trainable(biases)) == {
        n for n, _ in model.named_parameters() if n.endswith(".bias") or n.startswith("head.")
    }
    top, frozen = built(tiny_bert, FineTune("all", 1))
    assert frozen.layers == 2
    assert all(n.startswith(("encoder.encoder.layer.2.", "head.")) for n in trainable(top))
    assert set(trainable(built(tiny_bert, FineTune("bias", 1))[0])) == {
        n for n in trainable(top) if n in trainable(biases)
    }


def test_head_has_its_own_step_size_with_and_without_an_adapter(
    tiny_bert: Encoder,
) -> None:
    """The head has a step size of its own, with and without an adapter."""
    for trained in (FineTune("bias"), Lora(2, 4.0, 1, True)):
        body, head = two_rate_adam(built(tiny_bert, trained)[0], 0.1, 0.2).param_groups
        assert (body["lr"], head["lr"]) == (0.1, 0.2) and body["params"]
        assert [tuple(p.shape) for p in head["params"]] == [(3, 16), (3,)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lora(2, 4.0, 1, True, "all-linear"),
        lambda: DPLoRA(targets="all-linear"),
        lambda: LoRA(targets="all-linear"),
        lambda: FineTune("most"),
    ],
)
def test_what_cannot_be_trained_is_refused_when_it_is_asked_for(make: object) -> None:
    with pytest.raises(EncoderError, match=r"'(all-linear|most)'.* not known: give "):
        make()  # type: ignore[operator]


def test_an_adapter_with_many_targets_is_saved_and_loaded_whole(
    tmp_path: Path, deep_bert: Encoder, reports: list[str]
) -> None:
    """Of 20 names and more, PEFT keeps endings: they must not reach into the frozen layers."""
    model, frozen = built(deep_bert, Lora(2, 4.0, 4, False, "all_linear"))
    assert len(modules_of(model)) == 4 * 6 + 1
    assert all(int(m.split(".")[2]) >= 2 for m in modules_of(model) - {"head"})
    with torch.no_grad():
        for p in trainable(model).values():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    fitted = LoraFitted(LABELS, model, frozen)
    fitted.save(tmp_path)
    loaded = LoraFitted.load(tmp_path, deep_bert)
    assert np.abs(loaded.logits(reports) - fitted.logits(reports)).max() < 1e-6
    assert fitted.logits(reports).std() > 0.01


@pytest.fixture
def deep_bert(tmp_path: Path, tiny_bert: Encoder) -> Encoder:
    """The tiny encoder with six layers: the second half repeats the first."""
    folder = tmp_path / "deep"
    shutil.copytree(tiny_bert.folder, folder)
    model = tiny_bert.model()
    layers = stack(model, "deep")
    layers.extend(copy.deepcopy(layers))
    model.config.num_hidden_layers = 6  # type: ignore[union-attr]
    model.save_pretrained(folder)  # type: ignore[operator]
    return resolve(str(folder), "nothing: random weights")


# Numbers have the encoder's dtype.


class Double(Encoder):
    dtype = "float64"

    def model(self) -> nn.Module:
        return super().model().double()


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "trained", [Lora(2, 4.0, 2, False), Lora(2, 4.0, 0, True, "all_linear"), FineTune("all", 1)]
)
def test_float64_encoder_keeps_float64_and_the_same_start(
    tiny_bert: Encoder, trained: Lora | FineTune, default: torch.dtype, reports: list[str]
) -> None:
    """With a float64 encoder all is float64 and starts from the same numbers."""
    double = Double(**{f.name: getattr(tiny_bert, f.name) for f in fields(Encoder)})
    single, _ = built(tiny_bert, trained)
    torch.set_default_dtype(default)
    try:
        model, frozen = built(double, trained)
        features = evaluate(frozen, reports[:4])
        records = Records(np.arange(4), features, torch.zeros(4, 3, dtype=torch.float32))
        losses = model.losses(records)  # type: ignore[operator]
    finally:
        torch.set_default_dtype(torch.float32)
    held = [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]
    assert {t.dtype for t in held} == {torch.float64} and losses.dtype == torch.float64
    assert features.values.dtype == (np.float64 if frozen.layers else np.int64)
    assert Pooled(double, 48)(reports[0]).dtype == np.float64
    for name, p in trainable(single).items():
        assert torch.equal(p.double(), trainable(model)[name])
    assert frozen.key != FrozenPart(tiny_bert, frozen.layers, 48).key
    assert Pooled(double, 48).key != Pooled(tiny_bert, 48).key
