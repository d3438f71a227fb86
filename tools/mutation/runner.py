"""Forks one process per mutant, two at once, and keeps each verdict as soon as it is known.

Each mutant meets the tests that call its function (touched.py), nearest first, until one fails. A
test that kills must pass without mutation: all of them in one run at the start, and at the end the
killers of each module once more, alone and in the order in which they were tried.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from shutil import rmtree

from . import child
from .project import Project, Refused
from .touched import selection
from .tree import Mutant

PLAIN, TRACED = "", "*"
"""Runs of all tests without mutation; the second notes what each of them calls."""

SLACK = 20.0
"""Seconds that any one test may take, however quick it is without mutation."""

FEW = 5
"""Tests of one module that may fail without mutation and are then left out."""


@dataclass(frozen=True)
class Result:
    """verdict: killed, timeout or survived. by: the first test that failed. phase: `import` where
    a test file could not even be loaded. source, tree: SHA-256 of the module before mutation and of
    all sources and tests. confirmed: `by` was seen to pass without the mutant.
    """

    id: str
    verdict: str
    by: str
    phase: str
    seconds: float
    source: str
    tree: str
    confirmed: bool = False

    @property
    def killed(self) -> bool:
        return self.verdict != "survived"

    @property
    def unconfirmed(self) -> bool:
        return self.verdict == "killed" and "::" in self.by and not self.confirmed


class Results:
    """Results by id, in a file of one line each that grows while the run goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by_id: dict[str, Result] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                with suppress(json.JSONDecodeError, TypeError):  # a line cut short by a kill
                    result = Result(**json.loads(line))
                    self.by_id[result.id] = result

    def add(self, result: Result) -> None:
        self.by_id[result.id] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def settled(self, mutant: Mutant, source: str, tree: str) -> bool:
        """A survivor is tried again when anything has changed, a killed one when its module has."""
        found = self.by_id.get(mutant.id)
        return found is not None and found.source == source and (found.killed or found.tree == tree)


@dataclass
class Process:
    """One forked child. what: a mutant, or a module whose killers run without mutation."""

    pid: int
    what: Mutant | str
    beats: int
    folder: Path
    begun: float
    heard: float


@dataclass(frozen=True)
class Ended:
    """A child that has ended. status: as of waitpid; None if it was stopped for taking too long."""

    what: Mutant | str
    status: int | None
    verdict: child.Verdict
    seconds: float
    log: str

    @property
    def passed(self) -> bool:
        return self.status == 0 and self.verdict.code == 0


