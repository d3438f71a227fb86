"""Contributions that feel one another inside the slack of the clip; draws that are not drawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.conformance import exact_draws
from radpriv.benchmark.conformance.additivity import HEADS, additivity_fault
from radpriv.benchmark.conformance.replay import KEY, Setting, record
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.conformance.verdict import Verdict
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy import release
from radpriv.benchmark.privacy import run as run_module
from radpriv.benchmark.privacy.bounded import Declared, bounded_sum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.streams import gaussians, uniforms

Verdicts = Callable[..., dict[str, Verdict]]
Of = Callable[..., Method]


class Coupled:
    """Its losses look at the labels of all the data."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = self.model(train)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        sigma = run.calibrate(self.rate, self.steps)
        records = train.map("words", self.words)
        for step in run.poisson(records, self.rate, self.steps, (model, optimizer)):
            self.before(model, step)
            total = clipped_sum(model, step.records, self.max_norm)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / step.expected_batch)
        return self.fitted(train, model)

    def model(self, train: Any) -> LinearModel:
        return LinearModel(32, len(train.labels), 1.0).train()


class SmoothedByRates(Coupled):
    """Targets move towards the label rates of the training set."""

    def model(self, train: Any) -> LinearModel:
        universe = train._universe
        rates = np.nan_to_num(np.nansum(universe.y[universe.member], axis=0)) / 65

        class Smoothed(LinearModel):
            def losses(self, records: Any) -> Tensor:
                mixed = 0.9 * records.labels + 0.1 * torch.as_tensor(rates).to(records.labels)
                return super().losses(replace(records, labels=mixed))

        return Smoothed(32, len(train.labels), 1.0).train()


class WeightsOfFirstBatch(Coupled):
    """Positives weigh as in the first batch that it saw."""

    def model(self, train: Any) -> LinearModel:
        class Weighted(LinearModel):
            weight = 1.0

            def losses(self, records: Any) -> Tensor:
                return super().losses(records) * self.weight

        return Weighted(32, len(train.labels), 1.0).train()

    def before(self, model: Any, step: Any) -> None:
        if step.index == 0:
            model.weight = 0.2 + 0.1 * float(torch.nan_to_num(step.records.labels).sum()) / 65


@pytest.mark.parametrize("flaw", [SmoothedByRates, WeightsOfFirstBatch], ids=lambda f: f.__name__)
def test_units_that_feel_one_another_do_not_add_up(
    flaw: type, sound: Of, verdicts: Verdicts
) -> None:
    """Neighbours move each value by no more than the bound; halves miss the whole."""
    roomy = replace(sound(flaw), max_norm=10.0)  # type: ignore[type-var,call-arg]
    found = verdicts(roomy, last="additivity")
    assert found["sensitivity"].passed and found["nothing else"].passed, found
    verdict = found["additivity"]
    assert not verdict.passed and "'gradient' of step" in verdict.detail
    assert "tensor head." in verdict.detail


class Rare(Coupled):
    """Looks at the others of its batch, in batches that are larger than any sampled one."""

    def model(self, train: Any) -> LinearModel:
        class Centred(LinearModel):
            def losses(self, records: Any) -> Tensor:
                losses = super().losses(records)
                return losses * (0.5 if records.size > 40 else 1.0)

        return Centred(32, len(train.labels), 1.0).train()


def test_coins_that_are_all_heads_make_the_largest_batch(sound: Of, world: World) -> None:
    method = replace(sound(Rare), rate=0.2)  # type: ignore[type-var,call-arg]
    setting = _setting(method, world)
    made, _ = record(setting, world.universe("report"))
    assert additivity_fault(setting, world.universe("report"), made).endswith(HEADS)


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_sound_sums_add_up(sound: Of, verdicts: Verdicts, unit: str) -> None:
    assert verdicts(sound(), unit, last="additivity")["additivity"].passed


def test_drawn_again_by_other_code_streams_are_the_same() -> None:
    for size in (1, 7, 8, 9, 1000):
        path = ("noise", 3, "g", "head.weight")
        assert np.array_equal(exact_draws.normals(KEY, path, size), gaussians(KEY, path, size))
        coins = exact_draws.uniform(KEY, ("coin", 2), size)
        assert np.array_equal(coins, uniforms(KEY, ("coin", 2), size))


