"""The checks on public input and on weights, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import checks
from radpriv.benchmark.privacy.records import Records
from radpriv.errors import CellFailed

WORDS = HashedWords(size=16, ngrams=1, binary=True)


class Two(nn.Module):
    """Two linear maps side by side, the second of them trained too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(16, 2), nn.Linear(16, 2)

    def losses(self, records: Records) -> Tensor:
        x = records.inputs()[0].float()
        return ((self.first(x) + self.second(x)) - records.labels).square().sum(1)


def test_public_labels_are_all_there_none_and_every_other_one() -> None:
    labels = checks.public_records(WORDS, 4, torch.device("cpu")).labels
    assert labels.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 1]]


@pytest.mark.parametrize("smallest", [0, 1, 2])
def test_the_second_clip_is_felt_by_every_public_record(
    smallest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = checks.public_records(WORDS, 2, torch.device("cpu"))
    size = np.full(records.size, 1.0)
    size[smallest] = 1e-3
    real, clips = checks.clipped_sum, []

    class Scaled(Two):
        def losses(self, records: Records) -> Tensor:
            return super().losses(records) * torch.from_numpy(size[records.slots]).float()

    torch.manual_seed(0)
    model = Scaled().train()

    def spy(model: Any, records: Records, max_norm: float) -> Any:
        clips.append(max_norm)
        return real(model, records, max_norm)

    norms = [
        checks._norm(real(model, records.take(np.array([i])), checks.UNCLIPPED).tensors)
        for i in range(records.size)
    ]
    monkeypatch.setattr(checks, "clipped_sum", spy)
    checks._same_together_and_apart(model, records)
    felt = min(clips)
    assert int(np.argmin(norms)) == smallest
    assert felt == pytest.approx(min(norms) / 2, rel=1e-6)
    assert max(clips) > 1e6 * max(norms)


def test_only_key_biases_may_be_without_a_gradient() -> None:
    name = "encoder.layer.0.attention.self.key.bias"
    assert checks.softmax_cancels(name) is True
    for other in ("key.weight", "query.bias", "key.bias.lora_A"):
        assert checks.softmax_cancels(other) is False


def test_weights_are_moved_a_little_and_alike_before_the_check() -> None:
    """Weights are moved a little and always alike before gradients are asked for.

    By a generator of its own: numbers that a method draws later are the same.
    """

    class Seen(Two):
        def losses(self, records: Records) -> Tensor:
            weights.append(self.first.weight.detach().clone())
            return super().losses(records)

    model, moved = Seen().train(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before, weights = model.first.weight.detach().clone(), list[Tensor]()
        checks.check_gradients_reach(model, WORDS, 2, torch.device("cpu"))
        after = torch.rand(3)
        torch.manual_seed(seed)
        assert torch.equal(after, torch.rand(3))
        assert torch.equal(model.first.weight, before)
        moved.append(weights[0] - before)
    assert torch.equal(moved[0], moved[1])
    assert 0.03 < float(moved[0].std()) < 0.07


def test_a_norm_is_a_number() -> None:
    found = checks._norm({"a": torch.tensor([3.0]), "b": torch.tensor([[4.0]])})
    assert type(found) is float and found == 5.0


def test_a_buffer_that_appears_in_a_step_is_found() -> None:
    model = Two()
    before = checks.constants(model)
    checks.check_constant(model, before)
    model.register_buffer("mean", torch.zeros(2))
    with pytest.raises(CellFailed, match="buffer or frozen tensor mean"):
        checks.check_constant(model, before)


@pytest.mark.parametrize("still", ["first.weight", "first.bias", "second.weight", "second.bias"])
def test_each_tensor_that_stands_still_is_found(still: str) -> None:
    model = Two()
    before = checks.snapshot(model)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(0.0 if name == still else 1.0)
    with pytest.raises(CellFailed, match=f"tensor {still} is unchanged"):
        checks.check_moved(model, before)


def test_one_weight_that_is_not_finite_is_found_among_all() -> None:
    model = Two()
    assert checks.finite(model)
    with torch.no_grad():
        model.second.bias[1] = torch.nan
    assert not checks.finite(model)
