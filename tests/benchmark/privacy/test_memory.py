"""Memory that runs out, and numbers that are none: what a step does, and what it never does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.features import Features
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import clipping
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.clipping import clipped_sum, per_record_gradients
from radpriv.benchmark.privacy.records import MicroBatches, PrivateRecords, Records
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.run import Diverged
from radpriv.errors import PrivacyError

CPU_TEXT = (
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 1073741824 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS: dict[str, BaseException] = {
    "CUDA": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "CPU": RuntimeError(CPU_TEXT),
    "Windows": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"),
    "Python": MemoryError(),
}
WORDS = HashedWords(32, 1, True)
MAX_NORM = 0.5


class Watch:
    """Which micro-batches were asked for, as (records, padded tokens), and how many failed."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []
        self.failed = 0

    def over(self, part: Records, most: int) -> bool:
        values, _ = part.inputs()
        self.parts.append((part.size, values.shape[0] * values.shape[1]))
        self.failed += self.parts[-1][1] > most
        return self.parts[-1][1] > most


@contextmanager
def short_of_memory(
    model: Any, most: int, error: BaseException, backward: bool = False
) -> Iterator[Watch]:
    """Inside, losses of more than `most` padded tokens raise; or their backward pass does."""
    losses, watch = model.losses, Watch()

    def limited(part: Records) -> Tensor:
        over = watch.over(part, most)
        if over and not backward:
            raise error
        found: Tensor = losses(part)
        return Halfway.apply(found, error) if over else found

    model.losses = limited
    try:
        yield watch
    finally:
        del model.losses


class Halfway(torch.autograd.Function):
    """The identity, until its backward pass fails: the forward pass has left its activations."""

    @staticmethod
    def forward(ctx: Any, losses: Tensor, error: BaseException) -> Tensor:
        ctx.error = error
        return losses.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        raise ctx.error


def apart(a: Any, b: Any) -> float:
    return math.sqrt(sum(float((a.tensors[n] - b.tensors[n]).square().sum()) for n in b.tensors))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("kind", ERRORS)
def test_sum_out_of_memory_is_taken_again_in_smaller_batches(
    kind: str, backward: bool, lora_model: Any, batch: Records
) -> None:
    """A sum that ran out of memory is taken again in smaller micro-batches."""
    model = lora_model[0]
    whole = clipped_sum(model, batch, MAX_NORM)
    notes = len(batch._diagnostics.rows)
    with short_of_memory(model, 100, ERRORS[kind], backward) as watch:
        total = clipped_sum(model, batch, MAX_NORM)
    assert watch.failed > 1
    assert 0 <= apart(total, whole) <= 1e-6 * MAX_NORM * batch.size
    assert len(batch._diagnostics.rows) == notes + 1
    assert batch._diagnostics.rows[-1] == pytest.approx(batch._diagnostics.rows[-2], rel=1e-6)
    assert all(getattr(p, "grad_sample", None) is None for p in model.parameters())
    assert all(p.grad is None for p in model.parameters())
    assert total.sensitivity == MAX_NORM


def test_the_smaller_plan_is_kept_for_the_sums_that_follow(lora_model: Any, batch: Records) -> None:
    with short_of_memory(lora_model[0], 100, ERRORS["CUDA"]) as watch:
        clipped_sum(lora_model[0], batch, MAX_NORM)
        first = watch.failed
        clipped_sum(lora_model[0], batch, MAX_NORM)
    assert first > 1 and watch.failed == first
    assert (
        batch._plan.tokens < MicroBatches().tokens
        and batch._plan.elements < MicroBatches().elements
    )


class TwoUses(nn.Module):
    """One layer used twice: its backward fails between the uses, where half of it is booked."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))
        self.most = 10**6

    def losses(self, records: Records) -> Tensor:
        x, _ = records.inputs()
        middle = self.layer(x.float()).tanh()
        if records.size > self.most:
            middle.register_hook(self.fail)
        losses: Tensor = self.layer(middle).square().mean(1)
        return losses

    def fail(self, gradient: Tensor) -> None:
        raise ERRORS["CUDA"]


def rows(n: int = 6, units: list[int] | None = None) -> Records:
    values = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    owners = None if units is None else np.array(units)
    features = Features(values, np.arange(n + 1), False)
    return Records(np.arange(n), features, torch.zeros(n, 3), units=owners)


def test_gradients_of_a_sum_cut_short_are_not_added_to_the_next() -> None:
    """No gradient of a sum that was cut short is added to the next."""
    model = TwoUses().train()
    whole = clipped_sum(model, rows(), MAX_NORM)
    model.most = 3
    assert apart(clipped_sum(model, rows(), MAX_NORM), whole) <= 1e-6 * MAX_NORM * 6


def test_leftover_gradients_of_a_sum_without_clean_up_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gradients left over by a sum without clean-up would be found.

    One set of hooks for all tries: what the first try booked is added to the second's.
    """
    model = TwoUses().train()
    whole = clipped_sum(model, rows(), MAX_NORM)
    model.most = 3
    with per_record_gradients(model):
        monkeypatch.setattr(clipping, "per_record_gradients", lambda model: nullcontext())
        try:
            error = apart(clipped_sum(model, rows(), MAX_NORM), whole)
        except (PrivacyError, RuntimeError):
            error = math.inf
    assert error > 1e-2 * MAX_NORM


