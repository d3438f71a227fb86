"""A store of cells that were really run, and what attacks may ask of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radpriv.attacks.inputs.auxiliary_data import AuxiliaryData
from radpriv.attacks.inputs.cell_outputs import Outputs, load, open_cell
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job

HOW = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
CANARIES = """[
  {kind = "rare-token", count = 3}, {kind = "secret", count = 4, space = 100},
  {kind = "secret", count = 2, copies = 3, space = 1000}, {kind = "gradient", count = 5}]
"""
METHODS = ("dp_lora", "lora", "linear_probe", "tfidf", "prior")


@dataclass(frozen=True)
class World:
    """A store of finished cells, and the jobs that they are of."""

    store: Store
    jobs: dict[str, Job]
    folders: dict[tuple[str, int], Path]

    def sources(self, **changes: Any) -> AuxiliaryData:
        values = {"store": self.store, "data": None, "jobs": self.jobs, "cache": FeatureCache(None)}
        return AuxiliaryData(**{**values, **changes})

    def outputs(self, method: str, seed: int = 0) -> Outputs:
        return load(open_cell(self.folders[method, seed]))

    def job(self, method: str, seed: int = 0) -> Job:
        return self.jobs[self.outputs(method, seed).cell.record.cell_id]


def damaged(world: World, tmp_path: Path, method: str = "prior") -> Outputs:
    """A copy of a cell that a test may spoil."""
    folder = shutil.copytree(world.folders[method, 0], tmp_path / "cell", copy_function=shutil.copy)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700)
    return load(open_cell(folder))
