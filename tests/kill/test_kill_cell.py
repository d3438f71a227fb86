"""One DP cell, killed with SIGKILL again and again: no draw of noise is used for two values.

Real processes, forked from one that has everything imported (conftest.py). Each noised value that
reaches the method is noted on disk before the method sees it, so a value that was lost with its
process is counted too.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

STEPS = 40
SUITE = """
epsilons = [1]
audit_share = 0.5
noise = "{noise}"

[[datasets]]
name = "synthetic-plain"
n_public = 90
options = {{ reports = 120 }}

[[methods]]
name = "dp_bow"
params = {{ size = 64, steps = {steps}, rate = 0.3 }}
"""


@dataclass(frozen=True)
class Order:
    """One run of the cell, as a process of its own.

    place: (function, its call) in which it dies; after: seconds to its death; None for neither.
    pause: seconds after each release, so that the steps fill the time in which it may be killed.
    key: for a secret run, instead of the operating system's, as hex. drifts: a method that is
    another in each process. unchecked: the ledger does not compare.
    """

    folder: str
    noise: str = "replayable"
    place: tuple[str, int] | None = None
    after: float | None = None
    pause: float = 0.002
    key: str | None = None
    drifts: bool = False
    unchecked: bool = False


# What a run does.


def begin(order: dict[str, Any]) -> int:
    """A run that nothing watches; the forks have what it imported and calibrated."""
    compute(Path(order["folder"]), order["noise"])
    return 0


def obey(order: dict[str, Any]) -> int:
    run(Order(**order))
    return 0


def compute(folder: Path, noise: str) -> None:
    """The cell, with a checkpoint every few steps."""
    from radpriv.benchmark.encoders.features import FeatureCache
    from radpriv.benchmark.runs.runner import Context, run_cell
    from radpriv.benchmark.store.fingerprint import Fingerprint
    from radpriv.benchmark.store.store import Store
    from radpriv.benchmark.suites.expansion import expand
    from radpriv.benchmark.suites.suite import parse

    suite = parse(SUITE.format(noise=noise, steps=STEPS), "the suite", "one")
    job = next(j for j in expand(suite, None) if j.role == "cell")
    how = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")
    context = Context(Store(folder / "store"), FeatureCache(None), None)
    run_cell(job, how, replace(context, checkpoint_every=0.01))


def run(order: Order) -> None:
    """Put the hooks of the order into place, then compute."""
    from radpriv.benchmark.privacy.accounting.ledger import Ledger
    from radpriv.benchmark.runs import runner

    watch(Path(order.folder, "seen"), order.pause)
    if order.key:
        runner.secret_key = lambda: bytes.fromhex(order.key or "")
    if order.unchecked:
        append = Ledger.append

        def unchecked(self: Ledger, release: Any) -> None:
            self._earlier.clear()
            append(self, release)

        Ledger.append = unchecked  # type: ignore[method-assign]
        runner._check_unchanged = lambda *_: None
    if order.drifts:
        drift()
    if order.place:
        arm(*order.place)
    compute(Path(order.folder), order.noise)


def watch(path: Path, pause: float) -> None:
    """Note every noised value, by what drew it, before it is handed on."""
    from radpriv.benchmark.privacy.run import Run

    release = Run._release

    def noted(self: Any, place: Any, value: Any, sigma: float) -> Any:
        noised = release(self, place, value, sigma)
        key = hashlib.sha256(self._key).hexdigest()
        with path.open("a") as file:
            for tensor, v in noised.tensors.items():
                sha = hashlib.sha256(v.numpy().tobytes()).hexdigest()
                file.write(f"{key} {place.step} {place.name} {tensor} {sha}\n")
            file.flush()
            os.fsync(file.fileno())
        time.sleep(pause)
        return noised

    Run._release = noted  # type: ignore[method-assign]


def drift() -> None:
    """From here on gradients have a factor of this process alone, and one checkpoint is kept."""
    from radpriv.baselines.solvers.linear import LinearModel
    from radpriv.benchmark.privacy.checkpoint import Checkpoints

    keep = Checkpoints.keep

    def seldom(self: Any, first: int, done: int, *rest: Any) -> None:
        if done == 5:
            self._every = 0.0
            keep(self, first, done, *rest)

    losses = LinearModel.losses
    factor = 1 + random.SystemRandom().random() * 1e-2

    def drifting(self: Any, records: Any) -> Any:
        return losses(self, records) * factor

    LinearModel.losses = drifting  # type: ignore[method-assign]
    Checkpoints.keep = seldom  # type: ignore[method-assign]


def arm(name: str, count: int) -> None:
    """Die in the `count`-th call of this function."""
    from radpriv.benchmark.privacy import checkpoint
    from radpriv.benchmark.privacy.accounting.ledger import Ledger
    from radpriv.benchmark.runs import runner
    from radpriv.benchmark.store import pending_result

    owner: Any = {
        "append": Ledger,
        "atomic_write": checkpoint,
        "_write_scores": runner,
        "_seal": pending_result,
    }[name]
    real, left = getattr(owner, name), [count]

    def dying(*args: Any) -> Any:
        left[0] -= 1
        if left[0]:
            return real(*args)
        if name == "atomic_write":  # half a checkpoint beside the last whole one
            path, data = args
            path.with_name(f".{path.name}.{os.getpid()}-{'0' * 16}.tmp").write_bytes(data[:999])
        else:
            real(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


# What the tests do.

Runs = Callable[[Order], tuple[int, float]]


@pytest.fixture(scope="module")
def runs(fork_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    first = tmp_path_factory.mktemp("first")
    with fork_server(__file__, vars(Order(str(first))), first / "log") as ask:

        def obeyed(order: Order) -> tuple[int, float]:
            folder = Path(order.folder)
            folder.mkdir(exist_ok=True)
            status, lasted = ask(vars(order), folder / "log", order.after)
            assert status in (0, -signal.SIGKILL), (folder / "log").read_text()
            return status, lasted

        yield obeyed


@dataclass
class Seen:
    """The values of all draws: (key hash, step, name, tensor) -> SHA-256 of what came out.

    again: how many values came out that had come out before, in a run that was killed.
    """

    values: dict[str, set[str]] = field(default_factory=dict)
    again: int = 0

    @staticmethod
    def of(folder: Path) -> Seen:
        seen = Seen()
        for line in (folder / "seen").read_text().splitlines():
            draw, _, sha = line.rpartition(" ")
            seen.again += sha in seen.values.setdefault(draw, set())
            seen.values[draw].add(sha)
        return seen

    @property
    def keys(self) -> set[str]:
        return {draw.split()[0] for draw in self.values}

    @property
    def twice(self) -> list[str]:
        return [draw for draw, shas in self.values.items() if len(shas) > 1]


def cell_in(folder: Path) -> Path:
    (cell,) = (folder / "store").glob("cells/*/*")
    return cell


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the finished cell but provenance.json."""
    cell = cell_in(folder)
    return {
        p.relative_to(cell).as_posix(): p.read_bytes()
        for p in cell.rglob("*")
        if p.is_file() and p.name != "provenance.json"
    }


