"""docs/attacks.md names every attack that is shipped, and its example is an attack."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from radpriv.attacks.attack import attacks
from radpriv.attacks.inputs.cell_outputs import open_cell
from radpriv.attacks.run_family import attack_family

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
Seeds = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


def test_every_shipped_attack_has_a_line_and_no_other_name_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shipped = set(project["entry-points"]["radpriv.attacks"])
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == shipped


def test_the_example_loads_from_a_file_and_attacks_a_family(
    write_cell: Callable[..., Path],
    untrained: Seeds,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "mine.py"
    file.write_text(source)
    assert attacks.load_file(str(file)) == ["mine"]
    cells = [open_cell(write_cell(s, *seed)) for s, seed in enumerate(untrained)]
    result, _ = attack_family("mine", {"power": 2.0}, cells, "f")
    assert result.params == {"power": 2.0}
    assert 0.4 < result.summary["attack"].auc.value < 0.6
