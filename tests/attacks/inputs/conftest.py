"""Five methods trained once for all tests of what attacks may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import read_suite

from .attacked_store import CANARIES, HOW, METHODS, World


@pytest.fixture(scope="session")
def world(write_suite: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every method with seed 0, and dp_lora with seed 1 too; read it, do not change it."""
    suite = read_suite(str(write_suite(*METHODS, seeds="2", canaries=" ".join(CANARIES.split()),
                                       control="false")))  # fmt: skip
    jobs = [j for j in expand(suite, None) if j.cell.seed == 0 or j.cell.method == "dp_lora"]
    root = tmp_path_factory.mktemp("sources")
    context = Context(Store(root / "store"), FeatureCache(root / "cache"), None)
    folders = {(j.cell.method, j.cell.seed): run_cell(j, HOW, context).folder for j in jobs}
    return World(context.store, {j.cell.id: j for j in jobs}, folders)
