"""examples/minimal_method.py: its conformance suite, and a run of it to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radpriv.testing import Check, parametrize_checks

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_method.py"


@parametrize_checks(EXAMPLE)
def test_minimal_method(check: Check) -> None:
    check()


def test_it_runs_in_place_of_a_suites_methods(
    radpriv: Callable[..., Any], write_suite: Callable[..., Path]
) -> None:
    suite = write_suite("prior", epsilons="[4.0]", attacks="[]", control="false")
    done = radpriv("run", suite, "--method", EXAMPLE, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["failed"] == {} and "minimal_method" in done.out
    assert "not cached" not in done.err


def test_it_fits_one_screen_and_imports_the_facade_alone() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 60
    ours = [line for line in lines if line.startswith(("from radpriv", "import radpriv"))]
    assert len(ours) == 1 and ours[0].startswith("from radpriv.api import ")
