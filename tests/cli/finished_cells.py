"""Cells that were really run, of every shipped method, for tests of what their models are good for.

Of BERT all methods and the control, of ALBERT, whose layers share weights, `lora`; the suites lie
beside the store, so that an encoder's folder is found through the plan.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.store.store import Store
from radpriv.cli import main
from radpriv.workflow.cell_model import CellModel


@dataclass(frozen=True)
class Cells:
    """ids: by method, "dp_lora tiny-albert" where it tunes an encoder, and "control"."""

    store: Store
    ids: dict[str, str]

    def model(self, name: str) -> CellModel:
        return CellModel.open(self.store, self.ids[name])

    def copy(self, name: str, target: Path) -> Path:
        """A store with this one cell and the plans, which a test may spoil; its record.json."""
        cell = f"cells/{self.ids[name]}"
        shutil.copytree(self.store.root / "plans", target / "plans")
        shutil.copytree(self.store.root / cell, target / cell, copy_function=shutil.copy)
        for path in target.rglob("*"):
            path.chmod(0o700)
        (record,) = (target / cell).glob("*/record.json")
        return record


def run_cells(write_suite: Callable[..., Path], root: Path, albert: Encoder) -> None:
    """Train them into root/store."""
    every = Path(shutil.copy(write_suite(attacks="[]"), root / "every.toml"))
    every.write_text(every.read_text() + '[[methods]]\nname = "keyword"\n')
    tuned = write_suite("lora", encoders=f'["{albert.folder}"]', control="false", attacks="[]")
    for suite in (every, Path(shutil.copy(tuned, root / "tuned.toml"))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RADPRIV_CACHE", str(root / "cache"))
            asked = ["radpriv", "run", str(suite), "--store", str(root / "store")]
            patch.setattr(sys, "argv", asked)
            with pytest.raises(SystemExit) as end:
                main.main()
            assert not end.value.code


def read_cells(root: Path) -> Cells:
    store, ids = Store(root / "store"), dict[str, str]()
    for folder in store.cells():
        record = store.open(folder).record
        cell, tunes = record.cell, record.cell.method in ("dp_lora", "lora")
        control = cell.audit.canaries == "mislabelled"
        name = f"{cell.method} {cell.encoder}" if tunes else cell.method
        ids["control" if control else name] = record.cell_id
    return Cells(store, ids)
