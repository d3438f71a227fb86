"""What becomes of a released sum: updates, and what ends a run that would be no use."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.privacy import checks
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import Noised, Place, add_noise, apply
from radpriv.benchmark.privacy.run import Diverged
from radpriv.errors import CellFailed, PrivacyError

from .plain_loop import WORDS, drive, linear


def test_what_is_scaled_stays_one_release() -> None:
    noised = Noised({"a": torch.tensor([3.0, -1.0], dtype=torch.float64)})
    for scaled in (noised * 2, 2 * noised, noised / 0.5):
        assert scaled.tensors["a"].tolist() == [6.0, -2.0]
    assert noised.tensors["a"].tolist() == [3.0, -1.0]


def test_extra_steps_are_certified_above_the_budget(make_run: Any, train: PrivateRecords) -> None:
    run = make_run(epsilon=2.0)
    sigma = run.calibrate(0.5, 20)
    drive(run, train, 0.5, 20, sigma=sigma)
    assert 0.995 * 2.0 <= run.certificate()[0] <= 2.0
    drive(run, train, 0.5, 4, sigma=sigma)
    assert run.certificate()[0] > 2.0


def test_an_optimizer_with_stale_tensors_ends_the_run(make_run: Any, train: PrivateRecords) -> None:
    model, _ = linear()
    stale = torch.optim.SGD(LinearModel(32, 3, 1.0).parameters(), lr=0.1)
    with pytest.raises(CellFailed, match="adapter did not move"):
        for step in make_run().poisson(train.map("w", WORDS), 0.5, 3, state=(model, stale)):
            total = clipped_sum(model, step.records, 1.0)
            apply(model, stale, step.gaussian("gradient", total, 2.0) / step.expected_batch)


def test_a_healthy_optimizer_moves_every_tensor(make_run: Any, train: PrivateRecords) -> None:
    assert len(drive(make_run(), train, 0.5, 3)) == 3


def test_tensor_ignored_by_the_loss_is_found_before_step_one(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    """A tensor that the loss ignores is found before the first step."""

    class Detached(LinearModel):
        def losses(self, records: Any) -> torch.Tensor:
            x, _ = records.inputs()
            with torch.no_grad():
                base = self.head(x.float())
            return (base + 0.0 * self.head(x.float())).square().mean(1)

    model = Detached(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(CellFailed, match="gets no gradient"):
        for _ in make_run().poisson(train.map("w", WORDS), 0.5, 1, state=(model, optimizer)):
            raise AssertionError("the step must not be reached")
    assert not (tmp_path / "ledger.jsonl").exists()


def test_the_check_restores_the_weights_bit_by_bit(lora_model: Any) -> None:
    model, frozen = lora_model
    before = checks.snapshot(model)
    checks.check_gradients_reach(model, frozen, 3, torch.device("cpu"))
    assert all(torch.equal(before[n], p) for n, p in checks.snapshot(model).items())


def test_non_finite_weights_end_as_diverged_with_the_ledger_kept(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    """Weights that become non-finite end as diverged with the ledger kept."""
    run = make_run()
    model, optimizer = linear()
    with pytest.raises(Diverged):
        for step in run.poisson(train.map("w", WORDS), 0.5, 5, state=(model, optimizer)):
            noised = step.gaussian("gradient", clipped_sum(model, step.records, 1.0), 2.0)
            apply(model, optimizer, noised / (0.0 if step.index == 2 else 1.0))
    assert len(read(tmp_path / "ledger.jsonl")) == 3


def test_apply_refuses_another_set_of_tensors() -> None:
    model, optimizer = linear()
    noised = add_noise(
        b"k" * 32,
        Place(0, "g", 1.0),
        ClippedSum({"head.weight": torch.zeros(3, 32).double()}, 1.0),
        1.0,
    )
    with pytest.raises(PrivacyError, match=r"head\.bias"):
        apply(model, optimizer, noised)


def test_public_randomness_depends_on_suite_key_seed_and_name(make_run: Any) -> None:
    """Public randomness depends on suite key, seed and name only."""

    def first(run: Any, name: str) -> float:
        return float(torch.rand(1, generator=run.rng(name)))

    assert first(make_run(), "init") == first(make_run(epsilon=1.0, key=b"z" * 32), "init")
    assert first(make_run(), "init") != first(make_run(), "batches")
    assert first(make_run(), "init") != first(make_run(seed=1), "init")


def test_the_training_set_has_no_length_and_shows_no_member(train: PrivateRecords) -> None:
    with pytest.raises(TypeError):
        len(train)  # type: ignore[arg-type]
    assert not train.left_waist
    train.raw()
    assert train.left_waist


def test_one_step_update_changes_by_at_most_clip_over_divisor(
    make_run: Any, train: PrivateRecords, universe: Universe
) -> None:
    """A one-step update changes by at most the clip over the divisor.

    Noise off (same stream): one unit moves the update by ≤ max_norm / (rate · n_public).
    """
    from dataclasses import replace

    mapped = train.map("w", WORDS)
    updates = []
    gone = int(np.flatnonzero(universe.member)[0])
    for drop in (False, True):
        member = universe.member.copy()
        member[gone] &= not drop
        object.__setattr__(mapped, "_universe", replace(universe, member=member))
        model, _ = linear()
        nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
        step = make_run()._sample(mapped, 1.0)
        total = clipped_sum(model, step.records, 0.01)
        noised = add_noise(b"k" * 32, Place(0, "g", 1.0), total, 1.0)
        updates.append((noised / step.expected_batch).tensors)
    change = math.sqrt(
        sum(float((updates[0][n] - updates[1][n]).square().sum()) for n in updates[0])
    )
    assert 0 < change <= 0.01 / 30 * (1 + 1e-9)


@pytest.mark.parametrize("ragged", [True, False])
def test_an_empty_sample_has_values_of_the_same_kind(
    make_run: Any, train: PrivateRecords, ragged: bool
) -> None:
    """Otherwise a method that multiplies them by a matrix fails exactly where nobody was drawn."""

    class Letters:
        key = ""

        def __init__(self) -> None:
            self.ragged = ragged

        def __call__(self, text: str) -> np.ndarray:
            return np.ones((len(text), 5) if ragged else 5)

    mapped = train.map("letters", Letters())
    empty, full = (make_run()._sample(mapped, rate).records for rate in (1e-9, 1.0))
    assert empty.size == 0 < full.size
    for here, there in zip(empty.inputs(), full.inputs()):
        assert len(here) == 0 and here.dtype == there.dtype and here.ndim == there.ndim
    assert empty.inputs()[0].shape[-1] == 5
    values, mask = full.inputs()
    assert mask.dtype == torch.bool and mask.shape == (full.size, len(values[0]) if ragged else 1)
