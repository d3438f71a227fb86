"""docs/privacy.md names tests; the ones that it names must be there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "privacy.md"
TRAPS = 26

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not beside these tests")


def known() -> set[str]:
    """file.py::test_name and folder/file.py::test_name of every test function."""
    return {
        f"{name}::{node.name}"
        for path in TESTS.rglob("test_*.py")
        for name in (path.name, f"{path.parent.name}/{path.name}")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows() -> dict[int, list[str]]:
    """Tests by trap."""
    found: dict[int, list[str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].isdigit():
            assert int(cells[0]) not in found and all(cells), line
            found[int(cells[0])] = re.findall(r"`([^`]+)`", cells[3])
    return found


def test_every_trap_is_closed_by_a_test_that_exists() -> None:
    table, tests = rows(), known()
    assert sorted(table) == list(range(1, TRAPS + 1))
    for number, named in table.items():
        assert named, f"trap {number} names no test"
        assert set(named) <= tests, f"trap {number}: {sorted(set(named) - tests)}"


def test_file_names_of_tests_are_unique() -> None:
    """File names of tests are unique, so that a name finds its test."""
    named = {test.split("::")[0] for tests in rows().values() for test in tests}
    for name in named:
        found = [p for p in TESTS.rglob("test_*.py") if f"/{p.as_posix()}".endswith(f"/{name}")]
        assert len(found) == 1, name
