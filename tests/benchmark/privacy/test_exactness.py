"""Gradients per record: exact for every architecture, every choice of trained tensors, any padding.

The oracle is a loop of single-record backward passes without padding. Errors are relative to the
norm of the record's whole gradient: a tensor whose gradient is 0 but for rounding (an attention
key's bias) would have none of its own.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.features import evaluate
from radpriv.benchmark.methods import classifier
from radpriv.benchmark.methods.classifier import Classifier, FineTune, Lora, build_classifier
from radpriv.benchmark.privacy.clipping import (
    _gradients,
    clipped_sum,
    per_record_gradients,
    trainable,
)
from radpriv.benchmark.privacy.records import Records
from radpriv.errors import PrivacyError

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def sizes(hidden: int, heads: int, layers: int, ffn: int, **more: float) -> dict[str, float]:
    return {
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": ffn,
        **more,
    }


TINY = {
    "bert": sizes(16, 2, 3, 32),
    "albert": sizes(16, 2, 12, 32),
    "minilm": sizes(24, 12, 3, 96),
}

REAL = {
    "bert": sizes(512, 8, 4, 2048, vocab_size=30522, initializer_range=0.02),
    "albert": sizes(
        768, 12, 12, 3072, vocab_size=30000, embedding_size=128, initializer_range=0.02
    ),
    "minilm": sizes(384, 12, 6, 1536, vocab_size=30522, initializer_range=0.02),
}
"""bert-small, ALBERT-base and MiniLM."""

TRAINED: dict[str, Lora | FineTune] = {
    "query and value": Lora(2, 4.0, 0, False),
    "query and value, frozen A": Lora(2, 4.0, 0, True),
    "query and value of the top two": Lora(2, 4.0, 2, False),
    "all linear": Lora(2, 4.0, 0, False, "all_linear"),
    "all linear, frozen A": Lora(2, 4.0, 0, True, "all_linear"),
    "all linear of the top two": Lora(2, 4.0, 2, False, "all_linear"),
    "everything": FineTune("all"),
    "everything in the top two": FineTune("all", 2),
    "biases": FineTune("bias"),
    "biases of the top two": FineTune("bias", 2),
}

TEXTS = (
    "heart",
    "no pleural effusion or pneumothorax , the heart is normal in size and the lungs are clear",
    "small left pleural effusion with adjacent opacity",
    "[PAD] catheter ends in [PAD] the superior vena cava",
)
"""Of unequal lengths; one holds the padding token itself."""

LABELS = ((1, 0, 1), (0, 1, 1), (1, math.nan, 0), (0, 0, math.nan))

CPU = torch.device("cpu")

CPU_AND_CARD = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)], indirect=True
)

EncoderOf = Callable[[str, dict[str, Any]], Encoder]


@pytest.fixture(scope="session")
def encoder_of(
    tiny_bert: Encoder, tiny_albert: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> EncoderOf:
    """A randomly initialised encoder of a kind, with these sizes and the tiny ones' tokenizer."""
    made: dict[str, Encoder] = {}

    def make(kind: str, sizes: dict[str, Any]) -> Encoder:
        from transformers import AutoConfig, AutoModel

        key = f"{kind} {sorted(sizes.items())}"
        if key not in made:
            base = tiny_albert if kind == "albert" else tiny_bert
            folder = Path(tmp_path_factory.mktemp("shapes")) / kind
            shutil.copytree(base.folder, folder)
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            for name, value in sizes.items():
                setattr(config, name, value)
            torch.manual_seed(0)
            AutoModel.from_config(config).save_pretrained(folder)
            made[key] = resolve(str(folder), "nothing: random weights")
        return made[key]

    return make


