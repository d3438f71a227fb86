"""What is booked for unit patient: rates, divisors and certificates count patients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.accounting.calibration import certificate
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release, groups
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateFeatures, PrivateRecords

MakeUniverse = Callable[..., Universe]
MANY = 171


def sizes_of_patients() -> list[int]:
    """1,000 patients with 3,500 reports, one of them with 171."""
    sizes = np.full(1000, 3)
    sizes[0] = MANY
    sizes[1 : 1 + 3500 - int(sizes.sum())] += 1
    return sizes.tolist()


def test_a_certificate_for_patients_counts_patients(
    make_run: Any, universe_of: MakeUniverse
) -> None:
    """100 of 1,000 patients a step; by reports it would be 100 of 3,500 and claim too little."""
    owners = np.repeat(np.arange(1000), sizes_of_patients())
    assert len(owners) == 3500 and np.bincount(owners).max() == MANY
    texts = ["heart normal", "lungs clear", "no effusion"]
    universe = universe_of(owners, [texts[i % 3] for i in range(3500)])
    budget = Budget(8.0, 1e-5, "patient")
    run = make_run(budget=budget, n_public=1000, units=1000, ledger=Ledger(None))
    words = HashedWords(8, 1, True)
    records = PrivateRecords(universe, ("a", "b", "c"), 1000, FeatureCache(None)).map("w", words)
    model = LinearModel(8, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    patients = []
    for step in run.poisson(records, 0.1, 100, state=(model, optimizer)):
        assert step.expected_batch == 100.0
        step.gaussian("g", clipped_sum(model, step.records, 1.0), 1.0)
        patients.append(len(set(step.records.owners.tolist())))
    assert 95 < np.mean(patients) < 105
    assert {r.rate for r in run.releases} == {0.1} and len(run.releases) == 100
    assert run.certificate()[0] == pytest.approx(7.05, abs=0.01)
    by_reports = [Release(t, "g", 1.0, 1.0, 100 / 3500, "") for t in range(100)]
    assert certificate(groups(by_reports), 1e-5, 8.0)[0] == pytest.approx(2.02, abs=0.01)
    chosen = np.zeros(1000, bool)
    chosen[:50] = True
    assert 0 < moves(model, records, chosen) <= 1.0 / 100 * (1 + 1e-9)


def moves(model: Any, records: PrivateFeatures, chosen: np.ndarray) -> float:
    """By how much the patient with the most reports moves an update of this sample."""
    totals = []
    for here in (True, False):
        chosen[0] = here
        part = records._select(chosen, torch.device("cpu"))
        totals.append(clipped_sum(model, part, 1.0))
    gap = [t - totals[1].tensors[n] for n, t in totals[0].tensors.items()]
    return math.sqrt(sum(float(g.square().sum()) for g in gap)) / 100.0
