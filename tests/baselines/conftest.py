"""One simple data set, and methods fitted on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.baselines.dp_linear_probe import DPLinearProbe
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run

CARD = Card("made up", "none", "none", "open", "by construction")
REPORTS = 240


@pytest.fixture(scope="session")
def simple() -> Dataset:
    """240 reports of 80 patients; one word tells the first label, the second is always negative."""
    rng = np.random.default_rng(0)
    there = rng.random(REPORTS) < 0.5
    words = np.array(["heart", "lungs", "are", "clear", "normal", "size", "study", "stable"])
    texts = [
        " ".join([*rng.choice(words, 4), *(["effusion"] * 3 if t else ["no", "small"])])
        for t in there
    ]
    y = np.stack([there, np.zeros(REPORTS)], 1).astype(np.float32)
    y[::7, 0] = np.nan
    ids = tuple(f"r{i:03d}" for i in range(REPORTS))
    patients = tuple(f"p{i // 3:03d}" for i in range(REPORTS))
    splits = ("train",) * REPORTS
    return Dataset("simple", ("a", "b"), CARD, ids, patients, splits, tuple(texts), y)


@pytest.fixture(scope="session")
def cache() -> FeatureCache:
    """Features of the simple data set, which are functions of one text each."""
    return FeatureCache(None)


Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


@pytest.fixture
def fit(simple: Dataset, tiny_bert: Encoder, cache: FeatureCache, tmp_path: Path) -> Fit:
    """Fits a method on the simple data set: (fitted, run, train, universe).

    gone: the number of a member unit that is taken out; -1 for all.
    """
    ledgers = itertools.count()

    def fitted(
        method: Method, epsilon: float = 8.0, unit: str = "report", gone: int | None = None
    ) -> Any:
        universe = draw(simple, AuditPolicy(share=0.3, unit=unit), b"audit", REPORTS, 0)
        if gone is not None:
            members = np.unique(universe.unit[universe.member])
            left = members[:0] if gone < 0 else np.delete(members, gone)
            universe = replace(universe, member=np.isin(universe.unit, left))
        train = PrivateRecords(universe, simple.labels, REPORTS, cache)
        budget = Budget.of(epsilon if method.private else math.inf, REPORTS, None, unit)
        run = Run(
            budget=budget,
            n_public=REPORTS,
            labels=2,
            key=b"k" * 32,
            suite_key=b"suite",
            seed=0,
            ledger=Ledger(tmp_path / f"{next(ledgers)}.jsonl"),
            device=torch.device("cpu"),
            public=lambda name: simple,
            units=universe.units,
        )
        encoder = tiny_bert if method.uses_encoder else None
        return method.fit(train, encoder, budget, run), run, train, universe

    return fitted


@pytest.fixture
def probe(fit: Fit) -> Fit:
    """Fits a linear probe, by the name of its solver; else like `fit`."""

    def fitted(solver: str, *rest: Any, **more: Any) -> Any:
        return fit(DPLinearProbe(solver=solver, max_length=32), *rest, **more)

    return fitted