def built(
    encoder: Encoder,
    trained: Lora | FineTune,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
    count: int = len(TEXTS),
) -> tuple[nn.Module, Records]:
    """A classifier moved off its start, so that no gradient is 0 by construction; and records."""
    generator = torch.Generator().manual_seed(3)
    model, frozen = build_classifier(encoder, 3, trained, 48, generator)
    with torch.no_grad():
        for p in trainable(model).values():
            fan = p.shape[-1] if p.ndim > 1 else 16
            p.add_(0.3 * torch.randn(p.shape, generator=generator) / math.sqrt(fan))
    features = evaluate(frozen, TEXTS[:count])
    if features.values.dtype == np.float32 and dtype == torch.float64:
        features = replace(features, values=features.values.astype(np.float64))
    labels = torch.tensor(LABELS[:count]).to(device)
    records = Records(np.arange(count), features, labels, device)
    assert len(set(features.lengths)) > 2  # so that there is padding
    return model.to(device, dtype), records


def rows(tensors: dict[str, Tensor], params: dict[str, nn.Parameter]) -> Tensor:
    """(B, P): all tensors of each record in one row, in the order of `params`."""
    assert tensors.keys() == params.keys()
    return torch.cat([tensors[n].reshape(len(tensors[n]), -1) for n in params], 1)


def hooked(model: nn.Module, records: Records) -> Tensor:
    """(B, P) float64: what clipped_sum clips."""
    params = trainable(model)
    with per_record_gradients(model):
        found, _ = _gradients(model, params, records)
    return rows(found, params)


def looped(model: nn.Module, records: Records) -> Tensor:
    """(B, P) float64: one record, one backward pass."""
    params = trainable(model)
    found = []
    for i in range(records.size):
        model.zero_grad()
        model.losses(records.take(np.array([i]))).sum().backward()  # type: ignore[operator]
        assert all(p.grad is not None for p in params.values())
        found.append(
            torch.cat([p.grad.double().flatten() for p in params.values() if p.grad is not None])
        )
    model.zero_grad()
    return torch.stack(found)


def summed(model: nn.Module, records: Records, max_norm: float, **how: int) -> Tensor:
    """(P,) float64: through the public door."""
    total = clipped_sum(model, records, max_norm, **how).tensors
    return rows({n: t[None] for n, t in total.items()}, trainable(model))[0]


def clip(each: Tensor, norms: Tensor, max_norm: float) -> Tensor:
    return (each * (max_norm / norms).clamp(max=1.0)[:, None]).sum(0)


def worst(found: Tensor, exact: Tensor) -> float:
    """Largest error of a record, over the norm of its whole gradient."""
    assert found.shape == exact.shape
    return float(((found - exact).norm(dim=1) / exact.norm(dim=1)).max())


def check(model: nn.Module, records: Records, tolerance: float) -> None:
    exact = looped(model, records)
    norms = exact.norm(dim=1)
    assert norms.min() > 1e-3
    assert worst(hooked(model, records), exact) <= tolerance
    some = [1, 3]
    alone = torch.stack([summed(model, records.take(np.array([i])), 1e9) for i in some])
    assert worst(alone, exact[some]) <= tolerance
    max_norm = float(norms.median())  # some are clipped and some are not
    total = clip(exact, norms, max_norm)
    found = summed(model, records, max_norm, tokens=10**6)
    assert (found - total).norm() <= tolerance * max_norm * records.size


CASES = [
    pytest.param(kind, trained, id=f"{kind}: {what}")
    for kind in TINY
    for what, trained in TRAINED.items()
    if kind == "bert" or "top two" not in what  # ALBERT's one layer is trained or is not
]


@CPU_AND_CARD
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize(("kind", "trained"), CASES)
def test_gradients_per_record_equal_a_loop_of_single_backward_passes(
    kind: str,
    trained: Lora | FineTune,
    dtype: torch.dtype,
    device: torch.device,
    encoder_of: EncoderOf,
) -> None:
    model, records = built(encoder_of(kind, TINY[kind]), trained, dtype, device)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert {n.rsplit(".", 1)[-1] for n in trainable(model) if "head." in n} == {"weight", "bias"}
    check(model, records, TOLERANCE[dtype])


