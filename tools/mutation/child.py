"""The process of one mutant: imports the tree with one module mutated and runs the tests."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn

from .project import Project

MEMORY = 12 << 30
"""Bytes of private memory that a mutant may take: one that runs away must not take the machine."""


class _Mutated(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class TreeFinder(MetaPathFinder):
    """Imports the project's packages from its tree, whatever is installed, one module mutated."""

    def __init__(self, project: Project, module: str = "", source: str = "") -> None:
        self._places = {n: project.root / folder for n, folder in project.places.items()}
        self._module, self._source = module, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parts = fullname.split(".")
        for n in range(len(parts), 0, -1):
            if folder := self._places.get(".".join(parts[:n])):
                return self._spec(fullname, folder.joinpath(*parts[n:]))
        return None

    def _spec(self, name: str, place: Path) -> ModuleSpec | None:
        package = (place / "__init__.py").exists()
        file = place / "__init__.py" if package else place.with_suffix(".py")
        if not file.exists():
            return None
        loader = SourceFileLoader(name, str(file))
        if name == self._module:
            loader = _Mutated(name, str(file), self._source)
        where = [str(place)] if package else None
        return spec_from_file_location(name, file, loader=loader, submodule_search_locations=where)


@dataclass
class Verdict:
    """code: pytest's exit status. by: the first failed test or file. phase: when it failed.
    failed: all that failed, of a run that goes on after a failure.
    """

    code: int = -1
    by: str = ""
    phase: str = ""
    tests: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """By test, of all its phases."""
    libraries: list[str] = field(default_factory=list)
    """Modules that are no part of the project, in order of import."""
    touched: dict[str, list[str]] = field(default_factory=dict)
    """By test that passed, the functions that it calls (touched.py)."""


class _Watch:
    """Selects the tests, tells the parent of each, and notes what fails first."""

    def __init__(self, beat: int, verdict: Verdict, only: frozenset[str] | None) -> None:
        self._beat, self._verdict, self._only = beat, verdict, only

    def pytest_collection_modifyitems(self, items: list) -> None:
        """Only what is wanted; the order stays, as files were given nearest first."""
        if self._only is not None:
            items[:] = [i for i in items if i.nodeid in self._only]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        os.write(self._beat, b".")
        self._verdict.tests += 1

    def pytest_runtest_logreport(self, report: object) -> None:
        nodeid: str = report.nodeid  # type: ignore[attr-defined]
        seconds = self._verdict.seconds
        seconds[nodeid] = seconds.get(nodeid, 0.0) + report.duration  # type: ignore[attr-defined]
        self._note(report, report.when)  # type: ignore[attr-defined]

    def pytest_collectreport(self, report: object) -> None:
        os.write(self._beat, b".")
        self._note(report, "import")

    def _note(self, report: object, phase: str) -> None:
        if report.outcome != "failed":  # type: ignore[attr-defined]
            return
        self._verdict.failed.append(report.nodeid)  # type: ignore[attr-defined]
        if not self._verdict.by:
            self._verdict.by, self._verdict.phase = self._verdict.failed[0], phase


def run(
    project: Project,
    module: str,
    source: str,
    beat: int,
    folder: Path,
    whole: bool,
    only: frozenset[str] | None,
    traced: bool,
) -> NoReturn:
    """Runs the tests in this forked process and ends it; folder/verdict.json says what came out.

    module: as in a mutant's id; source: mutated, or empty for the unmutated tree. beat: where a
    byte is written at each test. whole: go on after a failure. only: these tests, None for all.
    traced: note what each test calls.
    """
    try:
        os.setsid()
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        faulthandler.enable(log)
        limit = resource.getrlimit(resource.RLIMIT_DATA)[1]
        ours = MEMORY if limit == resource.RLIM_INFINITY else min(MEMORY, limit)
        resource.setrlimit(resource.RLIMIT_DATA, (ours, limit))
        os.chdir(project.root)
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(folder / "hypothesis")
        sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != project.root]
        mutated = project.import_name(module.replace(".", "/") + ".py") if source else ""
        sys.meta_path.insert(0, TreeFinder(project, mutated, source))
        verdict = _tested(project, module, beat, folder, whole, only, traced)
        (folder / "verdict.json").write_text(json.dumps(asdict(verdict)), encoding="utf-8")
        sys.stdout.flush()
        os._exit(0)
    finally:
        os._exit(70)


def _tested(
    project: Project,
    module: str,
    beat: int,
    folder: Path,
    whole: bool,
    only: frozenset[str] | None,
    traced: bool,
) -> Verdict:
    import pytest

    verdict = Verdict()
    wanted = None if only is None else {test.partition("::")[0] for test in only}
    arguments = [
        *(f for f in project.test_files(module) if wanted is None or f in wanted),
        *([] if whole else ["-x"]),
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={folder / 'tmp'}",
        "--hypothesis-seed=0",
        f"--rootdir={project.root}",
    ]
    plugins: list[object] = [_Watch(beat, verdict, only)]
    if traced:
        from .touched import Tracer

        tracer = Tracer(project)
        plugins.append(tracer)
        tracer.start()
    verdict.code = int(pytest.main(arguments, plugins=plugins))
    if traced:
        failed = set(verdict.failed)
        verdict.touched = {t: f for t, f in tracer.by_test.items() if t not in failed}
    if whole:
        own = {*project.places, "tests", "conftest", "__main__"}
        verdict.libraries = [
            name
            for name, loaded in list(sys.modules.items())
            if name.split(".")[0] not in own and getattr(loaded, "__file__", None)
        ]
    return verdict