def test_memory_too_short_for_one_unit_ends_in_one_line(lora_model: Any, batch: Records) -> None:
    with short_of_memory(lora_model[0], 0, ERRORS["CPU"]), pytest.raises(PrivacyError) as caught:
        clipped_sum(lora_model[0], batch, MAX_NORM)
    assert str(caught.value) == "memory is too short for the gradients of one unit"


def test_a_unit_is_never_split_however_short_memory_is() -> None:
    model = LinearModel(4, 3, 1.0).train()
    nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    records = rows(6, [0, 0, 0, 1, 1, 1])
    whole = clipped_sum(model, records, 1e-3)
    with short_of_memory(model, 3 * 4, ERRORS["Python"]) as watch:
        total = clipped_sum(model, records, 1e-3)
    assert {size for size, _ in watch.parts} == {6, 3}
    assert apart(total, whole) <= 1e-6 * 1e-3 * 6
    assert math.sqrt(sum(float(t.square().sum()) for t in total.tensors.values())) <= 2e-3 * 1.001


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x4 and 3x3)"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("memory"),
    ],
)
def test_another_error_is_not_taken_for_want_of_memory(
    error: Exception, lora_model: Any, batch: Records
) -> None:
    with short_of_memory(lora_model[0], 100, error) as watch, pytest.raises(type(error)) as caught:
        clipped_sum(lora_model[0], batch, MAX_NORM)
    assert caught.value is error and watch.failed == 1
    assert batch._plan == MicroBatches()
    assert all(getattr(p, "grad_sample", None) is None for p in lora_model[0].parameters())


Loop = Callable[..., list[Any]]