class Pool:
    """Children of this process, at most `jobs` at once."""

    def __init__(self, project: Project, jobs: int, scratch: Path) -> None:
        self._project, self._jobs, self._scratch = project, jobs, scratch
        self.every: frozenset[str] = frozenset()
        """All tests."""
        self.touched: dict[str, list[str]] = {}
        """By test, the functions that it calls."""
        self.without: dict[str, frozenset[str]] = {}
        """By module, tests that fail there without any mutation: they show nothing."""
        self.killers: dict[str, frozenset[str]] = {}
        """By module, the tests that are to be confirmed."""
        self.silence = 600.0
        """Seconds without a new test after which a child is stopped."""

    def tests(self, what: Mutant | str) -> frozenset[str] | None:
        """Those to run; None: all."""
        if isinstance(what, Mutant):
            chosen = selection(self.touched, self.every, what)
            return chosen - self.without.get(what.module, frozenset())
        return None if what in (PLAIN, TRACED) else self.killers[what]

    def run(self, work: Iterable[Mutant | str], whole: bool = False) -> Iterator[Ended]:
        waiting = iter(work)
        running: list[Process] = []
        more = True
        try:
            while more or running:
                while more and len(running) < self._jobs:
                    mutant = next(waiting, self)
                    if mutant is self:
                        more = False
                    else:
                        running.append(self._fork(mutant, whole))  # type: ignore[arg-type]
                for process in list(running):
                    if ended := self._ended(process):
                        running.remove(process)
                        yield ended
                time.sleep(0.01)
        finally:
            for process in running:
                self._kill(process)

    def _fork(self, what: Mutant | str, whole: bool) -> Process:
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        source, module = "", "" if what in (PLAIN, TRACED) else str(what)
        if isinstance(what, Mutant):
            source, module = what.source(), what.module
        only = self.tests(what)
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            traced = what == TRACED
            child.run(self._project, module, source, theirs, folder, whole, only, traced)
        os.close(theirs)
        now = time.monotonic()
        return Process(pid, what, ours, folder, now, now)

    def _ended(self, process: Process) -> Ended | None:
        now = time.monotonic()
        with suppress(BlockingIOError):
            if os.read(process.beats, 65536):
                process.heard = now
        done, status = os.waitpid(process.pid, os.WNOHANG)
        late = not done and now - process.heard > self.silence
        if not done and not late:
            return None
        self._kill(process, reap=late)
        verdict = child.Verdict()
        with suppress(OSError, ValueError):
            verdict = child.Verdict(**json.loads((process.folder / "verdict.json").read_text()))
        log = ""
        with suppress(OSError):
            log = (process.folder / "log").read_text(errors="replace")
        rmtree(process.folder, ignore_errors=True)
        lasted = now - process.begun
        return Ended(process.what, None if late else status, verdict, lasted, log)

    def _kill(self, process: Process, reap: bool = True) -> None:
        """The child and whatever it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if reap:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(process.pid, 0)
        os.close(process.beats)


def preload(names: Iterable[str]) -> None:
    """Imports the libraries that the tests use, so that no child has to."""
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def baseline(pool: Pool) -> float:
    """Runs all tests without mutation, and once more to see what they call; seconds of the first.

    The first also says which libraries are needed; they are loaded, so that no child has to.
    Refused if a test fails in it. One that fails when it is watched may be slow, so it is kept, and
    met by every mutant.
    """
    ends = {str(ended.what): ended for ended in pool.run([PLAIN, TRACED], whole=True)}
    first = ends[PLAIN]
    if not first.passed:
        why = "takes too long" if first.status is None else "fails"
        raise Refused(f"without any mutation the test run {why}:\n{first.log[-3000:]}")
    if not first.verdict.tests:
        raise Refused("there is no test to run")
    preload(first.verdict.libraries)
    pool.every = frozenset(first.verdict.seconds)
    pool.touched = ends[TRACED].verdict.touched
    pool.silence = max(SLACK, 6 * max(first.verdict.seconds.values()))
    return first.seconds


def measure(
    pool: Pool, todo: list[Mutant], project: Project, keep: Results, tell: Callable[[str], None]
) -> None:
    """Runs the tests against each mutant.

    Refused if a source or test is edited meanwhile: verdicts would not be about one tree.
    """
    tree = project.digest()
    stamp = _stamp(project)

    def work() -> Iterator[Mutant]:
        for mutant in todo:
            if _stamp(project) != stamp and project.digest() != tree:
                raise Refused("a source or a test was edited during the run; start again to go on")
            if pool.tests(mutant):
                yield mutant
            else:
                decided(mutant, "survived", "no test calls it", "", 0.0)

    def decided(mutant: Mutant, name: str, by: str, phase: str, seconds: float) -> None:
        source = source_digest(project, mutant.module)
        keep.add(Result(mutant.id, name, by, phase, round(seconds, 2), source, tree))
        done.append(mutant)
        tell(f"[{len(done)}/{len(todo)}] {name:8} {seconds:6.1f} s  {mutant.id}  {by}")

    done: list[Mutant] = []
    for ended in pool.run(work()):
        assert isinstance(ended.what, Mutant)
        name = "timeout" if ended.status is None else "survived" if ended.passed else "killed"
        by, phase = ended.verdict.by, ended.verdict.phase
        if name == "killed" and not by:
            by, phase = f"exit status {ended.status}, pytest {ended.verdict.code}", "import"
        decided(ended.what, name, by, phase, ended.seconds)


def confirm(pool: Pool, chosen: list[Mutant], keep: Results) -> list[Mutant]:
    """Runs each module's killers without mutation. Mutants whose killer fails: to be run again.

    Refused if more than a few fail in one module. What was confirmed before is not run again.
    """
    killers: dict[str, set[str]] = {}
    for m in chosen:
        found = keep.by_id.get(m.id)
        if found and found.unconfirmed:
            killers.setdefault(m.module, set()).add(found.by)
    pool.killers = {module: frozenset(tests) for module, tests in killers.items()}
    for ended in pool.run(sorted(killers), whole=True):
        module, failed = str(ended.what), frozenset(ended.verdict.failed)
        pool.without[module] = pool.without.get(module, frozenset()) | failed
        if ended.status != 0 or len(pool.without[module]) > FEW:
            raise Refused(f"{module}, not mutated: tests fail:\n{ended.log[-3000:]}")
    in_vain = []
    for m in chosen:
        found = keep.by_id.get(m.id)
        if found and found.unconfirmed:
            if found.by in pool.without[m.module]:
                in_vain.append(m)
            else:
                keep.add(replace(found, confirmed=True))
    return in_vain


def source_digest(project: Project, module: str) -> str:
    path = project.root / (module.replace(".", "/") + ".py")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stamp(project: Project) -> int:
    """The newest change of any source or test, cheap to look up."""
    folders = (*project.places.values(), "tests")
    files = (p for f in folders for p in (project.root / f).rglob("*.py"))
    return hash(tuple(sorted((str(p), p.stat().st_mtime_ns) for p in files)))
