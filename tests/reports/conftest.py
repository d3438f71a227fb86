"""Fixtures of the report tests: a fake store, the report of one, and labels of many patients."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from radpriv.reports.write import Report, write_report

from . import fake_attacks
from .fake_store import FakeStore


@pytest.fixture
def fake(tmp_path: Path) -> FakeStore:
    """A store that is not written yet."""
    return FakeStore(tmp_path / "store")


@pytest.fixture
def edits() -> ModuleType:
    """`rewrite`, `with_role` and `with_bound`: attack results of a written store are changed."""
    return fake_attacks


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of an unchanged fake store; read it, do not change it."""
    return write_report(FakeStore(tmp_path_factory.mktemp("written") / "store").write(), "demo")


@pytest.fixture
def many_patients() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """y float32 with NaN (700, 14), predictions, and patient numbers (about 500 patients)."""
    rng = np.random.default_rng(3)
    rates = np.linspace(0.01, 0.3, 14)
    y = (rng.random((700, 14)) < rates).astype(np.float32)
    pred = np.where(rng.random(y.shape) < 0.85, y == 1, rng.random(y.shape) < 0.2)
    y[rng.random(y.shape) < 0.1] = np.nan
    _, groups = np.unique(rng.integers(0, 500, 700), return_inverse=True)
    return y, pred, groups
