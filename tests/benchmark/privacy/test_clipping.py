"""What one record may add: the sum against a loop of single-record backward passes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.features import Features
from radpriv.benchmark.methods.classifier import Lora
from radpriv.benchmark.privacy import clipping
from radpriv.benchmark.privacy.clipping import (
    _check_rows,
    clipped_sum,
    per_record_gradients,
    trainable,
)
from radpriv.benchmark.privacy.records import Records
from radpriv.errors import PrivacyError

LORA = {
    "A and B": Lora(2, 4.0, 2, False),
    "B only": Lora(2, 4.0, 2, True),
    "all layers": Lora(2, 4.0, 0, False),
}


@pytest.mark.parametrize("lora", LORA.values(), ids=LORA.keys())
@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_albert"])
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
def test_the_sum_equals_a_loop_of_single_record_backward_passes(
    kind: str,
    lora: Lora,
    double: bool,
    request: pytest.FixtureRequest,
    made_up: Any,
    moved_classifier: Any,
    records_of: Any,
    loop_oracle: Any,
    distance: Any,
) -> None:
    model, frozen = moved_classifier(request.getfixturevalue(kind), lora)
    records = records_of(made_up, frozen)
    if double:
        model = model.double()
        f = records.features
        if f.values.dtype == np.float32:
            f = Features(f.values.astype(np.float64), f.offsets, True)
        records = Records(records.slots, f, records.labels.double())
    slow = loop_oracle(model, records, 0.5)
    fast = clipped_sum(model, records, 0.5)
    size = math.sqrt(sum(float(t.square().sum()) for t in slow.values()))
    assert size > 1.0
    assert distance(fast.tensors, slow) <= (1e-10 if double else 1e-5) * size


def test_albert_clipped_per_use_not_per_parameter_is_found(
    tiny_albert: Any,
    made_up: Any,
    moved_classifier: Any,
    records_of: Any,
    loop_oracle: Any,
    distance: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ALBERT clipped per use, instead of per parameter, would be found."""
    from opacus.grad_sample import grad_sample_module

    model, frozen = moved_classifier(tiny_albert, LORA["A and B"])
    records = records_of(made_up, frozen)
    slow = loop_oracle(model, records, 0.5)

    def last_use_only(*, param: Any, grad_sample: Tensor, max_batch_len: int) -> None:
        param._current_grad_sample = grad_sample

    monkeypatch.setattr(grad_sample_module, "create_or_accumulate_grad_sample", last_use_only)
    broken = clipped_sum(model, records, 0.5)
    assert distance(broken.tensors, slow) > 1e-2


def test_the_sum_does_not_depend_on_micro_batches(
    lora_model: Any, batch: Records, distance: Any
) -> None:
    whole = clipped_sum(lora_model[0], batch, 0.5, tokens=10**6)
    for tokens in (1, 40, 100):
        cut = clipped_sum(lora_model[0], batch, 0.5, tokens=tokens)
        assert distance(whole.tensors, cut.tensors) <= 1e-6 * 0.5 * batch.size


def in_batches(lengths: list[int], tokens: int, units: list[int], **most: int) -> list[list[int]]:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    features = Features(np.zeros(offsets[-1], np.float32), offsets, True)
    slots = np.arange(len(lengths))
    records = Records(slots, features, torch.zeros(len(slots), 1), units=np.array(units))
    return [part.slots.tolist() for part in records.micro_batches(tokens, **most)]


def test_micro_batches_fill_the_padded_size_and_not_beyond() -> None:
    """Micro-batches are filled to the padded size and not beyond."""
    one = [1] * 6
    assert in_batches(one, 2, list(range(6))) == [[0, 1], [2, 3], [4, 5]]
    assert in_batches([3, 1, 2, 1], 4, list(range(4))) == [[1, 3], [2], [0]]
    assert in_batches(one, 6, list(range(6)), most=4) == [[0, 1, 2, 3], [4, 5]]
    many = in_batches([1] * 4097, 10**6, list(range(4097)))
    assert [len(part) for part in many] == [4096, 1]


def test_the_records_of_a_unit_stay_together_in_their_order() -> None:
    """Sums of floats depend on the order, and a run that goes on must have the same bits."""
    units = [0] * 300 + [1] * 300
    lengths = [2 - (i % 2) for i in range(600)]
    assert in_batches(lengths, 1, units) == [list(range(300)), list(range(300, 600))]
    mixed = [i % 2 for i in range(600)]
    assert in_batches(lengths, 1, mixed) == [list(range(1, 600, 2)), list(range(0, 600, 2))]


