"""Job: a cell with what is needed to run it. Keys stay here and never enter the cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from radpriv.benchmark.cell import Cell
from radpriv.benchmark.datasets.audit_set.subset import Subset, subset, taken
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw, prf
from radpriv.benchmark.datasets.base import Dataset, Loader
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.store.plan_schema import Axes
from radpriv.errors import DataError


@dataclass(frozen=True)
class Job:
    """role: "cell", or "control" for the positive control of the leakage table.

    subset: the patients to take, as the cell's dataset identity says; None: all.
    dataset_label: how tables call the dataset, if not by its name.
    """

    cell: Cell
    label: str
    method: Method
    loader: Loader
    encoder: Encoder | None
    suite_key: bytes = field(repr=False)
    audit_key: bytes = field(repr=False)
    role: Literal["cell", "control"] = "cell"
    subset: Subset | None = None
    dataset_label: str = ""

    @property
    def passes(self) -> float:
        """Expected record passes of training; 0 for what is not stepped through an encoder."""
        return self.method.record_passes(self.cell.n_public)

    @property
    def axes(self) -> Axes:
        """How a plan and a table name this job."""
        cell = self.cell
        return Axes(
            dataset=self.dataset_label or cell.dataset,
            encoder=cell.encoder,
            method=cell.method,
            label=self.label,
            epsilon=cell.budget.epsilon,
            seed=cell.seed,
            canaries=cell.audit.canaries,
        )

    def dataset(self, data: Path | None) -> Dataset:
        loaded = _load(self.loader, data, self.subset)
        return limited(loaded, self.cell.limited) if self.cell.limited else loaded

    def universe(self, dataset: Dataset) -> Universe:
        cell = self.cell
        return draw(dataset, cell.audit, self.audit_key, cell.n_public, cell.seed, cell.per_patient)


@lru_cache(maxsize=4)
def _load(loader: Loader, data: Path | None, asked: Subset | None) -> Dataset:
    loaded = loader.load(data)
    return loaded if asked is None else subset(loaded, asked.reports, asked.seed)


def limited(dataset: Dataset, count: int) -> Dataset:
    """`count` reports, a quarter of them test, chosen by a public hash of the id."""
    if count > len(dataset):
        raise DataError(f"--limit {count}: {dataset.name} has {len(dataset)} reports; give fewer")
    test = max(1, count // 4)
    keep = np.sort(
        np.concatenate(
            [
                _first(dataset, dataset.rows("test"), test),
                _first(dataset, dataset.rows("train"), count - test),
            ]
        )
    )
    return taken(dataset, keep)


def _first(dataset: Dataset, rows: np.ndarray, count: int) -> np.ndarray:
    order = sorted(rows, key=lambda r: prf(b"radpriv/limit", dataset.ids[r]))
    return np.asarray(order[:count], np.int64)
