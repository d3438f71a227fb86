"""One sampler, one release, one ledger."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.privacy.accounting.calibration import FLOOR, calibrate
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import Place, add_noise, apply
from radpriv.benchmark.privacy.streams import gaussians
from radpriv.benchmark.store.ledger_schema import Group
from radpriv.errors import CellFailed, PrivacyError

from .plain_loop import WORDS, drive, linear


def test_releases_are_in_the_ledger_also_for_empty_batches(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    """Releases made are releases in the ledger, also for empty batches."""
    run = make_run()
    seen = drive(run, train, rate=0.02, steps=60)
    assert any(s.records.size == 0 for s, _, _ in seen)
    book = read(tmp_path / "ledger.jsonl")
    assert [r.step for r in book] == list(range(60))
    assert [r.sha256 for r in book] == [noised.sha256 for _, _, noised in seen]
    assert {(r.rate, r.noise_multiplier, r.sensitivity) for r in book} == {(0.02, 2.0, 1.0)}


def test_an_early_exit_books_what_was_released_and_no_more(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    run = make_run()
    model, optimizer = linear()
    for step in run.poisson(train.map("words", WORDS), 0.5, 10, state=(model, optimizer)):
        noised = step.gaussian("gradient", clipped_sum(model, step.records, 1.0), 2.0)
        apply(model, optimizer, noised / step.expected_batch)
        if step.index == 3:
            break
    assert len(read(tmp_path / "ledger.jsonl")) == 4
    drive(run, train, 0.5, 2)
    assert [r.step for r in read(tmp_path / "ledger.jsonl")] == [0, 1, 2, 3, 4, 5]


def test_the_ledger_line_is_on_disk_before_the_value_is_out(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    run = make_run()
    model, optimizer = linear()
    for step in run.poisson(train.map("words", WORDS), 0.5, 2, state=(model, optimizer)):
        total = clipped_sum(model, step.records, 1.0)
        before = len(run.releases)
        step.gaussian("gradient", total, 2.0)
        assert len(read(tmp_path / "ledger.jsonl")) == before + 1
        with torch.no_grad():
            for p in model.parameters():
                p.add_(1.0)


def test_inclusion_counts_follow_the_exact_probability(
    make_run: Any, train: PrivateRecords, universe: Universe
) -> None:
    run = make_run()
    mapped = train.map("words", WORDS)
    sizes = np.array([run._sample(mapped, 0.3).records.size for _ in range(3000)])
    members = int(universe.member.sum())
    assert sizes.sum() == pytest.approx(3000 * 0.3 * members, abs=4.5 * math.sqrt(sizes.size * 6))
    expected = members * 0.3 * 0.7
    assert sizes.var() == pytest.approx(expected, rel=0.15)


def test_removing_a_unit_moves_no_other_coin(
    make_run: Any, train: PrivateRecords, universe: Universe
) -> None:
    gone = int(np.flatnonzero(universe.member)[4])
    first = [set(make_run()._sample(train.map("w", WORDS), 0.5).records.slots) for _ in range(1)]
    run, other = make_run(), make_run()
    mapped = train.map("w", WORDS)
    smaller = universe.member.copy()
    smaller[gone] = False
    object.__setattr__(mapped, "_universe", universe)
    full = [set(run._sample(mapped, 0.5).records.slots) for _ in range(40)]
    from dataclasses import replace

    object.__setattr__(mapped, "_universe", replace(universe, member=smaller))
    less = [set(other._sample(mapped, 0.5).records.slots) for _ in range(40)]
    assert full[0] == first[0]
    assert any(gone in s for s in full)
    assert [s - {gone} for s in full] == less


def test_rate_one_takes_every_member(
    make_run: Any, train: PrivateRecords, universe: Universe
) -> None:
    step = make_run()._sample(train.map("w", WORDS), 1.0)
    assert list(step.records.slots) == list(np.flatnonzero(universe.member))


def test_the_divisor_is_a_public_constant(make_run: Any, train: PrivateRecords) -> None:
    run = make_run()
    assert {s.expected_batch for s, _, _ in drive(run, train, 0.2, 12)} == {0.2 * 30}


def test_realised_noise_has_the_booked_distribution(lora_model: Any, batch: Any) -> None:
    """Realised noise has the booked distribution, whatever the micro-batch."""
    for tokens in (20, 10**6):
        total = clipped_sum(lora_model[0], batch, 0.5, tokens=tokens)
        draws: dict[str, list[np.ndarray]] = {}
        for step in range(200):
            noised = add_noise(b"q" * 32, Place(step, "gradient", 1.0), total, 1.5)
            for name, value in noised.tensors.items():
                z = (value - total.tensors[name]).flatten().numpy() / (1.5 * 0.5)
                draws.setdefault(name, []).append(z)
        assert set(draws) == set(total.tensors)
        for parts in draws.values():
            assert stats.kstest(np.concatenate(parts), "norm").pvalue > 1e-5
        first, second, *_ = (np.concatenate(p)[:1600] for p in draws.values())
        assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / math.sqrt(1600)


def test_noise_scaled_to_the_mean_would_be_found(lora_model: Any, batch: Any) -> None:
    total = clipped_sum(lora_model[0], batch, 0.5)
    broken = np.concatenate(
        [
            gaussians(b"q" * 32, ("noise", s, "gradient", n), t.numel()) / batch.size
            for s in range(50)
            for n, t in total.tensors.items()
        ]
    )
    assert stats.kstest(broken, "norm").pvalue < 1e-9


def test_ended_step_releases_nothing_and_no_name_comes_twice(
    make_run: Any, train: PrivateRecords
) -> None:
    """A step cannot release after it ended, nor twice under one name."""
    run = make_run()
    step, total, _ = drive(run, train, 0.5, 1)[0]
    with pytest.raises(PrivacyError, match="has ended"):
        step.gaussian("late", total, 2.0)
    model, optimizer = linear()
    for step in run.poisson(train.map("w", WORDS), 0.5, 1, state=(model, optimizer)):
        total = clipped_sum(model, step.records, 1.0)
        noised = step.gaussian("gradient", total, 2.0)
        with pytest.raises(PrivacyError, match="before"):
            step.gaussian("gradient", total, 2.0)
        apply(model, optimizer, noised / step.expected_batch)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_private_run_releases_nothing_without_noise(
    make_run: Any, train: PrivateRecords, tmp_path: Path, sigma: float
) -> None:
    with pytest.raises(PrivacyError):
        drive(make_run(), train, 0.5, 1, sigma=sigma)
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("rate", "steps", "wrong"),
    [
        (0.0, 1, "one sampling probability"),
        (-0.5, 1, "one sampling probability"),
        (1.1, 1, "one sampling probability"),
        (math.nan, 1, "one sampling probability"),
        (0.5, 0, "give a positive count"),
        (0.5, True, "give a positive count"),
    ],
)
def test_a_rate_or_a_count_that_is_none_is_refused(
    make_run: Any, train: PrivateRecords, rate: float, steps: int, wrong: str
) -> None:
    with pytest.raises(PrivacyError, match=wrong):
        drive(make_run(), train, rate, steps)


def test_nothing_is_calibrated_for_no_rate(make_run: Any) -> None:
    with pytest.raises(PrivacyError, match=r"cannot calibrate: epsilon 8\.0, rate 0\.0, steps 2"):
        make_run().calibrate(0.0, 2)


def test_weights_per_record_are_no_sampling_rate(make_run: Any, train: PrivateRecords) -> None:
    """A weighted sampler draws otherwise than the ledger says (opacus #813)."""
    for weights in (np.full(30, 0.1), torch.full((30,), 0.1), [0.1] * 30, True):
        with pytest.raises(PrivacyError, match="one sampling probability"):
            drive(make_run(), train, weights, 2)  # type: ignore[arg-type]


def test_budget_that_lets_drawn_records_be_published_is_refused(make_run: Any) -> None:
    """A budget that lets drawn records be published is refused.

    With rate · steps ≤ δ no noise is needed: whoever is drawn is lost, as the δ allows.
    """
    run = make_run()
    delta = run.budget.delta
    assert calibrate(run.budget.epsilon, delta, delta / 2, 2) <= FLOOR
    for rate, steps in ((delta / 2, 1), (delta / 2, 2)):
        with pytest.raises(PrivacyError, match="lets every record that is drawn be published"):
            run.calibrate(rate, steps)
    assert not run.calibrations
    assert run.calibrate(delta, 3) >= FLOOR


def test_a_calibration_is_kept_with_its_whole_plan(make_run: Any) -> None:
    run = make_run()
    sigma = run.calibrate(0.2, 7)
    assert run.calibrations == (Group(rate=0.2, noise_multiplier=sigma, steps=7),)


def test_a_query_sums_over_no_model_with_a_dead_tensor(
    make_run: Any, train: PrivateRecords
) -> None:
    class Dead(LinearModel):
        def __init__(self) -> None:
            super().__init__(32, 3, 1.0)
            self.dead = nn.Linear(3, 3)

        def losses(self, records: Any) -> torch.Tensor:
            return super().losses(records) + 0.0 * self.dead(records.labels).sum(1)

    with make_run().once(train.map("words", WORDS)) as query:
        model, _ = linear()
        query.gaussian("g", clipped_sum(model, query.records, 1.0), 5.0)
        with pytest.raises(CellFailed, match=r"tensor dead\.weight gets no gradient"):
            clipped_sum(Dead().train(), query.records, 1.0)
