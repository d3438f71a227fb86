"""Replay finds what a method learns past its noise; each flaw here is one that somebody made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from radpriv.attacks.conformance.check import STEPS, Verdict, check_method, checks
from radpriv.attacks.conformance.neighbours import pairs
from radpriv.attacks.conformance.replay import KEY, Made, Player, Setting, play, record
from radpriv.attacks.conformance.world import World
from radpriv.baselines.linear import LinearModel
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.fitted import LinearFitted
from radpriv.benchmark.hashing import HashedWords
from radpriv.benchmark.method import Method, methods
from radpriv.benchmark.privacy.bounded import ClippedSum, Declared, bounded_sum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import Noised, Place, apply

WORDS = HashedWords(32, 1, True)
WORLD = World.small()


@dataclass(frozen=True)
class Sound(Method):
    """A DP-SGD loop on hashed words; each flaw below replaces one part of it."""

    rate: float = 0.3
    steps: int = 6
    max_norm: float = 0.3

    units = frozenset({"report", "patient"})
    uses_encoder = False

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
        sigma = run.calibrate(self.rate, self.count(train))
        records = train.map("words", WORDS)
        state = self.state(model, optimizer, schedule)
        for step in run.poisson(records, self.rate, self.count(train), state=state):
            self.before(model, step)
            total = clipped_sum(model, self.taken(step), self.max_norm)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / self.divisor(step))
            schedule.step()
            if self.over(model, step):
                break
        return self.fitted(train, model)

    def state(self, *parts: Any) -> Any:
        return parts

    def count(self, train: Any) -> int:
        return self.steps

    def before(self, model: Any, step: Any) -> None:
        pass

    def taken(self, step: Any) -> Any:
        return step.records

    def divisor(self, step: Any) -> float:
        return float(step.expected_batch)

    def over(self, model: Any, step: Any) -> bool:
        return False

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        weight = model.head.weight.detach().numpy().T
        bias = model.head.bias.detach().numpy()
        return LinearFitted(train.labels, WORDS, weight, bias, WORDS.spec)


def verdicts(method: Method, unit: str = "report", epsilon: float = 8.0) -> dict[str, Verdict]:
    n = WORLD.n_public(unit)
    setting = Setting(method, None, Budget.of(epsilon, n, unit=unit), WORLD.labels, n)
    return {v.check: v for v in checks(setting, WORLD)}


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_a_sound_method_passes_and_its_bound_is_reached(unit: str) -> None:
    found = verdicts(Sound(), unit)
    assert len(found) == 6 and all(v.passed for v in found.values()), found
    share = float(found["sensitivity"].detail.split("by ")[1].split(" of")[0])
    assert 0.9 < share <= 1.0


class RealisedDivisor(Sound):
    """Divides by the records that were drawn (opacus' expected batch follows N likewise)."""

    def divisor(self, step: Any) -> float:
        return float(max(1, step.records.size))


class PrivateSteps(Sound):
    """One epoch is as many steps as there are members."""

    def count(self, train: Any) -> int:
        return int(train._universe.member.sum()) // 10


class EarlyStop(Sound):
    """Stops when the private loss is small enough."""

    def over(self, model: Any, step: Any) -> bool:
        return len(step.records._diary.rows) > 2 and step.records.size % 2 == 1


class LabelBias(Sound):
    """Starts its bias at the label rates of the first batch."""

    def before(self, model: Any, step: Any) -> None:
        if step.index == 0:
            with torch.no_grad():
                model.head.bias += torch.nan_to_num(step.records.labels).mean(0)


class PrivateThresholds(Sound):
    """Chooses its thresholds on the private labels."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        rows = train._universe.y[train._universe.member]
        found.thresholds = np.asarray(np.nansum(rows, axis=0), np.float32)
        return found


class PrivateVocabulary(Sound):
    """Writes down which words its training reports use."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        universe = train._universe
        words = {w for t, m in zip(universe.texts, universe.member) if m for w in t.split()}
        found._spec = {**found._spec, "vocabulary": len(words)}
        return found


class Memory(Sound):
    """Answers differently, though what it saves is the same."""

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        found = super().fitted(train, model)
        shift = float(train._universe.member.sum())

        class Remembers(LinearFitted):
            def logits(self, texts: Any) -> Any:
                return super().logits(texts) + np.float32(shift)

        found.__class__ = Remembers
        return found


class Swallows(Sound):
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


class AdaptiveClip(Sound):
    """Clips at a norm that follows the share clipped, which nobody noised."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        sigma, clip = run.calibrate(self.rate, self.steps), 0.2
        records = train.map("words", WORDS)
        for step in run.poisson(records, self.rate, self.steps, (model, optimizer)):
            total = clipped_sum(model, step.records, clip)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / step.expected_batch)
            clip *= math.exp(0.1 * (step.records._diary.rows[-1]["share_clipped"] - 0.5))
        return self.fitted(train, model)


PAST_THE_NOISE: list[type[Sound]] = [
    RealisedDivisor, PrivateSteps, EarlyStop, LabelBias, PrivateThresholds, PrivateVocabulary,
    Memory, Swallows, AdaptiveClip,
]  # fmt: skip


@pytest.mark.parametrize("flaw", PAST_THE_NOISE, ids=lambda f: f.__name__)
def test_what_goes_past_the_noise_is_found(flaw: type[Sound]) -> None:
    found = verdicts(flaw())
    assert found["through the waist"].passed and found["reproducible"].passed, found
    assert not found["nothing else"].passed, found["nothing else"]


def test_an_error_that_depends_on_one_unit_is_found() -> None:
    class Counts(Sound):
        def count(self, train: Any) -> int:
            if train._universe.member.sum() < len(WORLD.texts):
                raise ValueError("too few records")
            return self.steps

    told = verdicts(Counts())["nothing else"]
    assert not told.passed and "ValueError on the neighbour alone" in told.detail


# Bounds that do not hold.


class ReportsNotPatients(Sound):
    """Claims patients, clips reports: it reaches into the sample to have every report its own."""

    def taken(self, step: Any) -> Any:
        step.records._sample.unit = None
        return replace(step.records, units=None)


def test_clipping_reports_under_a_claim_for_patients_is_found() -> None:
    flaw = ReportsNotPatients()
    assert all(v.passed for v in verdicts(flaw, "report").values())
    told = verdicts(flaw, "patient")
    assert not told["sensitivity"].passed and told["nothing else"].passed
    assert "a patient with many reports" in told["sensitivity"].detail


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


def test_a_declared_sensitivity_is_measured() -> None:
    assert all(v.passed for v in verdicts(Output()).values())
    told = verdicts(Output(bound=0.05))["sensitivity"]
    assert not told.passed and "of the declared bound" in told.detail


@dataclass(frozen=True)
class Moments(Method):
    """Bounded sums of a query. honest: whether its rows are functions of single records."""

    uses_encoder = False
    units = frozenset({"report", "patient"})

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        def moment(records: Any) -> dict[str, torch.Tensor]:
            x, _ = records.inputs()
            y = torch.nan_to_num(records.labels).to(x.dtype)
            return {"xy": x.unsqueeze(2) * y.unsqueeze(1)}

        sigma = run.calibrate(1.0, 1) * math.sqrt(2)
        with run.once(train.map("words", WORDS)) as query:
            first = query.gaussian("a", bounded_sum(moment, query.records, 1.0), sigma)
            second = query.gaussian("b", bounded_sum(moment, query.records, 0.5), sigma)
        weight = (first.tensors["xy"] + second.tensors["xy"]).numpy()
        return LinearFitted(train.labels, WORDS, weight, np.zeros(weight.shape[1]), WORDS.spec)


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_two_releases_of_one_query_pass_and_are_merged_in_the_certificate(unit: str) -> None:
    found = verdicts(Moments(), unit)
    assert all(v.passed for v in found.values()), found
    assert "2 releases" in found["through the waist"].detail
    spent = float(found["certificate"].detail.split("= ")[1].split(" ")[0])
    assert spent == pytest.approx(8.0, rel=0.005)


# What stands in the way of a replay, or of going on.


class Unseeded(Sound):
    noise: ClassVar[Any] = np.random.default_rng()

    def divisor(self, step: Any) -> float:
        return float(step.expected_batch * (1 + self.noise.random()))


class Forgets(Sound):
    """Its schedule is not in the state: a run that goes on takes other steps."""

    def state(self, *parts: Any) -> Any:
        return parts[:2]


class Raw(Sound):
    def count(self, train: Any) -> int:
        train.raw()
        return self.steps


class Nothing(Sound):
    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        return self.fitted(train, LinearModel(32, len(train.labels), 1.0))


@pytest.mark.parametrize(
    ("flaw", "check", "words"),
    [
        (Unseeded, "reproducible", "randomness from elsewhere"),
        (Forgets, "goes on after a stop", "releases differ"),
        (Raw, "through the waist", "takes the records themselves"),
        (Nothing, "through the waist", "releases nothing"),
    ],
)
def test_what_bars_a_claim_by_construction_is_said(
    flaw: type[Sound], check: str, words: str
) -> None:
    told = verdicts(flaw())[check]
    assert not told.passed and words in told.detail


def test_more_steps_than_were_calibrated_for_are_over_the_budget() -> None:
    class More(Sound):
        def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
            few = run.calibrate(self.rate, 2)
            run.calibrate = lambda rate, steps: few
            return super().fit(train, encoder, budget, run)

    assert not verdicts(More())["certificate"].passed


# The harness itself.


def test_a_player_measures_distances_and_answers_with_the_recorded_outputs() -> None:
    kept = Noised({"w": torch.tensor([5.0], dtype=torch.float64)})
    place = Place(0, "g", 0.5)
    made = Made(place, 2.0, 1.0, {"w": torch.tensor([1.0], dtype=torch.float64)}, kept)
    player = Player([made])
    far = ClippedSum({"w": torch.tensor([4.0], dtype=torch.float64)}, 2.0)
    given = player(place, far, 1.0)
    assert player.differences[0].ratio == pytest.approx(1.5)
    given.tensors["w"][0] = 7.0
    assert float(kept.tensors["w"]) == 5.0


def test_neighbours_differ_in_one_unit_and_hold_nothing_of_it() -> None:
    n = WORLD.n_public("patient")
    setting = Setting(Sound(), None, Budget.of(8.0, n, unit="patient"), WORLD.labels, n)
    made, _ = record(setting, WORLD.universe("patient"))
    seen = list(pairs(WORLD, "patient", made, KEY))
    assert len(seen) == 8 and seen[-1].neighbour.member.sum() == 0
    for pair in seen:
        data, neighbour = pair.data, pair.neighbour
        gone = data.unit == pair.unit
        assert data.member[gone].all() and not neighbour.member[gone].any()
        assert (data.member[~gone] == neighbour.member[~gone]).all()
        assert {t for t, g in zip(neighbour.texts, gone) if g} == {""}
        assert np.isnan(neighbour.y[gone]).all()
    many = next(p for p in seen if p.name == "a patient with many reports")
    assert (many.data.unit == many.unit).sum() == 7


def test_the_only_record_of_a_step_is_that() -> None:
    setting = Setting(Sound(), None, Budget.of(8.0, 65), WORLD.labels, 65)
    made, _ = record(setting, WORLD.universe("report"))
    pair = next(p for p in pairs(WORLD, "report", made, KEY) if "only record" in p.name)
    recording, outcome = record(setting, pair.data)
    heard = play(setting, pair.neighbour, recording, outcome)
    assert heard.differences[0].ratio > 0 and not heard.departed
    empty, _ = record(setting, pair.neighbour)
    assert all(not t.any() for t in empty[0].value.values())
    assert any(t.any() for t in recording[0].value.values())


# The shipped methods.

SHIPPED = ["dp_bow", "dp_linear_probe", "dp_lora"]


@pytest.mark.parametrize("unit", ["report", "patient"])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("dp_bow", {}),
        ("dp_linear_probe", {"solver": "sgd"}),
        ("dp_linear_probe", {"solver": "least_squares"}),
        ("dp_linear_probe", {"solver": "output"}),
        ("dp_lora", {}),
    ],
)
def test_every_shipped_private_method_passes_for_both_units(
    name: str, params: dict[str, Any], unit: str
) -> None:
    report = check_method(name, methods.get(name)(**params), (unit,), (8.0,))
    assert report.passed, report.verdicts
    assert report.standing == "by construction" and len(report.verdicts) == 6


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["bert", "albert"])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_private_method_passes_at_both_budgets_on_both_encoders(
    name: str, encoder: str
) -> None:
    report = check_method(name, methods.get(name)(), encoder=encoder)
    assert report.passed and len(report.verdicts) == 6 * 2 * 2


def test_the_registry_holds_no_private_method_that_is_not_replayed() -> None:
    assert [n for n in methods.names() if methods.get(n).private and n.startswith("dp_")] == SHIPPED


Check = Callable[..., Any]
STOCK = Path(__file__).parents[3] / "attacks" / "conformance" / "stock_opacus.py"


@pytest.mark.skipif(not STOCK.is_file(), reason="the source tree lies elsewhere")
@pytest.mark.parametrize(
    ("batch", "words"), [(16, "another sampling rate"), (13, "head.safetensors differs")]
)
def test_stock_opacus_follows_the_number_of_records(batch: int, words: str) -> None:
    names = [n for n in methods.names() if n == "stock_opacus"] or methods.load_file(str(STOCK))
    report = check_method(
        names[0],
        methods.get(names[0])(**{"batch": batch}),
        epsilons=(8.0,),  # type: ignore[call-arg]
    )
    found = {v.check: v for v in report.verdicts}
    assert found["sensitivity"].passed and found["certificate"].passed
    assert not found["nothing else"].passed and words in found["nothing else"].detail
    assert report.standing == "declared at best" and STEPS == 6
