"""Finished cells for `radpriv predict` and `radpriv export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from radpriv.benchmark.encoders.encoders import Encoder

from .finished_cells import Cells, run_cells


@pytest.fixture(scope="session")
def cells(
    write_suite: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    tiny_albert: Encoder,
) -> Cells:
    """One of every shipped method; read it, do not change it."""
    pytest.importorskip("negspacy", reason="the extra `keyword` is not installed")
    return run_cells(write_suite, tmp_path_factory.mktemp("finished-cells"), tiny_albert)
