"""Records and models for the waist's tests."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.features import FeatureCache, evaluate
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.records import PrivateRecords, Records
from radpriv.benchmark.privacy.run import Run

from .per_record import EncoderOf

CPU = torch.device("cpu")


@pytest.fixture
def universe(made_up: Dataset) -> Universe:
    return draw(made_up, AuditPolicy(share=0.5), b"audit", 30, seed=0)


@pytest.fixture
def train(universe: Universe, made_up: Dataset) -> PrivateRecords:
    return PrivateRecords(universe, made_up.labels, 30, FeatureCache(None))


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(universe: Universe, tmp_path: Path) -> MakeRun:
    def make(epsilon: float = 8.0, **changes: object) -> Run:
        values: dict[str, object] = {
            "budget": Budget.of(epsilon, 30),
            "n_public": 30,
            "labels": 3,
            "key": b"k" * 32,
            "suite_key": b"suite",
            "seed": 0,
            "ledger": Ledger(tmp_path / "ledger.jsonl"),
            "device": CPU,
            "public": None,
            "units": universe.units,
        }
        return Run(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def lora_model(tiny_bert: Encoder) -> tuple[torch.nn.Module, object]:
    """A LoRA classifier moved off its starting point, so that no gradient is 0 by construction."""
    return _moved(tiny_bert, Lora(2, 4.0, 2, freeze_a=False))


@pytest.fixture(scope="session")
def encoder_of(
    tiny_bert: Encoder, tiny_albert: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> EncoderOf:
    """A randomly initialised encoder of a kind, with these sizes and the tiny ones' tokenizer."""
    made: dict[str, Encoder] = {}

    def make(kind: str, sizes: dict[str, Any]) -> Encoder:
        from transformers import AutoConfig, AutoModel

        key = f"{kind} {sorted(sizes.items())}"
        if key not in made:
            base = tiny_albert if kind == "albert" else tiny_bert
            folder = Path(tmp_path_factory.mktemp("shapes")) / kind
            shutil.copytree(base.folder, folder)
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            for name, value in sizes.items():
                setattr(config, name, value)
            torch.manual_seed(0)
            AutoModel.from_config(config).save_pretrained(folder)
            made[key] = resolve(str(folder), "nothing: random weights")
        return made[key]

    return make


@pytest.fixture
def moved_classifier() -> Callable[..., tuple[torch.nn.Module, object]]:
    return _moved


@pytest.fixture
def records_of() -> Callable[..., Records]:
    return _records_of


@pytest.fixture
def universe_of(reports: list[str]) -> Callable[..., Universe]:
    """Universe of everyone, by the unit of each record; texts: made-up reports by default."""

    def make(owners: Iterable[int], texts: Iterable[str] | None = None) -> Universe:
        unit = np.array(list(owners), np.int64)
        n = len(unit)
        given = list(texts) if texts is not None else [reports[i % len(reports)] for i in range(n)]
        y = np.random.default_rng(n).integers(0, 2, (n, 3)).astype(np.float32)
        return Universe(
            ids=tuple(f"r{i:05d}" for i in range(n)),
            patients=tuple(f"p{u:05d}" for u in unit),
            texts=tuple(given),
            y=y,
            unit=unit,
            candidate=np.zeros(n, bool),
            member=np.ones(n, bool),
            kinds=("",) * n,
        )

    return make


@pytest.fixture
def unit_oracle() -> Callable[..., dict[str, torch.Tensor]]:
    return _unit_oracle


@pytest.fixture
def loop_oracle() -> Callable[..., dict[str, torch.Tensor]]:
    return _loop_oracle


@pytest.fixture
def distance() -> Callable[..., float]:
    return _distance


def _moved(encoder: Encoder, lora: Lora) -> tuple[torch.nn.Module, object]:
    generator = torch.Generator().manual_seed(3)
    model, frozen = build_classifier(encoder, 3, lora, 64, generator)
    with torch.no_grad():
        for p in trainable(model).values():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return model, frozen


@pytest.fixture
def batch(lora_model: tuple[torch.nn.Module, object], made_up: Dataset) -> Records:
    return _records_of(made_up, lora_model[1])


def _records_of(dataset: Dataset, function: object) -> Records:
    features = evaluate(function, dataset.texts)  # type: ignore[arg-type]
    return Records(np.arange(len(dataset)), features, torch.from_numpy(dataset.y))


def _loop_oracle(
    model: torch.nn.Module, records: Records, max_norm: float
) -> dict[str, torch.Tensor]:
    """The slow, obvious sum: one record, one backward pass, one norm over all tensors, one clip."""
    params = trainable(model)
    total = {n: torch.zeros_like(p, dtype=torch.float64) for n, p in params.items()}
    for i in range(records.size):
        model.zero_grad()
        model.losses(records.take(np.array([i]))).sum().backward()  # type: ignore[operator]
        g = {n: p.grad.double() for n, p in params.items() if p.grad is not None}
        norm = math.sqrt(sum(float(v.square().sum()) for v in g.values()))
        if math.isfinite(norm):
            for n, v in g.items():
                total[n] += v * min(1.0, max_norm / norm)
    model.zero_grad()
    return total


def _unit_oracle(
    model: torch.nn.Module, records: Records, max_norm: float
) -> dict[str, torch.Tensor]:
    """The same for units: one backward pass per record, a sum per unit, one clip per unit."""
    params = trainable(model)
    total = {n: torch.zeros_like(p, dtype=torch.float64) for n, p in params.items()}
    for unit in sorted(set(records.owners.tolist())):
        own = {n: torch.zeros_like(t) for n, t in total.items()}
        for i in np.flatnonzero(records.owners == unit):
            model.zero_grad()
            model.losses(records.take(np.array([i]))).sum().backward()  # type: ignore[operator]
            for n, p in params.items():
                own[n] += p.grad.double() if p.grad is not None else 0.0
        norm = math.sqrt(sum(float(v.square().sum()) for v in own.values()))
        if math.isfinite(norm) and norm > 0:
            for n, v in own.items():
                total[n] += v * min(1.0, max_norm / norm)
    model.zero_grad()
    return total


def _distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return math.sqrt(sum(float((a[n] - b[n]).square().sum()) for n in a))