@pytest.mark.parametrize("device", ["elsewhere"], indirect=True)
@pytest.mark.parametrize("what", ["query and value", "everything"])
@pytest.mark.parametrize("kind", TINY)
def test_no_tensor_is_left_behind_on_another_device(
    kind: str, what: str, device: torch.device, encoder_of: EncoderOf
) -> None:
    model, records = built(encoder_of(kind, TINY[kind]), TRAINED[what], device=device)
    check(model, records, TOLERANCE[torch.float32])


@pytest.mark.slow
@CPU_AND_CARD
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
@pytest.mark.parametrize("what", ["query and value", "all linear", "everything", "biases"])
@pytest.mark.parametrize("kind", REAL)
def test_gradients_per_record_are_exact_at_real_sizes(
    kind: str, what: str, dtype: torch.dtype, device: torch.device, encoder_of: EncoderOf
) -> None:
    model, records = built(encoder_of(kind, REAL[kind]), TRAINED[what], dtype, device, count=3)
    exact = looped(model, records)
    assert worst(hooked(model, records), exact) <= TOLERANCE[dtype]


# Broken variants: what the matrix would find.


@pytest.fixture
def everything(encoder_of: EncoderOf) -> tuple[nn.Module, Records]:
    return built(encoder_of("bert", TINY["bert"]), FineTune("all"))


@pytest.fixture
def shared(encoder_of: EncoderOf) -> tuple[nn.Module, Records]:
    """LoRA inside a layer that is used twelve times."""
    return built(encoder_of("albert", TINY["albert"]), TRAINED["query and value"])


