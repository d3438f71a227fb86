"""examples/minimal_attack.py: its conformance suite, and an attack with it on stored cells."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radpriv.testing import Check, parametrize_checks

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_attack.py"


@parametrize_checks(EXAMPLE)
def test_minimal_attack(check: Check) -> None:
    check()


def test_it_attacks_a_stored_family(
    radpriv: Callable[..., Any], write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    suite = write_suite("tfidf", epsilons="[inf]", seeds="2", attacks="[]", control="false")
    assert radpriv("run", suite, "--json").code == 0
    done = radpriv("attack", suite, "--attack", EXAMPLE, "--json")
    assert done.code == 0, done.err
    (result,) = (tmp_path / "store" / "attacks").glob("*/result.json")
    found = json.loads(result.read_text())
    assert found["attack"] == "minimal_attack" and len(found["cell_fingerprints"]) == 2
    assert "minimal_attack" in done.out


def test_it_fits_one_screen_and_imports_the_facade_alone() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 60
    ours = [line for line in lines if line.startswith(("from radpriv", "import radpriv"))]
    assert len(ours) == 1 and ours[0].startswith("from radpriv.api import ")
