"""Privacy rules 1 to 5: what is sampled, summed, noised and booked; and what breaks each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import release
from radpriv.benchmark.privacy.accounting import calibration
from radpriv.benchmark.privacy.accounting.ledger import Group, Ledger, groups
from radpriv.benchmark.privacy.bounded import Totals
from radpriv.benchmark.privacy.clipping import clipped_sum, trainable
from radpriv.benchmark.privacy.records import PrivateRecords, Records
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.streams import gaussians
from radpriv.benchmark.runs import record as record_module
from radpriv.benchmark.runs import runner
from radpriv.errors import CellFailed, PrivacyError

WORDS = HashedWords(32, 1, True)
CLIP, SIGMA = 0.5, 1.5


def norm(a: dict[str, Tensor], b: dict[str, Tensor] | None = None) -> float:
    return math.sqrt(sum(float((t - (b[n] if b else 0)).square().sum()) for n, t in a.items()))


def start(model: nn.Module | None = None) -> tuple[Any, torch.optim.Optimizer]:
    model = (LinearModel(32, 3, 1.0) if model is None else model).train()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def test_rule_1_a_sum_is_the_same_however_it_is_cut(
    lora_model: Any, batch: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: each micro-batch is clipped as if it were one record (tensorflow/privacy #81)."""

    def spread() -> float:
        """Largest distance between cuts, ÷ (clip · records)."""
        cuts = [clipped_sum(lora_model[0], batch, CLIP, tokens=t).tensors for t in (1, 60, 10**6)]
        assert norm(cuts[0]) > 1.0
        return max(norm(cuts[0], c) for c in cuts) / CLIP / batch.size

    assert spread() <= 1e-6
    sound = Totals.add

    def broken(self: Totals, part: Records, rows: Any) -> None:
        sound(self, replace(part, units=np.zeros(part.size, np.int64)), rows)

    monkeypatch.setattr(Totals, "add", broken)
    assert spread() > 1e-2


def noise_of(make_run: Any, train: PrivateRecords, model: Any, function: Any) -> Any:
    """Standardised noise of 12 steps by tensor: (12, …), float64."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(ledger=Ledger(None))
    z: dict[str, list[Tensor]] = {}
    for step in run.poisson(train.map("f", function), 0.2, 12, state=(model, optimizer)):
        total = clipped_sum(model, step.records, CLIP, tokens=40)
        noised = step.gaussian("g", total, SIGMA)
        assert set(noised.tensors) == set(trainable(model))
        for name, exact in total.tensors.items():
            z.setdefault(name, []).append((noised.tensors[name] - exact) / (SIGMA * CLIP))
    return {name: torch.stack(parts).double() for name, parts in z.items()}


def test_rule_2_each_trainable_tensor_is_noised_under_one_norm(
    lora_model: Any,
    batch: Records,
    make_run: Any,
    train: PrivateRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each trainable tensor is noised, and all share one norm.

    Broken: one tensor without noise; a norm per tensor; float32 sums.
    """
    model, frozen = lora_model

    def bare() -> set[str]:
        found = noise_of(make_run, train, model, frozen)
        return {n for n, z in found.items() if not 0.3 < float(z.std()) < 2}

    assert bare() == set()
    tensors = list(trainable(model))
    for tensor in (tensors[0], tensors[3], tensors[-1]):

        def broken(key: bytes, path: Any, n: int, left_out: str = tensor) -> Any:
            return gaussians(key, path, n) * (path[-1] != left_out)

        monkeypatch.setattr(release, "gaussians", broken)
        assert bare() == {tensor}
    monkeypatch.undo()

    def largest() -> float:
        """Of single records, ÷ clip: the joint norm over all tensors, when all are clipped."""
        ones = [batch.take(np.array([i])) for i in range(8)]
        totals = [clipped_sum(model, one, 1e-3).tensors for one in ones]
        assert {t.dtype for total in totals for t in total.values()} == {torch.float64}
        return max(map(norm, totals)) / 1e-3

    assert largest() == pytest.approx(1.0, rel=1e-12)
    sound = Totals.add

    def broken_norm(self: Totals, part: Records, rows: Any) -> None:
        sums = self._sums
        for name, g in rows.items():
            self._sums = {name: sums[name]}
            sound(self, part, {name: g})
        self._sums = sums

    monkeypatch.setattr(Totals, "add", broken_norm)
    assert largest() > 2.0


