"""Gradients per record, broken: what the matrix of test_exactness.py would find."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from radpriv.benchmark.methods import classifier
from radpriv.benchmark.methods.classifier import Classifier, FineTune, Lora
from radpriv.benchmark.privacy.clipping import (
    _gradients,
    clipped_sum,
    per_record_gradients,
    trainable,
)
from radpriv.benchmark.privacy.records import Records
from radpriv.errors import PrivacyError

from .per_record import TEXTS, TINY, TRAINED, EncoderOf, built, clip, hooked, looped, summed, worst


@pytest.fixture
def everything(encoder_of: EncoderOf) -> tuple[nn.Module, Records]:
    return built(encoder_of("bert", TINY["bert"]), FineTune("all"))


@pytest.fixture
def shared(encoder_of: EncoderOf) -> tuple[nn.Module, Records]:
    """LoRA inside a layer that is used twelve times."""
    return built(encoder_of("albert", TINY["albert"]), TRAINED["query and value"])


def test_broadcast_position_ids_are_refused_expanded_ones_not(
    everything: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broadcast position ids are refused and expanded ones are not."""
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


def test_norm_per_use_and_not_per_tensor_would_exceed_the_clip(
    shared: tuple[nn.Module, Records], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A norm per use instead of per tensor would exceed the clip."""
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
