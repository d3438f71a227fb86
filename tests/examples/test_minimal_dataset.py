"""examples/minimal_dataset.py: its conformance suite, and a suite that names it by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.testing import Check, parametrize_checks

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal_dataset.py"


def write_source(data: Path, reports: int = 40) -> None:
    """What the example reads: made-up reports, four of five for training."""
    (data / "minimal").mkdir(parents=True, exist_ok=True)
    lines = ["id,patient,split,text,effusion,opacity"]
    for i in range(reports):
        split = "test" if i % 10 > 7 else "train"
        there = "small" if i % 3 else "no"
        text = f'"There is {there} effusion on side {i}, and the heart is of usual size."'
        lines.append(f"r{i:03d},p{i // 2:03d},{split},{text},{int(i % 3 > 0)},{i % 5 % 2}")
    (data / "minimal" / "reports.csv").write_text("\n".join(lines) + "\n")


@parametrize_checks(EXAMPLE, source=write_source)
def test_minimal_dataset(check: Check) -> None:
    check()


@pytest.mark.parametrize("relative", [False, True])
def test_a_suite_names_it_by_its_path(
    relative: bool, radpriv: Callable[..., Any], tmp_path: Path
) -> None:
    """Absolute, or as seen from the suite's own folder."""
    write_source(tmp_path / "data", 80)
    name = str(EXAMPLE)
    if relative:
        (tmp_path / "mine.py").write_bytes(EXAMPLE.read_bytes())
        name = "mine.py"
    suite = tmp_path / "suite.toml"
    suite.write_text(
        f'epsilons = [inf]\nattacks = []\ncontrol = false\n[[datasets]]\nname = "{name}"\n'
        'n_public = 60\n[[methods]]\nname = "prior"\n'
    )
    done = radpriv("run", suite, "--data", tmp_path / "data", "--json")
    assert done.code == 0, done.err
    assert "minimal_dataset" in done.out and "not cached" not in done.err
    kept = [p.read_bytes() for p in (tmp_path / "store").rglob("*.py")]
    assert EXAMPLE.read_bytes() in kept
    again = radpriv("report", suite, "--json")
    assert again.code == 0, again.err


def test_a_file_with_two_datasets_is_refused(radpriv: Callable[..., Any], tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    second = text[text.index("@datasets.register") :].replace('"minimal_dataset"', '"other"')
    (tmp_path / "two.py").write_text(text + "\n\n" + second.replace("MinimalDataset", "Other"))
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'epsilons = [inf]\n[[datasets]]\nname = "two.py"\nn_public = 60\n'
        '[[methods]]\nname = "prior"\n'
    )
    assert "a suite takes one dataset" in radpriv("run", suite).sentence


def test_it_fits_one_screen_and_imports_the_facade_alone() -> None:
    lines = EXAMPLE.read_text().splitlines()
    assert len(lines) < 60
    ours = [line for line in lines if line.startswith(("from radpriv", "import radpriv"))]
    assert len(ours) == 1 and ours[0].startswith("from radpriv.api import ")
