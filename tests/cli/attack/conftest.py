"""A suite that was run, and copies of its store in which nothing trains any more."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from radpriv.benchmark.runs import runner
from radpriv.request import Request
from radpriv.workflow.run_suite import run

from .shared import Radpriv, WriteSuite


@pytest.fixture(scope="session")
def finished(write_suite: WriteSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a suite, tiny.toml, and the store in which it was run: two families and the
    control, of 2 seeds, attacked by `loss`."""
    folder = tmp_path_factory.mktemp("finished")
    suite = shutil.copy(
        write_suite("dp_bow", "prior", seeds="2", attacks='["loss"]'), folder / "tiny.toml"
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RADPRIV_CACHE", str(folder / "cache"))
        request = Request(str(suite), None, folder / "store")
        run(request, Console(file=io.StringIO()))
    return folder


@pytest.fixture
def ran(finished: Path, radpriv: Radpriv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that suite, its store beside it, where nothing trains any more."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    plan = tmp_path / "store" / "plans" / "tiny.json"
    plan.write_text(plan.read_text().replace(str(finished), str(tmp_path)))

    def never(*_: Any) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(runner, "_train_and_score", never)
    return tmp_path / "tiny.toml"
