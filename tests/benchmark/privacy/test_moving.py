"""Moving a model before or after it gets its adapters, and the tensors that an optimizer holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from radpriv.baselines.dp_lora import DPLoRA, two_rate_adam
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods import classifier
from radpriv.benchmark.methods.classifier import Lora, build_classifier, untrained
from radpriv.benchmark.privacy.checks import public_records, snapshot
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import Noised, apply
from radpriv.errors import CellFailed

ORDERS = ("moved, then wrapped", "wrapped, then moved", "wrapped, then moved into new tensors")


def moved(
    how: str, encoder: Encoder, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> tuple[nn.Module, Any]:
    """A LoRA classifier in float64, on `device`; `how` says when it went there."""
    from peft import get_peft_model

    lora = Lora(2, 4.0, 0, False)
    generator = torch.Generator().manual_seed(3)
    after, frozen = build_classifier(encoder, 3, lora, 48, generator)
    with torch.no_grad():  # B and the head start at 0, which stops every other gradient
        for p in trainable(after).values():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    if how == "moved, then wrapped":
        base, _ = untrained(encoder, 3, 0, 48)
        adapters = classifier._config(base, lora)  # by trying the model, where it was built
        base.to(device, torch.float64)
        before: nn.Module = get_peft_model(base, adapters).train()
        before.load_state_dict(after.state_dict())
        return before, frozen
    if how == "wrapped, then moved into new tensors":
        monkeypatch.setattr(torch.__future__, "get_overwrite_module_params_on_conversion", _yes)
    return after.to(device, torch.float64), frozen


def _yes() -> bool:
    return True


def steps(
    model: nn.Module, optimizer: torch.optim.Optimizer, run: Any, records: Any, count: int
) -> None:
    for step in run.poisson(records, 0.1, count, state=(model, optimizer)):
        total = clipped_sum(model, step.records, 1.0)
        apply(model, optimizer, step.gaussian("gradient", total, 1.0) / step.expected_batch)


def test_the_order_of_moving_and_wrapping_changes_no_sum(
    tiny_bert: Encoder, device: torch.device, distance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for how in ORDERS:
        model, frozen = moved(how, tiny_bert, device, monkeypatch)
        records = public_records(frozen, 3, device)
        assert {(p.dtype, p.device.type) for p in model.parameters()} == {
            (torch.float64, device.type)
        }
        found.append(clipped_sum(model, records, 0.3).tensors)
    assert len(found[0]) == 3 * 2 * 2 + 2 and all(t.any() for t in found[0].values())
    assert all(distance(f, found[0]) <= 1e-12 for f in found)


def test_adapters_move_in_either_order_and_stale_tensors_end_it(
    device: torch.device,
    tiny_bert: Encoder,
    make_run: Any,
    train: PrivateRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In either order every adapter moves; with stale tensors the run ends."""
    run = make_run(device=device)
    for how, count in zip(ORDERS, (5, 50, 5), strict=True):
        model, frozen = moved(how, tiny_bert, device, monkeypatch)
        optimizer = two_rate_adam(model, 1e-3, 1e-3)
        before = snapshot(model)
        steps(model, optimizer, run, train.map("frozen", frozen), count)
        changes = [float((p - before[n]).abs().max()) for n, p in snapshot(model).items()]
        assert len(changes) == 3 * 2 * 2 + 2 and min(changes) > 1e-3
    made = len(run.releases)
    model.to(torch.float32)  # into new tensors, of which `optimizer` knows nothing
    with pytest.raises(CellFailed, match="adapter did not move"):
        steps(model, optimizer, run, train.map("frozen", frozen), 5)
    assert len(run.releases) == made + 1


def test_dp_lora_trains_what_its_targets_say(
    tiny_bert: Encoder, make_run: Any, train: PrivateRecords
) -> None:
    names = {}
    for targets in ("query_value", "all_linear"):
        method = DPLoRA(rank=2, rate=0.2, steps=2, max_length=48, targets=targets)
        run = make_run(math.inf)
        names[targets] = set(trainable(method.fit(train, tiny_bert, run.budget, run).model))
    assert len(names["query_value"]) == 2 + 2 and len(names["all_linear"]) == 6 + 2
    assert names["query_value"] < names["all_linear"]


def test_an_update_goes_to_the_device_of_the_model() -> None:
    """`meta` stands in for a card: a gradient elsewhere than its tensor is refused by torch."""
    model = torch.nn.Linear(2, 3, device="meta")
    update = Noised({n: torch.ones(p.shape).double() for n, p in model.named_parameters()})
    apply(model, torch.optim.SGD(model.parameters(), lr=0.1), update)
    assert {p.device.type for p in model.parameters()} == {"meta"}
