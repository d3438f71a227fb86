"""Lower precision and other devices: norms, sums and noise stay float64, the clip stays a bound.

Under bfloat16 autocast a record's gradient is computed with 8 bits of mantissa, so it is a rounded
gradient that is clipped: the bound on its contribution is exact, and only utility pays. ROUNDING
states what was measured for these models, with room.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.classifier import FineTune, FrozenPart, Lora
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.checks import snapshot
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import PrivateRecords, Records
from radpriv.benchmark.privacy.release import Place, add_noise, apply
from radpriv.benchmark.privacy.streams import gaussians

CPU = torch.device("cpu")

TRAINED = {
    "query and value": Lora(2, 4.0, 2, False),
    "all linear, frozen A": Lora(2, 4.0, 0, True, "all_linear"),
    "everything": FineTune("all"),
}

ROUNDING = 0.015
"""Error of a clipped sum under bfloat16 autocast, per record and in units of the clip.

Measured on a CPU: 0.0025 to 0.0077.
"""

BATCHING = {"float32": 1e-6, "bfloat16": 0.005}
"""What micro-batches may change, per record and in units of the clip.

Measured on a CPU: up to 2.0e-7 and 0.0019.
"""

Build = Callable[..., tuple[Any, Records]]


@pytest.fixture
def build(
    tiny_bert: Encoder,
    tiny_albert: Encoder,
    made_up: Dataset,
    moved_classifier: Any,
    records_of: Any,
) -> Build:
    """(model, records) on a device."""

    def make(device: torch.device, trained: Any, kind: str = "bert", count: int = 6) -> Any:
        encoder = tiny_albert if kind == "albert" else tiny_bert
        model, frozen = moved_classifier(encoder, trained)
        found: Records = records_of(made_up, frozen).take(np.arange(count))
        records = Records(found.slots, found.features, found.labels.to(device), device)
        return model.to(device), records

    return make


def bf16(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16)


def distance(a: ClippedSum, b: ClippedSum) -> float:
    return norm({n: t.cpu() - b.tensors[n].cpu() for n, t in a.tensors.items()})


def norm(tensors: dict[str, Tensor]) -> float:
    return math.sqrt(sum(float(t.square().sum()) for t in tensors.values()))


@pytest.mark.parametrize("what", TRAINED)
@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_autocast_sums_are_float64_clipped_and_near_exact(
    kind: str, what: str, device: torch.device, build: Build
) -> None:
    """Under autocast, sums are float64, within the clip and near the exact ones."""
    model, records = build(device, TRAINED[what], kind)
    max_norm = 0.5
    exact = clipped_sum(model, records, max_norm)
    with bf16(device):
        assert model.losses(records).dtype != torch.float64
        rounded = clipped_sum(model, records, max_norm)
        alone = [
            clipped_sum(model, records.take(np.array([i])), max_norm) for i in range(records.size)
        ]
    assert {t.dtype for t in rounded.tensors.values()} == {torch.float64}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    error = distance(rounded, exact) / (max_norm * records.size)
    assert 1e-5 < error <= ROUNDING  # below, and autocast did nothing
    sizes = [norm(a.tensors) for a in alone]
    assert max(sizes) <= max_norm * (1 + 1e-12) and max(sizes) > max_norm * (1 - 1e-9)


@pytest.mark.parametrize("precision", BATCHING)
@pytest.mark.parametrize("what", TRAINED)
def test_micro_batches_change_a_sum_by_no_more_than_rounding(
    what: str, precision: str, device: torch.device, build: Build
) -> None:
    model, records = build(device, TRAINED[what])
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
        whole = clipped_sum(model, records, 0.5, tokens=10**6)
        for tokens in (1, 40):
            cut = clipped_sum(model, records, 0.5, tokens=tokens)
            assert distance(whole, cut) <= BATCHING[precision] * 0.5 * records.size


class Planted(nn.Module):
    """A model in which the loss of record 0 is multiplied."""

    def __init__(self, model: Any, factor: float) -> None:
        super().__init__()
        self.model = model
        self.factor = factor

    def losses(self, records: Records) -> Tensor:
        losses: Tensor = self.model.losses(records)
        factors = torch.where(torch.from_numpy(records.slots == 0), self.factor, 1.0)
        return losses * factors.to(losses)


@pytest.mark.parametrize("factor", [1e-30, 1e20, 1e38, math.inf, math.nan])
def test_a_planted_record_adds_at_most_the_clip_under_autocast(
    factor: float, device: torch.device, build: Build
) -> None:
    model, records = build(device, TRAINED["query and value"])
    with bf16(device):
        # One record at a time: what the others add is then the same, bit by bit.
        there = clipped_sum(Planted(model, factor), records, 0.7, tokens=1)
        gone = clipped_sum(Planted(model, factor), records.take(np.arange(1, 6)), 0.7, tokens=1)
    assert all(torch.isfinite(t).all() for t in there.tensors.values())
    assert norm(gone.tensors) > 0.7
    assert distance(there, gone) <= 0.7 * (1 + 1e-9)
    if not math.isfinite(factor):
        assert distance(there, gone) == 0.0


def test_norm_in_bfloat16_would_exceed_the_clip(build: Build) -> None:
    """A norm in bfloat16 would let a contribution exceed the clip.

    The broken variant: the same gradients, norm and scale in the precision of the forward.
    """
    model, records = build(CPU, TRAINED["everything"])
    excess = []
    for i in range(records.size):
        with bf16(CPU):
            found = clipped_sum(model, records.take(np.array([i])), 1e9)
        g = torch.cat([t.flatten() for t in found.tensors.values()])
        scale = (0.5 / g.bfloat16().norm()).clamp(max=1.0)
        excess.append(float((g.bfloat16() * scale).double().norm()) - 0.5)
    assert max(excess) > 1e-4


def test_weights_moved_inside_an_autocast_region_count(device: torch.device, build: Build) -> None:
    """Weights that move inside one autocast region are the ones that count.

    Autocast keeps copies of the weights for as long as its region is open.
    """
    model, records = build(device, TRAINED["query and value"])
    with bf16(device):
        clipped_sum(model, records, 0.5)
        with torch.no_grad():
            for p in trainable(model).values():
                p.add_(0.5)
        inside = clipped_sum(model, records, 0.5)
    with bf16(device):
        assert distance(clipped_sum(model, records, 0.5), inside) <= 1e-9


def test_noise_is_the_streams_float64_on_any_device(device: torch.device, build: Build) -> None:
    """Noise is the stream's float64, whatever device and forward precision."""
    model, records = build(device, TRAINED["query and value"])
    place = Place(5, "gradient", 0.1)
    with bf16(device):
        total = clipped_sum(model, records, 0.5)
        nothing = ClippedSum({n: torch.zeros_like(t) for n, t in total.tensors.items()}, 0.5)
        noise = add_noise(b"k" * 32, place, nothing, 3.0).tensors
        noised = add_noise(b"k" * 32, place, total, 3.0).tensors
    for name, found in noise.items():
        drawn = gaussians(b"k" * 32, ("noise", 5, "gradient", name), found.numel())
        expected = 0.5 * 3.0 * torch.from_numpy(np.array(drawn)).view(found.shape)
        assert found.dtype == torch.float64 and found.device.type == device.type
        assert torch.equal(found.cpu(), expected)
        assert torch.equal(noised[name].cpu(), total.tensors[name].cpu() + expected)


def test_autocast_run_moves_every_tensor_and_repeats(
    device: torch.device, build: Build, tiny_bert: Encoder, make_run: Any, train: PrivateRecords
) -> None:
    """A run under autocast moves every tensor and is the same again."""
    tensors = []
    for _ in range(2):
        model, _ = build(device, TRAINED["everything"])
        before = snapshot(model)
        optimizer = torch.optim.SGD(trainable(model).values(), 0.01)
        run = make_run(device=device, ledger=Ledger(None))
        records = train.map("frozen", FrozenPart(tiny_bert, 0, 64))
        for step in run.poisson(records, 0.3, 4, state=(model, optimizer)):
            with bf16(device):
                total = clipped_sum(model, step.records, 0.5)
                update = step.gaussian("gradient", total, 2.0) / step.expected_batch
                apply(model, optimizer, update)
            assert {t.dtype for t in update.tensors.values()} == {torch.float64}
        assert len(run.releases) == 4
        assert all((p != before[n]).any() for n, p in snapshot(model).items())
        tensors.append(snapshot(model))
    assert all(torch.allclose(p, tensors[1][n], atol=1e-4) for n, p in tensors[0].items())
