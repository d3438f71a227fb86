"""Folders that look like finished cells, and data whose leakage is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.store import examples
from radpriv.benchmark.store.cell_schema import LedgerSummary
from radpriv.benchmark.store.schema import write as write_record

LABELS = 5
WriteCell = Callable[..., Path]


def as_lists(values: NDArray[np.float32]) -> pa.Array:
    return pa.array(values.tolist(), type=pa.list_(pa.float32()))


@pytest.fixture
def write_cell(tmp_path: Path) -> WriteCell:
    """write_cell(seed, logits, labels, member, **record) -> folder, as the store lays it out.

    epsilon: of the budget. similarity: (m,), of the candidates; 0.1 by default.
    """

    def write(
        seed: int,
        logits: NDArray[np.float32],
        labels: NDArray[np.float32],
        member: NDArray[np.bool_],
        **changes: Any,
    ) -> Path:
        epsilon = changes.pop("epsilon", 1.0)
        similarity = changes.pop("similarity", np.full(len(member), 0.1))
        cell = replace(examples.CELL, seed=seed, n_public=3000, budget=Budget(epsilon, 1e-5))
        record = examples.cell_record(
            cell,
            cell_id=f"toy.minilm.dp_lora.eps1.s{seed}-0123456789abcde{seed}",
            family="feedfacefeedface",
            fingerprint="f00d",
            label_names=tuple(f"label {i}" for i in range(logits.shape[1])),
            ledger=LedgerSummary(0, ()),
        )
        record = replace(record, **changes)
        folder = tmp_path / f"cell{seed}"
        (folder / "private").mkdir(parents=True)
        write_record(folder / "record.json", record)
        m = len(member)
        slots = np.arange(m, dtype=np.int64) * 3 + 1
        names = [f"r{slot:05d}" for slot in slots]
        pq.write_table(
            pa.table(
                {
                    "slot": slots,
                    "record": names,
                    "patient": names,
                    "labels": as_lists(labels),
                    "logits": as_lists(logits),
                    "length": np.full(m, 40, dtype=np.int32),
                    "similarity": similarity.astype(np.float32),
                    "kind": ["natural"] * m,
                }
            ),
            folder / "private" / "candidates.parquet",
        )
        pq.write_table(
            pa.table({"slot": slots, "member": member}), folder / "private" / "flags.parquet"
        )
        test = {"record": names[:20], "patient": names[:20]}
        columns = {"labels": as_lists(labels[:20]), "logits": as_lists(logits[:20])}
        pq.write_table(pa.table({**test, **columns}), folder / "test.parquet")
        return folder

    return write


@pytest.fixture(scope="session")
def overfitted() -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Two seeds of a positive control: (logits, labels, member) of 400 mislabelled candidates.

    Sparse random "words", labels a linear function of them, every label of a candidate flipped;
    one nearly unregularised logistic regression per label (C = 1e4) over 400 ordinary records and
    the candidates whose coin fell on "in".
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(7)
    base, m, words = 400, 400, 2500
    x = (rng.random((base + m, words)) < 0.02).astype(np.float64)
    truth = (x @ rng.standard_normal((words, LABELS)) > 0).astype(np.float32)
    labels = truth.copy()
    labels[base:] = 1 - truth[base:]
    seeds = []
    for _ in range(2):
        member = rng.random(m) < 0.5
        train = np.concatenate([np.arange(base), base + np.flatnonzero(member)])
        logits = np.empty((m, LABELS), dtype=np.float32)
        for label in range(LABELS):
            model = LogisticRegression(C=1e4, solver="liblinear")
            model.fit(x[train], labels[train, label])
            logits[:, label] = model.decision_function(x[base:])
        seeds.append((logits, labels[base:], member))
    return seeds


@pytest.fixture
def untrained() -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Three seeds whose logits never saw a coin, with some labels not observed."""
    rng = np.random.default_rng(11)
    labels = (rng.random((600, LABELS)) < 0.3).astype(np.float32)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    return [
        (rng.standard_normal((600, LABELS)).astype(np.float32), labels, rng.random(600) < 0.5)
        for _ in range(3)
    ]