def check_end(folder: Path, noise: str, runs: Runs) -> Seen:
    """The finished cell is that of a run under its key that nothing stopped; what was drawn."""
    key = cell_in(folder) / "private" / "run_key"
    whole = Order(f"{folder}-whole", noise, key=key.read_bytes().hex() if key.is_file() else None)
    assert runs(whole)[0] == 0
    found, expected = contents(folder), contents(Path(whole.folder))
    assert found == expected and len(found["ledger.jsonl"].splitlines()) == STEPS
    assert not [p for p in (folder / "store").rglob("*") if p.name.endswith((".tmp", ".pt"))]
    seen = Seen.of(folder)
    assert not seen.twice and len(seen.values) >= 2 * STEPS
    for attempt in (folder / "store").glob("attempts/*/*/*"):
        assert {p.name for p in attempt.iterdir()} == {"ledger.jsonl", "reason.json"}
    return seen


PLACES = (("append", 9), ("atomic_write", 2), ("_write_scores", 1))


@pytest.mark.parametrize("noise", ["replayable", "secret"])
def test_killed_cell_ends_as_if_never_killed(noise: str, tmp_path: Path, runs: Runs) -> None:
    """A cell killed after a line, in a checkpoint and at its scores ends as if never killed."""
    folder = tmp_path / "cell"
    for place in PLACES:
        assert runs(Order(str(folder), noise, place))[0] == -signal.SIGKILL, place
    assert runs(Order(str(folder), noise))[0] == 0
    seen = check_end(folder, noise, runs)
    assert seen.again and len(seen.keys) <= 1 + len(list((folder / "store").glob("attempts/*/*/*")))


def test_cell_killed_as_it_is_sealed_begins_anew(tmp_path: Path, runs: Runs) -> None:
    folder = tmp_path / "cell"
    assert runs(Order(str(folder), "secret", ("_seal", 1)))[0] == -signal.SIGKILL
    assert runs(Order(str(folder), "secret"))[0] == 0
    assert len(check_end(folder, "secret", runs).keys) == 2


@pytest.mark.parametrize("unchecked", [False, True])
def test_drifting_method_shows_two_values_if_unchecked(
    unchecked: bool, tmp_path: Path, runs: Runs
) -> None:
    """A method that is another in each process shows two values only without the check.

    Seen to be found: with the ledger's comparison switched off a draw is used twice.
    """
    folder = tmp_path / "cell"
    order = Order(str(folder), "secret", drifts=True, unchecked=unchecked)
    assert runs(replace(order, place=("append", 20)))[0] == -signal.SIGKILL
    assert runs(order)[0] == 0
    seen = Seen.of(folder)
    assert len(seen.twice) == (2 * 14 if unchecked else 0)  # steps 5 to 18, two tensors
    assert len(seen.keys) == (1 if unchecked else 2)


@pytest.mark.slow
def test_cell_killed_at_random_uses_no_draw_for_two_values(tmp_path: Path, runs: Runs) -> None:
    """A cell killed thirty times at random moments uses no draw for two values."""
    draw, kills, cells, keys, again = random.Random(30), 0, 0, 0, 0
    _, lasts = runs(Order(str(tmp_path / "first"), pause=0.02))
    while kills < 30:
        noise = ("secret", "replayable")[cells % 2]
        order, status = Order(str(tmp_path / f"cell{cells}"), noise, pause=0.02), -1
        while status != 0:
            after = draw.uniform(0, lasts) if kills < 30 else None
            status, _ = runs(replace(order, after=after))
            kills += status != 0
        seen = check_end(Path(order.folder), noise, runs)
        keys, again = keys + len(seen.keys), again + seen.again
        cells += 1
        assert cells < 60, "the runs end before they are killed"
    assert again > 10, "no run went on at a checkpoint that has values behind it"
    print(f"{kills} kills, {cells} cells, {keys} keys, {again} values made again", end=" ")
