"""Finished cells for `radpriv predict` and `radpriv export`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from radpriv.benchmark.encoders.encoders import Encoder

from .finished_cells import Cells, read_cells, run_cells


@pytest.fixture(scope="session")
def cells(
    write_suite: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    tiny_albert: Encoder,
) -> Cells:
    """One of every shipped method, trained once for all workers; read it, do not change it."""
    pytest.importorskip("negspacy", reason="the extra `keyword` is not installed")
    here = tmp_path_factory.getbasetemp()
    root = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "finished-cells"
    with FileLock(f"{root}.lock"):
        if not (root / "trained").exists():
            root.mkdir(exist_ok=True)
            run_cells(write_suite, root, tiny_albert)
            (root / "trained").touch()
    return read_cells(root)
