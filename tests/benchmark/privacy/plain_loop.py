"""A plain DP-SGD loop through the waist, over hashed words."""

from __future__ import annotations

from typing import Any

import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import apply

WORDS = HashedWords(32, 1, True)


def linear() -> tuple[LinearModel, torch.optim.Optimizer]:
    model = LinearModel(32, 3, 1.0).train()
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def drive(run: Any, train: PrivateRecords, rate: float, steps: int, **options: Any) -> list[Any]:
    """A plain DP-SGD loop; the steps that it saw."""
    model, optimizer = linear()
    seen = []
    for step in run.poisson(train.map("words", WORDS), rate, steps, state=(model, optimizer)):
        total = clipped_sum(model, step.records, 1.0)
        noised = step.gaussian("gradient", total, options.get("sigma", 2.0))
        apply(model, optimizer, noised / step.expected_batch)
        seen.append((step, total, noised))
    return seen
