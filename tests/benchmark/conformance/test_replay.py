"""Replay finds what a method learns past its noise; each flaw here is one that somebody made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.conformance.verdict import Verdict
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.bounded import Declared
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply

Verdicts = Callable[..., dict[str, Verdict]]
Of = Callable[..., Method]
WORDS = HashedWords(32, 1, True)


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_a_sound_method_passes_and_its_bound_is_reached(
    unit: str, sound: Of, verdicts: Verdicts
) -> None:
    found = verdicts(sound(), unit)
    assert len(found) == 7 and all(v.passed for v in found.values()), found
    share = float(found["sensitivity"].detail.split("by ")[1].split(" of")[0])
    assert 0.9 < share <= 1.0


class RealisedDivisor:
    """Divides by the records that were drawn (opacus' expected batch follows N likewise)."""

    def divisor(self, step: Any) -> float:
        return float(max(1, step.records.size))


class PrivateSteps:
    """One epoch is as many steps as there are members."""

    def count(self, train: Any) -> int:
        return int(train._universe.member.sum()) // 10


class EarlyStop:
    """Stops when the private loss is small enough."""

    def over(self, model: Any, step: Any) -> bool:
        return len(step.records._diagnostics.rows) > 2 and step.records.size % 2 == 1


class LabelBias:
    """Starts its bias at the label rates of the first batch."""

    def before(self, model: Any, step: Any) -> None:
        if step.index == 0:
            with torch.no_grad():
                model.head.bias += torch.nan_to_num(step.records.labels).mean(0)


class PrivateThresholds:
    """Chooses its thresholds on the private labels."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        rows = train._universe.y[train._universe.member]
        found.thresholds = np.asarray(np.nansum(rows, axis=0), np.float32)
        return found


class PrivateVocabulary:
    """Writes down which words its training reports use."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        universe = train._universe
        words = {w for t, m in zip(universe.texts, universe.member) if m for w in t.split()}
        found._spec = {**found._spec, "vocabulary": len(words)}
        return found


class Memory:
    """Answers differently, though what it saves is the same."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        shift = float(train._universe.member.sum())

        class Remembers(LinearFitted):
            def logits(self, texts: Any) -> Any:
                return super().logits(texts) + np.float32(shift)

        found.__class__ = Remembers
        return found


class Swallows:
    """Catches whatever is raised, and goes on with another sequence."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        lost = int(train._universe.member.sum()) % 2 == 0
        try:
            return super().fit(train, encoder, budget, _Renamed(run) if lost else run)
        except Exception:
            return self.fitted(train, LinearModel(32, len(train.labels), 1.0))


class _Renamed:
    """A run whose sampling rate is a little lower."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def poisson(self, records: Any, rate: float, steps: int, state: Any) -> Any:
        return self._run.poisson(records, rate * 0.9, steps, state)


class AdaptiveClip:
    """Clips at a norm that follows the share clipped, which nobody noised."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        sigma, clip = run.calibrate(self.rate, self.steps), 0.2
        records = train.map("words", self.words)
        for step in run.poisson(records, self.rate, self.steps, (model, optimizer)):
            total = clipped_sum(model, step.records, clip)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / step.expected_batch)
            clip *= math.exp(0.1 * (step.records._diagnostics.rows[-1]["share_clipped"] - 0.5))
        return self.fitted(train, model)


PAST_THE_NOISE: list[type] = [
    RealisedDivisor, PrivateSteps, EarlyStop, LabelBias, PrivateThresholds, PrivateVocabulary,
    Memory, Swallows, AdaptiveClip,
]  # fmt: skip


@pytest.mark.parametrize("flaw", PAST_THE_NOISE, ids=lambda f: f.__name__)
def test_what_goes_past_the_noise_is_found(flaw: type, sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(flaw), last="nothing else")
    assert found["through the waist"].passed and found["reproducible"].passed, found
    assert not found["nothing else"].passed, found["nothing else"]


def test_an_error_that_depends_on_one_unit_is_found(
    sound: Of, verdicts: Verdicts, world: World
) -> None:
    class Counts:
        def count(self, train: Any) -> int:
            if train._universe.member.sum() < len(world.texts):
                raise ValueError("too few records")
            return self.steps

    told = verdicts(sound(Counts), last="nothing else")["nothing else"]
    assert not told.passed and "ValueError at test_replay.py:" in told.detail
    assert ", on the neighbour alone" in told.detail and "too few records" not in told.detail


def test_method_that_exits_is_reported_and_the_check_goes_on(
    sound: Of, verdicts: Verdicts, world: World
) -> None:
    """A method that ends the process is reported and ends no check."""

    class Always:
        def count(self, train: Any) -> int:
            raise SystemExit(0)

    class OnOne:
        def count(self, train: Any) -> int:
            if train._universe.member.sum() < len(world.texts):
                raise SystemExit(0)
            return self.steps

    told = verdicts(sound(Always), last="runs")["runs"]
    assert not told.passed and told.detail.startswith("SystemExit at ")
    told = verdicts(sound(OnOne), last="nothing else")["nothing else"]
    assert not told.passed and told.detail.startswith("SystemExit at test_replay.py:")


class ReportsNotPatients:
    """Claims patients, clips reports: it reaches into the sample to have every report its own."""

    def taken(self, step: Any) -> Any:
        step.records._sample.unit = None
        return replace(step.records, units=None)


def test_clipping_reports_under_a_claim_for_patients_is_found(
    sound: Of, verdicts: Verdicts
) -> None:
    flaw = sound(ReportsNotPatients)
    assert all(v.passed for v in verdicts(flaw, "report").values())
    told = verdicts(flaw, "patient", last="nothing else")
    assert not told["sensitivity"].passed and told["nothing else"].passed
    assert "a patient with many reports" in told["sensitivity"].detail
    assert "units were split" in told["sensitivity"].detail


@dataclass(frozen=True)
class Output(Method):
    """Ridge regression by output perturbation. bound: its declared sensitivity / the true one."""

    bound: float = 1.0
    ridge: float = 30.0

    uses_encoder = False

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        with run.once(train.map("words", WORDS)) as query:
            x, _ = query.records.inputs()
            x = x.double()
            y = torch.nan_to_num(query.records.labels).double() - 0.5
            weight = torch.linalg.solve(x.T @ x + self.ridge * torch.eye(32), x.T @ y)
            # ‖w − w′‖ ≤ ‖x‖ · ‖y − xw′‖ / ridge ≤ (½√L + ‖w′‖) / ridge for ‖x‖ ≤ 1
            scale = math.sqrt(y.shape[1]) / self.ridge
            value = Declared({"w": weight}, self.bound * scale, "ridge regression, for this test")
            noised = query.gaussian("w", value, run.calibrate(1.0, 1))
        return LinearFitted(
            train.labels, WORDS, noised.tensors["w"].numpy(), np.zeros(y.shape[1]), WORDS.spec
        )


def test_a_declared_sensitivity_is_measured(verdicts: Verdicts) -> None:
    told = verdicts(Output())
    assert all(v.passed for v in told.values()), [v for v in told.values() if not v.passed]
    told = verdicts(Output(bound=0.05), last="sensitivity")["sensitivity"]
    assert not told.passed and " times the declared bound" in told.detail
    assert "the declared sensitivity is too small" in told.detail
    slightly = float(verdicts(Output(), last="sensitivity")["sensitivity"].detail.split()[6])
    told = verdicts(Output(bound=slightly * (1 - 2e-4)), last="sensitivity")["sensitivity"]
    assert not told.passed and "by 1 + 0.0" in told.detail