def test_broadcast_position_ids_are_refused_and_expanded_ones_are_not(
    everything: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, records = everything
    params = trainable(model)
    positions = next(n for n in params if "position_embeddings" in n)
    with per_record_gradients(model):
        found, _ = _gradients(model, params, records)
    assert all(len(g) == records.size == 4 for g in found.values())
    norms = hooked(model, records).norm(dim=1)
    exact = looped(model, records).norm(dim=1)
    assert torch.allclose(norms, exact, rtol=1e-5)
    monkeypatch.setattr(Classifier, "positions", lambda self, ids: {})
    layer = positions.removesuffix(".weight")
    with pytest.raises(
        PrivacyError, match=rf"{layer} saw an input whose first axis is not the records"
    ):
        clipped_sum(model, records, 1.0, tokens=10**6)


def test_position_ids_change_no_logit(
    everything: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, records = everything
    with torch.no_grad():
        given = model(*records.inputs())
        monkeypatch.setattr(Classifier, "positions", lambda self, ids: {})
        assert torch.equal(model(*records.inputs()), given) and given.std() > 0.01


def test_a_norm_per_use_instead_of_per_tensor_would_exceed_the_clip(
    shared: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    from opacus.grad_sample import grad_sample_module

    model, records = shared
    exact = looped(model, records)
    uses: list[Tensor] = []
    whole = grad_sample_module.create_or_accumulate_grad_sample

    def spy(*, param: Any, grad_sample: Tensor, max_batch_len: int) -> None:
        uses.append(grad_sample.double().reshape(len(grad_sample), -1))
        whole(param=param, grad_sample=grad_sample, max_batch_len=max_batch_len)

    monkeypatch.setattr(grad_sample_module, "create_or_accumulate_grad_sample", spy)
    each = hooked(model, records)
    assert len(uses) == 12 * 4 + 2  # A and B of query and value; the head once
    broken = torch.cat(uses, 1).norm(dim=1)
    max_norm = float(broken.min())
    alone = (each * (max_norm / broken).clamp(max=1.0)[:, None]).norm(dim=1)
    assert alone.max() > 1.2 * max_norm
    error = clip(each, broken, max_norm) - clip(exact, exact.norm(dim=1), max_norm)
    assert error.norm() > 0.02 * max_norm


def test_a_head_left_out_of_the_clip_would_be_found(lora_rows: tuple[Tensor, Tensor]) -> None:
    each, head = lora_rows
    norms, broken = each.norm(dim=1), (each * ~head).norm(dim=1)
    max_norm = float(broken.min())
    alone = (each * (max_norm / broken).clamp(max=1.0)[:, None]).norm(dim=1)
    assert alone.max() > 1.1 * max_norm
    assert (clip(each, broken, max_norm) - clip(each, norms, max_norm)).norm() > 0.1 * max_norm


@pytest.fixture
def lora_rows(encoder_of: EncoderOf) -> tuple[Tensor, Tensor]:
    """Gradients per record, and which of their entries are the head's."""
    model, records = built(encoder_of("bert", TINY["bert"]), TRAINED["query and value"])
    params = trainable(model)
    head = torch.cat([torch.full((p.numel(),), ".head." in n) for n, p in params.items()])
    assert head.any() and not head.all()
    return hooked(model, records), head


def test_padding_in_the_mean_would_be_found(
    everything: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, records = everything
    pool = classifier.pool
    monkeypatch.setattr(classifier, "pool", lambda h, mask: pool(h, torch.ones_like(mask)))
    assert worst(hooked(model, records), looped(model, records)) > 0.01


def test_a_padding_row_that_autograd_leaves_out_would_be_found(
    everything: tuple[nn.Module, Records],
) -> None:
    model, records = everything
    words = next(m for n, m in model.named_modules() if n.endswith("word_embeddings"))
    assert records.size == len(TEXTS) and words.padding_idx is None
    words.padding_idx = 0  # type: ignore[assignment]
    assert worst(hooked(model, records), looped(model, records)) > 1e-3


def test_dropout_would_be_found_and_there_is_none(everything: tuple[nn.Module, Records]) -> None:
    model, records = everything
    drops = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    assert drops and all(m.p == 0.0 for m in drops) and model.training
    torch.manual_seed(0)
    drops[0].p = 0.3
    assert worst(hooked(model, records), looped(model, records)) > 0.01


@pytest.mark.parametrize("part", ["", "encoder", "encoder.encoder.layer.1"])
def test_eval_mode_of_any_part_is_refused(everything: tuple[nn.Module, Records], part: str) -> None:
    """Hooks record nothing in a part that is in eval mode."""
    model, records = everything
    model.get_submodule(part).eval()
    with pytest.raises((PrivacyError, ValueError), match=r"eval|No activations detected"):
        clipped_sum(model, records, 1.0)
    model.train()
    assert worst(hooked(model, records), looped(model, records)) <= 1e-5


class Packed(nn.Module):
    """Records laid end to end, (1, ΣT, H), or as tokens, (ΣT, H): the losses are per record."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.head = nn.Linear(16, 3)
        self.shape = shape

    def losses(self, records: Records) -> Tensor:
        values, mask = records.inputs()
        z = self.head(values.float().reshape(*self.shape, values.shape[-1]))
        return (z.reshape(*mask.shape, 3).square().sum(-1) * mask).sum(1)


@pytest.mark.parametrize("shape", [(1, -1), (-1,)], ids=["one row", "tokens"])
def test_a_batch_dimension_that_is_not_the_records_is_refused(
    encoder_of: EncoderOf, shape: tuple[int, ...]
) -> None:
    _, records = built(encoder_of("bert", TINY["bert"]), Lora(2, 4.0, 2, False))
    with pytest.raises(PrivacyError, match="one row per record"):
        clipped_sum(Packed(shape), records, 1.0, tokens=10**6)


def test_what_an_earlier_pass_left_behind_enters_no_sum(
    everything: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, records = everything
    clean = summed(model, records, 1.0)
    for p in trainable(model).values():
        p.grad = torch.ones_like(p)
        p.grad_sample = torch.ones(records.size, *p.shape)  # type: ignore[attr-defined]
    assert torch.equal(summed(model, records, 1.0), clean)
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(classifier, "masked_bce", lambda *_: 1 / 0)
        clipped_sum(model, records, 1.0)
    assert torch.equal(summed(model, records, 1.0), clean)