@pytest.fixture
def loop(train: PrivateRecords) -> Loop:
    def drive(run: Any, steps: int = 4, most: dict[int, int] | None = None) -> list[Any]:
        """A DP-SGD loop; from step s on memory holds most[s] padded tokens. Its releases."""
        model = LinearModel(32, 3, 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        records = train.map("words", WORDS)
        seen = []
        for step in run.poisson(records, 0.9, steps, state=(model, optimizer)):
            limit = (most or {}).get(step.index, 10**9)
            with short_of_memory(model, limit, ERRORS["CPU"]) as watch:
                total = clipped_sum(model, step.records, MAX_NORM)
            noised = step.gaussian("gradient", total, 2.0)
            apply(model, optimizer, noised / step.expected_batch)
            seen.append((watch.failed, noised))
        return seen

    return drive


def test_step_out_of_memory_releases_once_and_books_one_line(
    make_run: Any, loop: Loop, tmp_path: Path
) -> None:
    """A step that ran out of memory releases once and books one line."""
    seen = loop(make_run(), most={1: 200, 2: 200, 3: 200})
    assert [failed > 0 for failed, _ in seen] == [False, True, False, False]
    book = read(tmp_path / "ledger.jsonl")
    assert [r.step for r in book] == [0, 1, 2, 3]
    assert [r.sha256 for r in book] == [noised.sha256 for _, noised in seen]


def test_the_smaller_plan_lies_in_the_checkpoint_and_is_put_back(
    make_run: Any, loop: Loop, train: PrivateRecords, tmp_path: Path
) -> None:
    kept = Checkpoints(tmp_path / "private", every=1e9)
    loop(make_run(checkpoints=kept), most={1: 200})
    small = MicroBatches(train._plan.tokens, train._plan.elements)
    assert small != MicroBatches()
    train._plan.tokens, train._plan.elements = MicroBatches().tokens, MicroBatches().elements
    run = make_run(checkpoints=Checkpoints(tmp_path / "private", every=1e9))
    assert loop(run) == [] and train._plan == small


def test_a_smaller_plan_is_checkpointed_at_once(
    make_run: Any, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps made again under the larger plan would have other last bits."""
    written = []
    monkeypatch.setattr(
        "radpriv.benchmark.privacy.checkpoint.atomic_write",
        lambda path, data: written.append(path.name),
    )
    kept = Checkpoints(tmp_path / "private", every=1e9)
    loop(make_run(checkpoints=kept), 4, most={1: 200})
    assert written == ["checkpoint-0.pt"] * 2  # after step 1, and at the end


# Numbers that are none.


class Planted(nn.Module):
    """A linear model; the losses of some records are multiplied by a factor."""

    def __init__(self, factor: float, slots: list[int]) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)
        nn.init.normal_(self.head.weight, generator=torch.Generator().manual_seed(0))
        self.factor, self.slots = factor, slots

    def losses(self, records: Records) -> Tensor:
        x, _ = records.inputs()
        planted = torch.from_numpy(np.isin(records.slots, self.slots))
        losses: Tensor = self.head(x.float()).square().mean(1)
        return losses * torch.where(planted, self.factor, 1.0)


@pytest.mark.parametrize("tokens", [1, 4096])
@pytest.mark.parametrize("factor", [math.nan, math.inf, -math.inf, 3e38])
def test_non_finite_record_adds_zero_and_leaves_the_others_alone(
    factor: float, tokens: int
) -> None:
    """A record that is not finite adds zero, and the others what they would."""
    model = Planted(factor, [2]).train()
    total = clipped_sum(model, rows(), MAX_NORM, tokens)
    others = clipped_sum(model, rows().take(np.array([0, 1, 3, 4, 5])), MAX_NORM, tokens)
    change = apart(total, others)
    if math.isfinite(factor):  # huge, and finite in float64: it adds the clip
        assert change == pytest.approx(MAX_NORM, rel=1e-6) or change == 0
    else:
        assert change <= 1e-12


def test_unit_with_one_non_finite_record_adds_zero_as_a_whole() -> None:
    """A unit with one record that is not finite adds zero as a whole."""
    records = rows(6, [0, 0, 1, 1, 2, 2])
    model = Planted(math.nan, [3]).train()
    total = clipped_sum(model, records, MAX_NORM)
    others = clipped_sum(model, records.take(np.array([0, 1, 4, 5])), MAX_NORM)
    assert apart(total, others) <= 1e-12
    by_record = clipped_sum(model, rows(), MAX_NORM)  # a variant that drops the record alone
    without = clipped_sum(model, rows().take(np.array([0, 1, 4, 5])), MAX_NORM)
    assert apart(by_record, without) > 1e-3


def test_only_noised_weights_end_a_run_as_diverged(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    """Only noised weights end a run as diverged, and its ledger stays."""
    model = LinearModel(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    losses = model.losses
    records, member = train.map("words", WORDS), np.flatnonzero(train._universe.member)[0]
    model.losses = lambda r: (
        losses(r)
        * torch.where(  # type: ignore[method-assign]
            torch.from_numpy(r.slots == member), torch.nan, 1.0
        )
    )
    with pytest.raises(Diverged):
        for step in make_run().poisson(records, 1.0, 5, state=(model, optimizer)):
            noised = step.gaussian("gradient", clipped_sum(model, step.records, 1.0), 2.0)
            assert all(bool(torch.isfinite(t).all()) for t in noised.tensors.values())
            optimizer.param_groups[0]["lr"] = math.inf if step.index == 3 else 1.0
            apply(model, optimizer, noised / step.expected_batch)
    assert [r.step for r in read(tmp_path / "ledger.jsonl")] == [0, 1, 2, 3]


def test_the_gradients_of_a_micro_batch_take_32_mib_at_most() -> None:
    assert 8 * MicroBatches().elements == 32 * 2**20 and MicroBatches().tokens == 4096


class TwoLayers(nn.Module):
    """The backward pass fails after the second layer's gradients were booked."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def losses(self, records: Records) -> Tensor:
        middle = self.first(records.inputs()[0].float())
        middle.register_hook(self.fail)
        losses: Tensor = self.second(middle).square().mean(1)
        return losses

    def fail(self, gradient: Tensor) -> None:
        assert isinstance(self.second.weight.grad_sample, Tensor)
        raise RuntimeError("something else")


def test_failure_leaves_no_gradient_of_a_record_with_the_model() -> None:
    """No gradient of a record stays with the model after a failure."""
    model = TwoLayers().train()
    with pytest.raises(RuntimeError, match="something else"):
        clipped_sum(model, rows(), MAX_NORM)
    for p in model.parameters():
        assert p.grad is None and getattr(p, "grad_sample", None) is None
