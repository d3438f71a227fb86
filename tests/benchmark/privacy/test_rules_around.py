"""Privacy rules 6 to 10: what stands around the sums; and what breaks each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.conformance.replay import Setting, play, record
from radpriv.benchmark.conformance.toy_data import World, without
from radpriv.benchmark.datasets.audit_set.universe import draw
from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets, make_loader
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy import checks, release
from radpriv.benchmark.privacy import run as run_module
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords, Records
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.benchmark.runs import runner
from radpriv.errors import CellFailed, PrivacyError

WORDS = HashedWords(32, 1, True)
CLIP, SIGMA = 0.5, 1.5


def start(model: nn.Module | None = None) -> tuple[Any, torch.optim.Optimizer]:
    model = (LinearModel(32, 3, 1.0) if model is None else model).train()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def norm(a: dict[str, Tensor], b: dict[str, Tensor] | None = None) -> float:
    return math.sqrt(sum(float((t - (b[n] if b else 0)).square().sum()) for n, t in a.items()))


@dataclass(frozen=True)
class Loop(Method):
    """DP-SGD on hashed words; learned: what else it learns of its records, and how."""

    learned: str = ""

    uses_encoder = False

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        universe = train._universe
        y = np.nan_to_num(universe.y[universe.member])
        texts = [t for t, m in zip(universe.texts, universe.member) if m]
        model = LinearModel(32, len(train.labels), 1.0).train()
        if self.learned == "class weights":
            model.scale = 1.0 + float(y.mean())
        if self.learned == "standardisation":
            model.center = torch.from_numpy(np.mean([WORDS(t) for t in texts], 0))
        if self.learned == "choice of a step size":
            model.scale = 1.0 if len(texts) % 2 else 0.5
        steps = 3 + (len(texts) % 2 if self.learned == "number of steps" else 0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        records = train.map("words", WORDS)
        sigma = run.calibrate(0.3, 4)
        for step in run.poisson(records, 0.3, steps, state=(model, optimizer)):
            update = step.gaussian("g", clipped_sum(model, step.records, 0.3), sigma)
            apply(model, optimizer, update / step.expected_batch)
        weight = model.head.weight.detach().numpy().T
        bias = model.head.bias.detach().numpy() - (self.learned == "prior") * y.mean(0)
        bias = bias - model.center.numpy() @ weight * model.scale
        fitted = LinearFitted(train.labels, WORDS, weight * model.scale, bias, WORDS.spec)
        if self.learned == "thresholds":
            fitted.thresholds = np.asarray(y.sum(0), np.float32)
        return fitted


LEARNED = ["class weights", "standardisation", "choice of a step size", "number of steps", "prior",
           "thresholds"]  # fmt: skip


@pytest.mark.parametrize("broken", ["", *LEARNED])
def test_rule_6_what_else_depends_on_records_is_found_by_replay(broken: str) -> None:
    world = World.small()
    setting = Setting(Loop(broken), None, Budget.of(8.0, 65), world.labels, 65)
    whole = world.universe("report")
    made, outcome = record(setting, whole)
    told = [play(setting, without(whole, u), made, outcome) for u in (11, 37, 40)]
    assert any(t.departed or not t.bounded for t in told) is bool(broken)


def test_rule_6_validation_and_test_splits_are_no_training_data(
    made_up: Dataset, make_run: Any
) -> None:
    """Validation and test splits are no training data, and no door leads there.

    Broken: a universe over all rows, in which test records have coins.
    """
    splits = tuple(("train", "validate", "test")[i % 3] for i in range(len(made_up)))
    data = replace(made_up, splits=splits)

    def leaked(dataset: Dataset) -> set[str]:
        universe = draw(dataset, AuditPolicy(share=0.5), b"k", 30, 0)
        return {s for i, s in zip(data.ids, splits) if i in universe.ids} - {"train"}

    assert leaked(data) == set()
    broken = replace(data, splits=("train",) * len(data))
    assert leaked(broken) == {"validate", "test"}
    train = PrivateRecords(
        draw(data, AuditPolicy(), b"k", 30, 0), data.labels, 30, FeatureCache(None)
    )
    doors = {name for name in dir(train) if not name.startswith("_")}
    assert doors == {"labels", "n_public", "left_waist", "map", "raw"}
    doors = {name for name in dir(make_run()) if not name.startswith("_")}
    assert not {n for n in doors if "valid" in n or "test" in n or "member" in n}


def test_rule_7_coins_and_noise_follow_the_run_key_not_the_start(
    make_run: Any, train: PrivateRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coins and noise follow the run key, and the start does not.

    Broken: coins or noise from the public seed, or the start from the secret key.
    """

    def differ() -> tuple[bool, bool, bool]:
        seen = []
        for key in (b"a" * 32, b"b" * 32):
            run = make_run(key=key, ledger=Ledger(None))
            step = run._sample(train.map("w", WORDS), 0.5)
            noised = run._make(
                release.Place(0, "g", 0.5), ClippedSum({"w": torch.zeros(9).double()}, 1.0), 1.0
            )
            init = torch.rand(4, generator=run.rng("init"))
            seen.append((step.records.slots.tolist(), noised.sha256, init.tolist()))
        return tuple(a != b for a, b in zip(*seen))  # type: ignore[return-value]

    assert differ() == (True, True, False)
    broken: list[tuple[Any, str, Callable[..., Any], tuple[bool, bool, bool]]] = [
        (
            run_module,
            "uniforms",
            lambda key, path, n: np.random.default_rng(0).random(n),
            (False, True, False),
        ),
        (
            release,
            "gaussians",
            lambda key, path, n: np.random.default_rng(0).normal(size=n),
            (True, False, False),
        ),
        (
            run_module.Run,
            "rng",
            lambda self, name: torch.Generator().manual_seed(self._key[0]),
            (True, True, True),
        ),
    ]
    for owner, name, function, expected in broken:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, function)
            assert differ() == expected, name