def test_rule_3_a_contribution_is_its_records_own(make_run: Any, train: PrivateRecords) -> None:
    """Broken: batch statistics; a mean over the batch; contrast."""

    class Centred(LinearModel):
        def losses(self, records: Records) -> Tensor:
            z = self.head(records.inputs()[0].float())
            return (z - z.mean(0)).square().mean(1) + z.mean(1)

    class Mean(LinearModel):
        """Each record's share of a mean over the batch."""

        def losses(self, records: Records) -> Tensor:
            return super().losses(records) / records.size

    class Softmax(LinearModel):
        """Contrast: each record against all others."""

        def losses(self, records: Records) -> Tensor:
            z = self.head(records.inputs()[0].float())
            return -torch.log_softmax(z, 0).mean(1) + z.square().mean(1)

    seen: list[int] = []
    for broken in (None, Centred, Mean, Softmax):
        state = start(broken(32, 3, 1.0) if broken else None)
        with torch.no_grad():
            state[0].head.weight += 0.1
        steps = make_run(ledger=Ledger(None)).poisson(train.map("w", WORDS), 0.9, 1, state=state)
        if broken:
            with pytest.raises(CellFailed, match="depends on the others"):
                next(steps)
        else:
            seen.append(next(steps).index)
    assert seen == [0]


def test_rule_3_weights_by_the_labels_of_the_batch_are_found(
    make_run: Any, train: PrivateRecords
) -> None:
    """Broken: class weights from the batch. One record then moves the sum by many clips."""

    class Share(LinearModel):
        def losses(self, records: Records) -> Tensor:
            return super().losses(records) * (0.01 + records.labels.nan_to_num().mean())

    broken = start(Share(32, 3, 1.0))
    with pytest.raises(CellFailed, match="depends on the others"):
        next(make_run().poisson(train.map("w", WORDS), 0.9, 1, state=broken))


def test_rule_3_the_model_summed_is_the_model_looked_at(
    make_run: Any, train: PrivateRecords
) -> None:
    """The model that is summed is the model that was looked at.

    Broken: the losses of another model, which mix the records.
    """

    class Centred(LinearModel):
        def losses(self, records: Records) -> Tensor:
            z = self.head(records.inputs()[0].float())
            return (z - z.mean(0)).square().mean(1) + z.mean(1)

    state, broken = start(), start(Centred(32, 3, 1.0))[0]
    broken.head = state[0].head
    for step in make_run().poisson(train.map("w", WORDS), 0.9, 1, state=state):
        with pytest.raises((CellFailed, PrivacyError)):
            step.gaussian("g", clipped_sum(broken, step.records, CLIP), SIGMA)
        noised = step.gaussian("g", clipped_sum(state[0], step.records, CLIP), SIGMA)
        apply(*state, noised / step.expected_batch)


def test_rule_3_a_frozen_parameter_that_learns_is_found(
    make_run: Any, train: PrivateRecords
) -> None:
    """Broken: a running mean that is no buffer."""

    class Remembers(LinearModel):
        def __init__(self) -> None:
            super().__init__(32, 3, 1.0)
            self.mean = nn.Parameter(torch.zeros(32), requires_grad=False)

        def losses(self, records: Records) -> Tensor:
            self.mean.data += records.inputs()[0].float().sum(0)
            return super().losses(records)

    broken = start(Remembers())
    with pytest.raises(CellFailed, match="changed in a step"):
        for step in make_run().poisson(train.map("w", WORDS), 0.9, 2, state=broken):
            noised = step.gaussian("g", clipped_sum(broken[0], step.records, CLIP), SIGMA)
            apply(*broken, noised / step.expected_batch)


def variances(make_run: Any, train: PrivateRecords, model: Any, frozen: Any) -> float:
    z = noise_of(make_run, train, model, frozen)
    return float(torch.cat([t.flatten() for t in z.values()]).var())


