"""Families of simulated seeds: views with their flags, over one set of candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radpriv.attacks.view import Population, Reference, View

Targets = list[tuple[View, NDArray[np.bool_]]]
MakeFamily = Callable[..., Targets]


def build(
    logits: NDArray[np.float32],
    labels: NDArray[np.float32],
    member: NDArray[np.bool_],
    tested: NDArray[np.float32],
    test_labels: NDArray[np.float32],
    **columns: Any,
) -> Targets:
    """Every seed as a target, the others its references.

    logits (S, m, L), member (S, m), tested (S, n, L); columns: other fields of the view.
    """
    seeds, m = member.shape
    slots = np.arange(m, dtype=np.int64) * 3 + 1
    untuned = columns.pop("population_untuned", None)
    features = columns.pop("population_features", None)
    references = [
        Reference(
            s,
            logits[s],
            labels,
            slots,
            member[s],
            Population(tested[s], test_labels, untuned, features),
        )
        for s in range(seeds)
    ]
    basic = {
        "length": np.full(m, 40, dtype=np.int32),
        "similarity": np.full(m, 0.1, dtype=np.float32),
        "patient": tuple(f"p{i:05d}" for i in range(m)),
    }
    return [
        (
            View(
                logits=logits[s],
                labels=labels,
                slots=slots,
                references=tuple(r for r in references if r.seed != s),
                population=references[s].population,
                memo=references[s].memo,
                **{**basic, **columns},
            ),
            member[s],
        )
        for s in range(seeds)
    ]


def simulate(
    rng: np.random.Generator,
    seeds: int,
    gain: float = 0.0,
    m: int = 300,
    width: int = 4,
    n: int = 60,
) -> Targets:
    """Records of unequal hardness, some labels missing; members are fitted better by `gain`."""
    labels = (rng.random((m, width)) < 0.3).astype(np.float32)
    labels[rng.random((m, width)) < 0.2] = np.nan
    labels[0] = np.nan
    test_labels = (rng.random((n, width)) < 0.3).astype(np.float32)
    member = rng.random((seeds, m)) < 0.5
    hardness = rng.standard_normal((m, width))
    logits = hardness + rng.standard_normal((seeds, m, width))
    logits += gain * member[:, :, None] * (2 * np.nan_to_num(labels) - 1)
    tested = rng.standard_normal((n, width)) + rng.standard_normal((seeds, n, width))
    columns = {
        "length": rng.integers(5, 90, m).astype(np.int32),
        "similarity": rng.random(m).astype(np.float32),
        "patient": tuple(f"p{i:05d}" for i in rng.integers(0, m // 2, m)),
        "features": rng.standard_normal((m, 6)).astype(np.float32),
        "population_features": rng.standard_normal((n, 6)).astype(np.float32),
        "untuned": rng.standard_normal((m, width)).astype(np.float32),
        "population_untuned": rng.standard_normal((n, width)).astype(np.float32),
    }
    f32 = np.float32
    return build(logits.astype(f32), labels, member, tested.astype(f32), test_labels, **columns)


@pytest.fixture(scope="session")
def make_family() -> MakeFamily:
    """make_family(logits, labels, member, tested, test_labels, **columns): see `build`."""
    return build


@pytest.fixture(scope="session")
def simulated() -> MakeFamily:
    """simulated(rng, seeds, gain=0, m=300, width=4, n=60): see `simulate`."""
    return simulate