def test_micro_batches_hold_every_record_once(batch: Records) -> None:
    parts = list(batch.micro_batches(60))
    assert len(parts) > 3
    assert sorted(int(s) for p in parts for s in p.slots) == list(range(batch.size))
    lengths = batch.features.lengths
    assert all(len(p.slots) == 1 or lengths[p.slots].max() * len(p.slots) <= 60 for p in parts)


class Planted(nn.Module):
    """A linear model whose record 0 can be given any loss."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.factor = factor

    def losses(self, records: Records) -> Tensor:
        x, _ = records.inputs()
        losses = self.head(x.float()).square().mean(1)
        factors = torch.where(torch.from_numpy(records.slots == 0), self.factor, 1.0)
        return losses * factors


def planted_records(n: int = 6) -> Records:
    values = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    return Records(np.arange(n), Features(values, np.arange(n + 1), False), torch.zeros(n, 3))


@pytest.mark.parametrize("factor", [1e-30, 1e20, math.inf, math.nan])
def test_a_planted_record_adds_at_most_the_clip(factor: float) -> None:
    torch.manual_seed(0)
    model = Planted(factor)
    records = planted_records()
    with_it = clipped_sum(model, records, 0.7)
    without = clipped_sum(model, records.take(np.arange(1, 6)), 0.7)
    change = math.sqrt(
        sum(float((with_it.tensors[n] - t).square().sum()) for n, t in without.tensors.items())
    )
    assert change <= 0.7 * (1 + 1e-6)
    if not math.isfinite(factor):
        assert change == 0.0
    assert all(torch.isfinite(t).all() for t in with_it.tensors.values())


def test_a_non_finite_record_leaves_the_others_in_the_sum() -> None:
    torch.manual_seed(0)
    model, records = Planted(math.nan), planted_records()
    rest = clipped_sum(model, records, 0.7)
    assert any(t.abs().max() > 0.1 for t in rest.tensors.values())


def test_an_empty_sample_sums_to_zero(lora_model: Any, batch: Records) -> None:
    total = clipped_sum(lora_model[0], batch.take(np.array([], np.int64)), 1.0)
    assert set(total.tensors) == set(trainable(lora_model[0]))
    assert not any(t.any() for t in total.tensors.values())


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.inf, math.nan])
def test_a_clip_that_is_not_positive_and_finite_is_refused(
    lora_model: Any, batch: Records, max_norm: float
) -> None:
    with pytest.raises(PrivacyError, match="clip must be positive and finite"):
        clipped_sum(lora_model[0], batch, max_norm)


def test_a_mean_loss_is_refused(lora_model: Any, batch: Records) -> None:
    class Mean(Planted):
        def losses(self, records: Records) -> Tensor:
            return super().losses(records).mean()

    with pytest.raises(PrivacyError, match="one loss per record"):
        clipped_sum(Mean(1.0), planted_records(), 1.0)


def test_eval_mode_is_refused(lora_model: Any, batch: Records) -> None:
    with pytest.raises(PrivacyError, match="eval"):
        clipped_sum(lora_model[0].eval(), batch, 1.0)


def test_what_holds_no_tensor_of_its_own_may_be_in_eval_mode(
    lora_model: Any, batch: Records
) -> None:
    model, _ = lora_model
    expected = clipped_sum(model, batch, 1.0).tensors
    model.training = False  # the root alone: the layers below go on training
    found = clipped_sum(model, batch, 1.0).tensors
    assert all(torch.equal(found[n], t) for n, t in expected.items())


def test_an_input_without_an_axis_has_no_rows() -> None:
    model = torch.nn.Linear(1, 1)
    model.__dict__["activations"] = [[torch.tensor(1.0)]]
    with pytest.raises(PrivacyError, match="first axis is not the records"):
        _check_rows(model, 1)


def test_a_trainable_tensor_outside_the_loss_is_refused() -> None:
    model = Planted(1.0)
    model.unused = nn.Linear(2, 2)
    with pytest.raises(PrivacyError, match=r"unused\.weight has no gradient per record"):
        clipped_sum(model, planted_records(), 1.0)


def test_a_sum_that_is_cut_short_leaves_no_gradient_behind() -> None:
    class UnusedFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused, self.inner = nn.Linear(2, 2), Planted(1.0)

        def losses(self, records: Records) -> Tensor:
            return self.inner.losses(records)

    model = UnusedFirst().train()
    with pytest.raises(PrivacyError, match=r"unused\.weight has no gradient per record"):
        clipped_sum(model, planted_records(), 1.0)
    for p in model.parameters():
        assert p.grad is None and getattr(p, "grad_sample", None) is None


def test_the_gradient_of_one_record_does_not_depend_on_another(
    lora_model: Any, batch: Records, distance: Any
) -> None:
    model = lora_model[0]
    alone = clipped_sum(model, batch.take(np.array([5])), 1e6)
    pair = clipped_sum(model, batch.take(np.array([5, 9])), 1e6)
    other = clipped_sum(model, batch.take(np.array([9])), 1e6)
    difference = {n: pair.tensors[n] - other.tensors[n] for n in pair.tensors}
    size = math.sqrt(sum(float(t.square().sum()) for t in alone.tensors.values()))
    assert distance(alone.tensors, difference) <= 1e-5 * size


def test_clipping_after_the_sum_would_be_found(
    lora_model: Any, batch: Records, loop_oracle: Any, distance: Any
) -> None:
    model = lora_model[0]
    slow = loop_oracle(model, batch, 0.5)
    huge = clipped_sum(model, batch, 1e9)
    norm = math.sqrt(sum(float(t.square().sum()) for t in huge.tensors.values()))
    broken = {n: t * min(1.0, 0.5 / norm) for n, t in huge.tensors.items()}
    assert distance(broken, slow) > 1.0


def test_hooks_and_gradients_are_gone_after_a_sum(lora_model: Any, batch: Records) -> None:
    model = lora_model[0]
    clipped_sum(model, batch, 1.0)
    assert all(p.grad is None and not hasattr(p, "grad_sample") for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())


def test_the_share_clipped_goes_to_the_diary_only(lora_model: Any, batch: Records) -> None:
    total = clipped_sum(lora_model[0], batch, 1e-6)
    assert batch._diagnostics.rows[-1]["share_clipped"] == 1.0
    assert set(vars(total)) == {"tensors", "max_norm"}
    assert clipping.clipped_sum(lora_model[0], batch, 1e9).sensitivity == 1e9
    assert batch._diagnostics.rows[-1]["share_clipped"] == 0.0


def test_private_diary_holds_the_mean_loss_and_share_clipped(
    tiny_bert: Any, made_up: Any, moved_classifier: Any, records_of: Any
) -> None:
    """The private diagnostics hold the mean loss and the share clipped."""
    model, frozen = moved_classifier(tiny_bert, LORA["all layers"])
    model = model.double()
    records = records_of(made_up, frozen)
    f = records.features
    features = Features(f.values.astype(np.float64), f.offsets, True)
    if f.values.dtype.kind != "f":
        features = f
    records = Records(records.slots, features, records.labels.double())
    ones = [records.take(np.array([i])) for i in range(records.size)]
    norms = [
        math.sqrt(
            sum(float(t.square().sum()) for t in clipped_sum(model, one, 1e6).tensors.values())
        )
        for one in ones
    ]
    losses = [float(model.losses(one).detach().double()) for one in ones]
    clip = float(np.median(norms))
    clipped_sum(model, records, clip, tokens=64)
    noted = records._diagnostics.rows[-1]
    assert noted["records"] == records.size
    assert noted["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
    assert noted["share_clipped"] == pytest.approx(np.mean(np.array(norms) > clip))


def test_only_the_warning_that_hooks_always_give_is_kept_back() -> None:
    """Of all warnings, only the one that hooks always give is kept back."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with per_record_gradients(torch.nn.Linear(2, 2)):
            warnings.warn("Full backward hook is firing when gradients are computed", stacklevel=1)
            warnings.warn("something else", stacklevel=1)
    assert [str(w.message) for w in heard] == ["something else"]


def test_layer_that_mixes_records_is_refused_by_the_hooks() -> None:
    """A layer that mixes records is refused by the hooks themselves."""
    with pytest.raises(NotImplementedError), per_record_gradients(nn.BatchNorm1d(3)):
        pass