def test_rule_4_noise_is_calibrated_to_the_clip_and_added_once(
    lora_model: Any, make_run: Any, train: PrivateRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: once per micro-batch; scaled to the mean; none for an empty batch."""
    model, frozen = lora_model
    assert variances(make_run, train, model, frozen) == pytest.approx(1.0, abs=0.1)
    sound = Totals.add
    draws = iter(range(10**6))

    def per_micro_batch(self: Totals, part: Records, rows: Any) -> None:
        sound(self, part, rows)
        parts.append(next(draws))

    parts: list[int] = []

    def broken(key: bytes, path: Any, n: int) -> Any:
        """The sum of one draw for each micro-batch since the last release of this tensor."""
        many = [gaussians(key, (*path, i), n) for i in parts[-3:]]
        return np.sum(many, 0) if many else gaussians(key, path, n)

    monkeypatch.setattr(Totals, "add", per_micro_batch)
    monkeypatch.setattr(release, "gaussians", broken)
    assert variances(make_run, train, model, frozen) > 2.0
    monkeypatch.undo()
    monkeypatch.setattr(release, "gaussians", lambda k, p, n: gaussians(k, p, n) / (0.2 * 30))
    assert variances(make_run, train, model, frozen) < 0.1


@pytest.mark.parametrize("broken", [False, True])
def test_rule_4_an_empty_batch_is_released_like_any_other(
    broken: bool, make_run: Any, train: PrivateRecords
) -> None:
    """Broken: `if not len(batch): continue`, which tells that nobody was drawn."""
    model = LinearModel(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(ledger=Ledger(None))
    updates = []

    def loop() -> None:
        for step in run.poisson(train.map("w", WORDS), 0.02, 20, state=(model, optimizer)):
            if broken and step.records.size == 0:
                continue
            noised = step.gaussian("g", clipped_sum(model, step.records, CLIP), SIGMA)
            updates.append((step.records.size, norm(noised.tensors)))
            assert step.expected_batch == 0.02 * 30

    if broken:
        with pytest.raises(PrivacyError, match="released nothing"):
            loop()
        assert run.silent
    else:
        loop()
        empty = [size for n, size in updates if n == 0]
        assert len(updates) == 20 > len(empty) > 3
        scale = SIGMA * CLIP * math.sqrt(99)
        assert all(0.7 * scale < size < 1.3 * scale for size in empty)


def test_rule_5_releases_of_a_step_merge_before_sampling_counts(
    make_run: Any, train: PrivateRecords
) -> None:
    """Releases of a step are merged before sampling is accounted.

    Broken: each release a step of its own, which understates ε.
    """
    run = make_run(ledger=Ledger(None))
    model = LinearModel(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for step in run.poisson(train.map("w", WORDS), 0.05, 10, state=(model, optimizer)):
        for name, clip, sigma in (("g", 1.0, 2.0), ("h", 0.3, 2.5)):
            step.gaussian(name, clipped_sum(model, step.records, clip), sigma)
    merged = 1 / math.sqrt(1 / 2.0**2 + 1 / 2.5**2)
    assert groups(run.releases) == (Group(0.05, pytest.approx(merged), 10),)
    broken = groups([replace(r, step=i) for i, r in enumerate(run.releases)])
    assert broken == (Group(0.05, 2.0, 10), Group(0.05, 2.5, 10))
    told, understated = (
        calibration.certificate(made, run.budget.delta, 8.0)[0]
        for made in (groups(run.releases), broken)
    )
    assert told == pytest.approx(run.certificate()[0]) and understated < 0.9 * told


@dataclass(frozen=True)
class Overspends(DPBagOfWords):
    """Twice the steps that it calibrated for."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        sound = run.calibrate
        run.calibrate = lambda rate, steps: sound(rate, steps // 2)
        return super().fit(train, encoder, budget, run)


@pytest.mark.parametrize("broken", [False, True])
def test_rule_5_certificate_above_the_budget_is_not_shown(
    broken: bool, job_with: Any, how: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate above the budget is not shown under it.

    Broken: a record that believes whatever it is told.
    """
    if broken:
        sound = record_module.Claims.of
        monkeypatch.setattr(
            record_module.Claims,
            "of",
            staticmethod(lambda *a: replace(sound(*a), over_budget=False)),
        )
    found = runner.run_cell(job_with(Overspends(size=64, steps=8)), how, context)
    assert found.record["certificate"]["epsilon"] > 1.0 == found.record["claim"]["epsilon"]
    shown = (found.folder / "test.parquet").exists() or (found.folder / "model").exists()
    assert (found.record["status"] == "over_budget" and not shown) is not broken
