"""Whole runs of the command line, killed with SIGKILL and started again, end as if never killed.

Two ways to die. At a moment: the test kills a fresh `radpriv run` at a random time. At a place: the
run kills itself inside a chosen call, such as the third rename or halfway through writing a Parquet
file, so the narrow windows are hit every time and not by luck. For the second this file is also
the program whose forks the runs are (conftest.py).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.store.store import Store

SUITE = """
encoders = ["{encoder}"]
pretrained_on = "nothing: random weights"
epsilons = [1, inf]
seeds = 2
audit_share = 0.5

[[datasets]]
name = "synthetic-plain"
n_public = 150
options = {{ reports = 200 }}

[[methods]]
name = "dp_linear_probe"
params = {{ steps = 10, max_length = 48 }}

[[methods]]
name = "dp_lora"
params = {{ top_layers = 1, rate = 0.2, steps = 4, max_length = 48 }}

[[methods]]
name = "tfidf"

[[methods]]
name = "prior"
"""
CELLS, ATTACKS = 10, 5 * 6
"""Two seeds of the four methods and of the positive control. For each of these five, the attacks
made by default that find something to attack: loss, reference, lira, rmia, blind, attribute."""

Place = tuple[str, int]
"""Where a run kills itself: the name of an event in `arm`, and which of its calls."""

ForkServer = Callable[..., AbstractContextManager[Callable[..., tuple[int, float]]]]


# What a run does.


def arm(event: str, count: int) -> None:
    """Make this process kill itself in the `count`-th call that `event` names."""
    left = [count]

    def due() -> bool:
        left[0] -= 1
        return left[0] == 0

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def around(call: Callable[..., Any], before: bool) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            now = due()
            if now and before:
                die()
            result = call(*args, **kwargs)
            if now:
                die()
            return result

        return wrapped

    def torn_write(handle: int, data: Any) -> int:
        name = os.readlink(f"/proc/self/fd/{handle}")
        of_attack = "rows.parquet." in name
        if ".parquet." in name and of_attack == (event == "torn attack table") and due():
            real_write(handle, data[: len(data) // 2])
            die()
        return real_write(handle, data)

    real_write = os.write
    if event.startswith("torn"):
        os.write = torn_write
    else:
        when, name = event.split()
        setattr(os, name, around(getattr(os, name), before=when == "before"))


def begin(order: dict[str, Any]) -> int:
    """The uninterrupted run."""
    return obey(order)


def obey(order: dict[str, Any]) -> int:
    """Run the command line here, to its end or to the order's place; its exit status."""
    from radpriv.cli.main import main

    os.environ.update(order["environment"])
    if order["place"]:
        arm(*order["place"])
    sys.argv = ["radpriv", *order["args"]]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


# What the tests do.


@dataclass
class Trial:
    """A store, its own cache, and what was seen finished in it so far."""

    folder: Path
    suite: Path
    seen: dict[Path, tuple[int, int]] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def args(self) -> list[str]:
        return ["run", str(self.suite), "--store", str(self.store), "--device", "cpu"]

    @property
    def environment(self) -> dict[str, str]:
        return {"RADPRIV_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}

    def order(self, place: Place | None) -> dict[str, Any]:
        """What `obey` needs to run this trial, to its end or to that place."""
        return {"args": self.args, "environment": self.environment, "place": place}

    def check(self, whole: dict[str, bytes]) -> None:
        """After a run or a kill: all that claims to be finished is whole, and what was is kept."""
        found = contents(self.store)
        assert {name: whole[name] for name in found} == found
        for folder in finished(self.store):
            inside = {n for n in found if (self.store / n).is_relative_to(folder)}
            name = folder.relative_to(self.store).as_posix()
            assert inside == {n for n in whole if n.startswith(f"{name}/")}, name
        for folder, stamp in self.seen.items():
            assert stamp_of(folder) == stamp, f"{folder} was made again"
        self.seen = {folder: stamp_of(folder) for folder in finished(self.store)}


def finished(store: Path) -> list[Path]:
    return sorted([*store.glob("cells/*/*"), *store.glob("attacks/*")])


def stamp_of(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_ino, status.st_mtime_ns


def contents(store: Path) -> dict[str, bytes]:
    """Every file of cells/ and attacks/ but provenance.json, by its path in the store."""
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for part in ("cells", "attacks")
        for path in (store / part).rglob("*")
        if path.is_file() and path.name != "provenance.json"
    }


def tables(store: Path) -> dict[str, bytes]:
    """What a user reads: the files of reports/."""
    return {p.name: p.read_bytes() for p in (store / "reports").rglob("*") if p.is_file()}


def check_end(trial: Trial, reference: Trial) -> None:
    """The store of a run that ended is that of the uninterrupted one, and holds no leftovers."""
    whole = contents(reference.store)
    trial.check(whole)
    assert contents(trial.store) == whole
    assert tables(trial.store) == tables(reference.store) != {}
    assert len(list(trial.store.glob("cells/*/*"))) == CELLS
    assert len(list(trial.store.glob("attacks/*"))) == ATTACKS
    assert not list(trial.store.rglob("*.tmp"))
    assert not [p for p in trial.store.glob("work/*/*") if p.is_dir()]
    store = Store(trial.store)
    reasons = {a.why.reason for cell in store.known() for a in store.attempts(cell)}
    assert reasons <= {"killed"}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Encoder) -> Path:
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    path.write_text(SUITE.format(encoder=tiny_bert.folder))
    return path