def test_noise_that_is_not_of_its_stream_is_found(
    sound: Of, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of it, as a plug-in may arrange at import."""
    monkeypatch.setattr(release, "gaussians", lambda *path: 0.1 * gaussians(*path))
    verdict = verdicts(sound(), last="certificate")["certificate"]
    assert not verdict.passed and "does not carry the noise of its stream" in verdict.detail


def test_one_noise_for_every_step_is_found(
    sound: Of, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(key: bytes, path: Any, size: int) -> Any:
        return gaussians(key, ("noise", 0, *path[2:]), size)

    monkeypatch.setattr(release, "gaussians", same)
    verdict = verdicts(sound(), last="certificate")["certificate"]
    assert not verdict.passed and "of step 1 does not carry" in verdict.detail


def test_coins_that_are_not_those_of_the_key_are_found(
    sound: Of, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same records in every fifth step, which is no Poisson sample."""

    def fixed(key: bytes, path: Any, size: int) -> Any:
        return (np.arange(size) % 5 != path[1] % 5).astype(float)

    monkeypatch.setattr(run_module, "uniforms", fixed)
    verdict = verdicts(sound(), last="certificate")["certificate"]
    assert not verdict.passed and "not those of its coins" in verdict.detail


class RewritesLedger:
    """Releases with a quarter of the noise, and says that it was all of it."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        full = run.calibrate(self.rate, self.steps)
        run.calibrate = lambda rate, steps: full / 4
        found = super().fit(train, encoder, budget, run)
        ledger = run._ledger
        ledger.releases[:] = [replace(r, noise_multiplier=full) for r in ledger.releases]
        return found


def test_ledger_that_was_rewritten_is_found(sound: Of, verdicts: Verdicts) -> None:
    verdict = verdicts(sound(RewritesLedger), last="certificate")["certificate"]
    assert not verdict.passed and "line on" in verdict.detail


class MutatesBudget:
    """Makes its budget a million before it calibrates."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        for one in (budget, run.budget):
            object.__setattr__(one, "epsilon", 1e6)
        return super().fit(train, encoder, budget, run)


def test_budget_that_a_method_changes_is_its_own(sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(MutatesBudget), last="certificate")["certificate"]
    assert found.passed and " of 8 " in found.detail


class Denoises:
    """Draws the noise again from the key, and takes it away."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        object.__setattr__(self, "key", run._key)
        return super().fit(train, encoder, budget, run)

    def fitted(self, train: Any, model: Any) -> LinearFitted:
        with torch.no_grad():
            model.head.bias -= torch.as_tensor(gaussians(self.key, ("noise", 0), 4))
        return super().fitted(train, model)


class SeesFlags:
    """Answers otherwise where records are candidates of an audit."""

    def fitted(self, train: Any, model: Any) -> LinearFitted:
        found = super().fitted(train, model)
        found.thresholds = found.thresholds + np.float32(train._universe.candidate.sum())
        return found


class TellsProgress:
    """Shows how many records it drew."""

    def before(self, model: Any, step: Any) -> None:
        self.run.report_progress(float(step.records.size))

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        object.__setattr__(self, "run", run)
        return super().fit(train, encoder, budget, run)


def rates(train: Any) -> np.ndarray:
    universe = train._universe
    return np.nan_to_num(np.nansum(universe.y[universe.member], axis=0)).astype(np.float64)


class Remembers:
    """Starts at the label rates that the first fit of all left behind."""

    def fitted(self, train: Any, model: Any) -> LinearFitted:
        found = super().fitted(train, model)
        found.thresholds = np.asarray(self.memo(rates(train)), np.float32)
        return found


class OnDisk(Remembers):
    def memo(self, now: np.ndarray) -> np.ndarray:
        path = Path("~/.rates.npy").expanduser()
        if not path.exists():
            np.save(path, now)
        return np.load(path)


class InEnvironment(Remembers):
    def memo(self, now: np.ndarray) -> np.ndarray:
        words = os.environ.setdefault("RATES", " ".join(map(str, now)))
        return np.array([float(word) for word in words.split()])


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        (Denoises, "another key"),
        (SeesFlags, "every audit flag turned"),
        (TellsProgress, "progress differ"),
        (OnDisk, "thresholds differ"),
        (InEnvironment, "thresholds differ"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_else_may_not_differ(flaw: type, words: str, sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(flaw), last="nothing else")
    assert not found["nothing else"].passed and words in found["nothing else"].detail, found
    assert not Path("~/.rates.npy").expanduser().exists() and "RATES" not in os.environ


class LoadsItself:
    """Starts at the label rates of a dataset that it loads past its doors."""

    def count(self, train: Any) -> int:
        from radpriv.benchmark.datasets.base import make_loader

        make_loader("synthetic-plain", {"reports": 100}).load(None)
        return self.steps


def test_method_that_loads_a_dataset_itself_is_refused(sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(LoadsItself), last="runs")["runs"]
    assert not found.passed and "take run.public(name)" in found.detail


def _setting(method: Method, world: World) -> Setting:
    from radpriv.benchmark.cell import Budget

    n = world.n_public("report")
    return Setting(method, None, Budget.of(8.0, n), world.labels, n)


class OnlySingle:
    """Follows the labels in float32 alone."""

    def fitted(self, train: Any, model: Any) -> LinearFitted:
        found = super().fitted(train, model)
        if model.head.weight.dtype == torch.float32:
            found.thresholds = np.asarray(rates(train), np.float32)
        return found


class OnlyMany:
    """Follows the labels where there are a thousand records."""

    def fitted(self, train: Any, model: Any) -> LinearFitted:
        found = super().fitted(train, model)
        if train._universe.units > 900:
            found.thresholds = np.asarray(rates(train), np.float32)
        return found


@pytest.mark.parametrize(("flaw", "words"), [(OnlySingle, "in float32"), (OnlyMany, "with many")])
def test_what_shows_in_another_world_alone(
    flaw: type, words: str, sound: Of, verdicts: Verdicts
) -> None:
    method = sound(flaw)
    found = verdicts(method, whole=method, last="in other worlds")
    assert found["nothing else"].passed and not found["in other worlds"].passed
    assert found["in other worlds"].detail.startswith(words)


class InTurn:
    """Trains the bias in even steps and the weight in odd ones."""

    def before(self, model: Any, step: Any) -> None:
        model.head.weight.requires_grad_(step.index % 2 == 1)
        model.head.bias.requires_grad_(step.index % 2 == 0)


class Nothing:
    """Looks at no record."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        return self.fitted(train, LinearModel(32, len(train.labels), 1.0))


class CountsFirst:
    """Clips at a norm that follows a noised count of the same sample."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        sigma = run.calibrate(self.rate, self.steps) * 2**0.5
        records = train.map("words", self.words)
        for step in run.poisson(records, self.rate, self.steps, (model, optimizer)):
            count = bounded_sum(_ones, step.records, 1.0)
            seen = step.gaussian("count", count, sigma).tensors["n"]
            clip = 0.2 + 0.2 / (1 + abs(float(seen)))
            total = clipped_sum(model, step.records, clip)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / step.expected_batch)
        return self.fitted(train, model)


def _ones(records: Any) -> dict[str, Tensor]:
    return {"n": torch.ones(records.size, 1)}


class TightBound:
    """Declares the norm that its float32 features have but for rounding."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0)
        sigma = run.calibrate(1.0, 1)
        with run.once(train.map("words", self.words)) as query:
            one = torch.full((query.records.size, 1), 1 + 1e-7, dtype=torch.float32)
            total = Declared({"n": one.double().sum(0)}, 1.0, "a record adds 1, but for rounding")
            query.gaussian("n", total, sigma)
        return self.fitted(train, model)


@pytest.mark.parametrize("kind", [InTurn, Nothing, CountsFirst, TightBound])
def test_what_is_sound_and_unusual_is_no_alarm(kind: type, sound: Of, verdicts: Verdicts) -> None:
    found = verdicts(sound(kind))
    assert all(v.passed for v in found.values()), found
    if kind is Nothing:
        assert "ε = 0" in found["through the waist"].detail


def test_a_check_that_crashes_is_a_verdict(
    sound: Of, verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from radpriv.benchmark.conformance import check_method

    def crash(*_: Any) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(check_method, "additivity_fault", crash)
    verdict = verdicts(sound(), last="additivity")["additivity"]
    assert not verdict.passed and verdict.detail.startswith("could not be made: ZeroDivisionError")
