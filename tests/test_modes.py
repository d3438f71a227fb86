"""Who may read what a run over gated reports leaves behind: nobody but its owner, whatever the
umask was."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.store.caches import cache_folder, make_private

DATASET = '''
"""Reports under a release policy."""

from dataclasses import dataclass

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.methods.method import methods


@methods.register("quick_bow")
@dataclass(frozen=True)
class Quick(DPBagOfWords):
    size: int = 128
    steps: int = 6


@datasets.register("kept")
@dataclass(frozen=True)
class Kept(StreamedLoader):
    name = "kept"
    labels = ("Opacity", "Effusion")
    card = Card("kept", "none", "none", "RELEASE", "by hand")
    twice: bool = False

    def find(self, data):
        return None

    def identity(self, data):
        return {"loader": self.name, "options": self.options()}

    def rows(self, source, counts, progress):
        for i in range(120):
            y = (float(i % 2), float(i // 3 % 2))
            name = f"study{7 if self.twice and i == 60 else i:03d}"
            words = " ".join(w for w, there in zip(("opacity", "effusion"), y) if there)
            yield Row(name, f"p{i // 2:03d}", "test" if i % 6 < 2 else "train", f"{words} {i}", y)
'''


@pytest.fixture
def umask() -> Iterator[None]:
    """One that closes nothing."""
    before = os.umask(0o000)
    yield
    os.umask(before)


@dataclass
class Ran:
    """What one suite left in a store and a cache."""

    store: Path
    cache: Path
    printed: str

    def open_to_others(self, *parts: str) -> set[str]:
        """Files below store/parts that another user could read: no folder on the way is closed."""
        top = self.store.joinpath(*parts)
        return {
            p.relative_to(self.store).as_posix()
            for p in top.rglob("*")
            if p.is_file()
            and mode(p) & 0o077
            and all(mode(f) & 0o077 for f in p.parents if self.store in f.parents)
        }


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


Run = Callable[..., Ran]


@pytest.fixture
def run(radpriv: Any, write_suite: Callable[..., Path], tmp_path: Path) -> Run:
    def go(release: str, options: str = "", code: int = 0) -> Ran:
        mine = tmp_path / "kept.py"
        mine.write_text(DATASET.replace("RELEASE", release))
        suite = write_suite("prior", epsilons="[8.0, inf]")
        text = suite.read_text().replace('"synthetic-plain"', '"kept"')
        suite.write_text(text.replace("{ reports = 120 }", f"{{ {options} }}"))
        named = ("--method", mine, "--method", "tfidf")
        done = radpriv("run", suite, *named)
        assert done.code == code, done.err
        return Ran(tmp_path / "store", tmp_path / "cache", done.out + done.err)

    return go


@pytest.mark.parametrize("release", ["nothing", "aggregates"])
def test_cell_of_gated_data_is_for_its_owner_alone(run: Run, umask: None, release: str) -> None:
    ran = run(release)
    cells = [p for p in (ran.store / "cells").glob("*/*") if p.is_dir()]
    assert len(cells) >= 3 and {mode(c) for c in cells} == {0o700}
    inside = [p for c in cells for p in c.rglob("*")]
    assert {p.name for p in inside} >= {"test.parquet", "flags.parquet", "head.safetensors"}
    assert {mode(p) for p in inside if p.is_file()} == {0o400}
    assert {mode(p) for p in inside if p.is_dir()} == {0o700}
    assert ran.open_to_others("cells") == set()
    attacked = {Path(name).name for name in ran.open_to_others("attacks")}
    assert attacked == (set() if release == "nothing" else {"result.json", "provenance.json"})
    kept = list((ran.store / "attacks").glob("*/private"))
    assert kept and {mode(p) for p in kept} == {0o700}
    told = {Path(name).name for name in ran.open_to_others("reports")}
    assert told == set() if release == "nothing" else "index.html" in told
    shown = {mode(p) for p in (ran.store / "reports").rglob("*.*")}
    assert shown == ({0o600} if release == "nothing" else {0o644})


def test_place_in_the_cache_closes_the_cache_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: None
) -> None:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "above" / "cache"))
    made = make_private(cache_folder() / "tables")
    assert mode(made) == mode(made.parent) == 0o700
    assert mode(tmp_path / "above") == 0o777  # not ours to close


def test_cache_is_for_its_owner_alone(run: Run, umask: None) -> None:
    ran = run("nothing")
    places = [ran.cache, *(p for p in ran.cache.rglob("*") if p.is_dir())]
    assert ran.cache / "tables" in places and {mode(p) for p in places} == {0o700}
    files = [p for p in ran.cache.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert {p.suffix for p in files} >= {".arrow", ".json", ".npy"}
    assert {mode(p) for p in files} == {0o600}


def test_open_data_is_written_by_the_umask(run: Run, umask: None) -> None:
    ran = run("open")
    shown = {Path(name).name for name in ran.open_to_others("cells")}
    assert {"record.json", "test.parquet", "model.json"} <= shown
    assert not any("private" in Path(name).parts for name in ran.open_to_others())


@pytest.mark.parametrize("release", ["nothing", "open"])
def test_record_named_by_a_gated_fault_is_not_kept(run: Run, release: str) -> None:
    """It is printed once, before anything is trained or written."""
    ran = run(release, "twice = true", code=2)
    assert ran.printed.count("row 61") == 1
    assert not list(ran.store.rglob("*.json"))