def test_rule_7_no_dropout_and_train_mode(lora_model: Any, batch: Records) -> None:
    """Broken: dropout left on; eval() where hooks record nothing."""
    model = lora_model[0]

    def repeats() -> bool:
        a, b = (clipped_sum(model, batch, CLIP).tensors for _ in range(2))
        return norm(a, b) == 0.0

    drops = [m for m in model.modules() if isinstance(m, nn.Dropout)]
    assert all(m.training for m in model.modules()) and {m.p for m in drops} == {0.0}
    assert repeats()
    for broken in drops:
        broken.p = 0.5
    assert drops and not repeats()
    with pytest.raises(PrivacyError, match=r"eval\(\) mode"):
        clipped_sum(model.eval(), batch, CLIP)


def test_rule_8_a_patient_is_sampled_summed_and_clipped_as_one(
    lora_model: Any, batch: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: units forgotten between the sampler and the clip."""
    units = np.arange(batch.size) // 10
    whole = replace(batch, units=units)

    def influence() -> float:
        without_one = whole.take(np.flatnonzero(units != 1))
        sums = [clipped_sum(lora_model[0], r, CLIP).tensors for r in (whole, without_one)]
        return norm(*sums) / CLIP

    assert influence() == pytest.approx(1.0, rel=1e-6)
    broken = property(lambda self: self.slots)
    monkeypatch.setattr(Records, "owners", broken)
    assert influence() > 2.0


class Twin(Loader):
    """Public records that were made after statistics of the private ones."""

    name: ClassVar[str] = "twin-of-plain"
    card: ClassVar[Card] = Card(
        "twin", "none", "none", "open", "a grammar", calibrated_on=("synthetic-plain",)
    )
    labels: ClassVar[tuple[str, ...]] = ("a",)

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, Any]:
        return {}

    def load(self, data: Path | None) -> Dataset:
        y = np.zeros((1, 1), np.float32)
        return Dataset(self.name, self.labels, self.card, ("r",), ("p",), ("train",), ("x",), y)


@dataclass(frozen=True)
class WarmStart(Loop):
    """Looks at a public dataset first."""

    source: str = "twin-of-plain"
    public = ("twin-of-plain", "synthetic-plain")

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        run.public(self.source)
        return super().fit(train, encoder, budget, run)


def test_rule_9_a_twin_of_the_private_data_warms_nothing_up(
    job_with: Any, how: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a card that does not say what its generator was calibrated on."""
    monkeypatch.setitem(datasets._items, "twin-of-plain", Twin)
    for source, words in (
        ("twin-of-plain", "was calibrated on 'synthetic-plain'"),
        ("synthetic-plain", "was calibrated on 'synthetic-plain'"),
        ("undeclared", "not declared"),
    ):
        with pytest.raises(CellFailed, match=words):
            runner.run_cell(job_with(WarmStart(source=source)), how, context)
    combined = job_with(WarmStart(source="synthetic-plain"))
    sides = {"train": "synthetic-plain", "test": "synthetic-plain"}
    small = {"train_options": {"reports": 150}, "test_options": {"reports": 150}}
    cell = replace(combined.cell, dataset="transfer")  # its name is not the private data's
    combined = replace(combined, cell=cell, loader=make_loader("transfer", {**sides, **small}))
    with pytest.raises(CellFailed, match="was calibrated on 'synthetic-plain'"):
        runner.run_cell(combined, how, context)
    broken = replace(Twin.card, calibrated_on=())
    monkeypatch.setattr(Twin, "card", broken)
    found = runner.run_cell(job_with(WarmStart()), how, context)
    assert found.record.status == "done"
    assert found.record.disclosed_public == ("twin-of-plain",)


class Unread:
    """The words of a text; seen: which texts it was given."""

    key, ragged = "", False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, text: str) -> Any:
        self.seen.append(text)
        return WORDS(text)


def test_rule_10_what_cannot_move_is_found_on_public_text_alone(
    make_run: Any, train: PrivateRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: a tensor outside the loss, an optimizer of stale copies; and each check taken out."""

    class Ignores(LinearModel):
        def losses(self, records: Records) -> Tensor:
            x = records.inputs()[0].float()
            return (self.head(x) - self.head(0.0 * x)).square().mean(1)  # bias - bias

    def end(broken: str) -> str:
        model, optimizer = start(Ignores(32, 3, 1.0) if broken == "ignored" else None)
        if broken == "stale":
            optimizer = torch.optim.SGD(LinearModel(32, 3, 1.0).parameters(), lr=0.1)
        run = make_run(ledger=Ledger(None))
        try:
            for step in run.poisson(train.map("w", WORDS), 0.5, 2, state=(model, optimizer)):
                noised = step.gaussian("g", clipped_sum(model, step.records, CLIP), SIGMA)
                if broken == "stale":
                    optimizer.step()
                else:
                    apply(model, optimizer, noised / step.expected_batch)
        except CellFailed as error:
            return str(error)
        return f"{len(run.releases)} releases"

    assert end("") == "2 releases"
    assert "tensor head.bias gets no gradient" in end("ignored")
    assert "unchanged after the first noised update" in end("stale")
    monkeypatch.setattr(run_module, "check_gradients_reach", lambda *a: None)
    monkeypatch.setattr(run_module, "check_moved", lambda *a: None)
    assert {end("ignored"), end("stale")} == {"2 releases"}
    function = Unread()
    checks.check_gradients_reach(start()[0], function, 3, torch.device("cpu"))
    assert set(function.seen) == set(PUBLIC_SENTENCES)