def trial_in(folder: Path, suite: Path) -> Trial:
    folder.mkdir()
    return Trial(folder, suite)


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="finds the files of a write in Linux's /proc"
)
QUICK: tuple[Place, ...] = (
    ("torn Parquet file", 6),
    ("before rename", 5),
    ("torn attack table", 2),
)
EVERYWHERE: tuple[Place, ...] = (
    ("before replace", 1),  # the plan
    ("torn Parquet file", 1),
    ("before replace", 9),
    ("after replace", 14),
    ("before rename", 1),
    ("after rename", 1),
    ("torn Parquet file", 8),
    ("after rename", 2),
    ("before replace", 21),
    ("before rename", 3),
    ("torn attack table", 1),
    ("before rename", 2),
    ("after rename", 1),
    ("torn attack table", 2),
    ("after replace", 4),  # in the reports
)


def killed_at(
    places: tuple[Place, ...], folder: Path, suite: Path, fork_server: ForkServer
) -> None:
    """Runs that kill themselves at one place after another, on one store, then one to the end."""
    reference, trial = trial_in(folder / "whole", suite), trial_in(folder / "killed", suite)
    with fork_server(__file__, reference.order(None), reference.log) as ask:
        whole = contents(reference.store)
        for place in places:
            status, _ = ask(trial.order(place), trial.log)
            assert status == -signal.SIGKILL, (place, trial.log.read_text())
            trial.check(whole)
        for _ in range(2):  # the second finds everything and makes nothing again
            status, _ = ask(trial.order(None), trial.log)
            assert status == 0, trial.log.read_text()
            check_end(trial, reference)


@needs_proc
def test_run_killed_at_quick_places_ends_as_if_never_killed(
    tmp_path: Path, suite: Path, fork_server: ForkServer
) -> None:
    """A run killed in a Parquet write, a rename and an attack ends as if never killed."""
    killed_at(QUICK, tmp_path, suite, fork_server)


@needs_proc
@pytest.mark.slow
def test_run_killed_everywhere_ends_as_if_never_killed(
    tmp_path: Path, suite: Path, fork_server: ForkServer
) -> None:
    """A run killed at each kind of place ends as if never killed."""
    killed_at(EVERYWHERE, tmp_path, suite, fork_server)


def start(trial: Trial) -> subprocess.Popen[bytes]:
    with trial.log.open("ab") as log:
        code = "from radpriv.cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-P", "-c", code, *trial.args],
            stdout=log,
            stderr=log,
            env={**os.environ, **trial.environment},
        )


def seconds_to_plan(trial: Trial, begun: float, process: subprocess.Popen[bytes]) -> float:
    """From the start of a run to its first write: imports and expansion lie before."""
    while not list(trial.store.glob("plans/*.json")):
        assert process.poll() is None, trial.log.read_text()
        time.sleep(0.005)
    return time.monotonic() - begun


@pytest.mark.slow
def test_runs_killed_at_random_end_as_if_never_killed(tmp_path: Path, suite: Path) -> None:
    """Runs killed ten times at random moments end as if never killed."""
    reference = trial_in(tmp_path / "whole", suite)
    begun = time.monotonic()
    process = start(reference)
    ready = seconds_to_plan(reference, begun, process)
    assert process.wait() == 0, reference.log.read_text()
    lasts = time.monotonic() - begun
    whole = contents(reference.store)
    draw, kills, runs, stores = random.Random(10), 0, 0, 0
    while kills < 10:
        stores += 1
        assert stores < 10, "the runs end before they are killed"
        trial = trial_in(tmp_path / f"killed{stores}", suite)
        status, whole_run = None, True
        while status != 0:
            begun = time.monotonic()
            process, runs = start(trial), runs + 1
            # A tenth dies among the imports; the rest where something can go wrong.
            least, most = (0.0, ready) if draw.random() < 0.1 else (ready, lasts)
            try:
                status = process.wait(draw.uniform(least, most) if kills < 10 else None)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            assert status in (0, -signal.SIGKILL), trial.log.read_text()
            kills += status != 0
            trial.check(whole)
            if status == 0 and whole_run:  # the machine is faster, or slower, than it was
                now = time.monotonic() - begun
                ready, lasts = ready * now / lasts, now
            whole_run = False
        check_end(trial, reference)
    print(f"{kills} kills, {runs} runs, {stores} stores; one run lasts {lasts:.1f} s", end=" ")
    print(f"(imports {ready:.1f} s)")
