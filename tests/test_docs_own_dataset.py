"""docs/own_dataset.md: its file and its suite run as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.table.table_loader import TableLoader

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "own_dataset.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not beside these tests")


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_every_option_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.read_text("utf-8")))
    assert {f.name for f in fields(TableLoader)} <= named


def test_the_example_runs_as_it_stands(radpriv: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "data" / "clinic").mkdir(parents=True)
    (tmp_path / "data" / "clinic" / "reports.csv").write_text(block("csv"))
    suite = tmp_path / "clinic.toml"
    suite.write_text(block("toml"))
    done = radpriv("run", suite, "--data", tmp_path / "data", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["failed"] == {} and "clinic" in done.out
    kept = b"".join(p.read_bytes() for p in (tmp_path / "store").rglob("*.json"))
    assert b"pleural" not in kept and b"Patchy" not in kept


def test_the_declared_groups_are_those_that_are_read() -> None:
    text = (DOCS / "plugins.md").read_text("utf-8")
    groups = re.findall(r'entry-points\."(radpriv\.\w+)"\]', text)
    from radpriv.testing import REGISTRIES

    assert groups == [registry.group for registry, _ in REGISTRIES]
    for name in re.findall(r"`(minimal_\w+\.py)`", text):
        assert (DOCS.parent / "examples" / name).is_file()
