"""The import rules between the folders, checked on the syntax tree of every module.

baselines → benchmark; attacks → benchmark; reports → benchmark.{store,cell,registry} and
attacks.metrics; benchmark → none of the others; the command line (cli, and workflow and progress
behind it) → all; what plug-ins import (api, testing) → all, and nobody → it. A folder may always
import from itself, `radpriv.errors` and the version.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmark", "attacks", "baselines", "reports")
FOR_PLUGINS = ("radpriv.api", "radpriv.testing")
"""What plug-ins, examples and tests import, and no module of the tree."""
EVERYBODY = ("radpriv.errors", "radpriv.__version__")
ALLOWED = {
    "radpriv": ("radpriv.cli",),  # what lies in src/radpriv itself: errors, version, __main__
    "radpriv.cli": ("radpriv",),
    "radpriv.workflow": ("radpriv",),
    "radpriv.request": ("radpriv.benchmark",),
    "radpriv.api": ("radpriv",),
    "radpriv.testing": ("radpriv",),
    "radpriv.progress": ("radpriv",),
    "radpriv.interrupt": ("radpriv.terminal",),
    "radpriv.terminal": ("radpriv.reports.render",),
    "radpriv.benchmark": (),
    "radpriv.baselines": ("radpriv.benchmark",),
    "radpriv.attacks": ("radpriv.benchmark",),
    "radpriv.reports": (
        "radpriv.benchmark.store",
        "radpriv.benchmark.cell",
        "radpriv.benchmark.registry",
        "radpriv.attacks.metrics",
    ),
}


def modules(root: Path) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every module of the package; packages are named without __init__."""
    for base, top in [("radpriv", "src/radpriv"), *((f"radpriv.{f}", f) for f in FOLDERS)]:
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root / top).with_suffix("").parts
            yield ".".join((base, *(p for p in parts if p != "__init__"))), path


def imports(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of all that a file imports, also inside functions."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join((*base, alias.name))) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = node.args[0]
            if called in ("import_module", "__import__") and isinstance(target, ast.Constant):
                yield node.lineno, str(target.value)


def within(target: str, prefixes: tuple[str, ...]) -> bool:
    return any(target == p or target.startswith(f"{p}.") for p in prefixes)


def violations(root: Path) -> list[str]:
    """`file:line: what is wrong`, one per forbidden import under `root`."""
    found = []
    for name, path in modules(root):
        owner = ".".join(name.split(".")[:2])
        owner = owner if owner in ALLOWED else "radpriv"
        own = () if owner == "radpriv" else (owner,)
        for line, target in imports(path, name):
            where = f"{path.relative_to(root)}:{line}"
            if target.split(".")[0] in FOLDERS:
                found.append(f"{where}: bare import of {target}; write radpriv.{target}")
            elif within(target, FOR_PLUGINS):
                found.append(f"{where}: {target} is for plug-ins; import the module itself")
            elif within(target, ("radpriv",)) and not within(
                target, (*EVERYBODY, *own, *ALLOWED[owner])
            ):
                found.append(f"{where}: {owner} must not import {target}")
    return found


def test_no_module_breaks_the_import_rules() -> None:
    assert violations(ROOT) == []


def test_the_checker_sees_every_folder_and_real_imports() -> None:
    seen = {name: [target for _, target in imports(path, name)] for name, path in modules(ROOT)}
    for owner in ("radpriv.errors", *(f"radpriv.{folder}" for folder in FOLDERS)):
        assert any(within(name, (owner,)) for name in seen), owner
    crossing = [t for found in seen.values() for t in found if within(t, ("radpriv.benchmark",))]
    assert len(crossing) > 20
    assert "radpriv.errors.SuiteError" in seen["radpriv.benchmark.cell"]


@pytest.mark.parametrize(
    ("file", "source", "named"),
    [
        ("benchmark/a.py", "import benchmark", "bare import of benchmark"),
        ("reports/a.py", "from attacks.metrics import auc", "bare import of attacks.metrics"),
        ("src/radpriv/cli/main.py", "import reports.tables as t", "bare import of reports.tables"),
        ("benchmark/a.py", "from radpriv.baselines import prior", "radpriv.baselines.prior"),
        ("benchmark/privacy/a.py", "import radpriv.attacks.view", "radpriv.attacks.view"),
        ("benchmark/a.py", "def f():\n    from radpriv import reports", "radpriv.reports"),
        ("benchmark/a.py", "from radpriv.cli import main", "radpriv.cli.main"),
        ("benchmark/a/__init__.py", "from ...attacks import view", "radpriv.attacks.view"),
        ("benchmark/a.py", "from .. import attacks", "radpriv.attacks"),
        ("benchmark/a.py", "import importlib as i\ni.import_module('radpriv.reports')", "reports"),
        ("baselines/a.py", "from radpriv.attacks.metrics import auc", "radpriv.attacks.metrics"),
        ("baselines/a.py", "import radpriv", "must not import radpriv"),
        ("attacks/a.py", "from radpriv.baselines.lora import Lora", "radpriv.baselines.lora"),
        ("attacks/a.py", "from radpriv.reports import tables", "radpriv.reports.tables"),
        ("reports/a.py", "from radpriv.benchmark import method", "radpriv.benchmark.method"),
        ("reports/a.py", "from radpriv.benchmark.storekeeper import x", "benchmark.storekeeper"),
        ("reports/a.py", "from radpriv.attacks.view import View", "radpriv.attacks.view"),
        ("src/radpriv/__init__.py", "from radpriv.benchmark.cell import Cell", "benchmark.cell"),
        ("src/radpriv/__init__.py", "from . import attacks", "radpriv.attacks"),
        ("src/radpriv/errors.py", "import radpriv.benchmark", "radpriv.benchmark"),
        ("baselines/a.py", "from radpriv.api import Method", "radpriv.api.Method is for plug-ins"),
        ("src/radpriv/cli/main.py", "from radpriv import testing", "radpriv.testing is for plug"),
    ],
)
def test_a_planted_violation_is_reported_with_its_file_and_line(
    tmp_path: Path, file: str, source: str, named: str
) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    planted.write_text(f"\n{source}\n")
    (report,) = violations(tmp_path)
    assert report.startswith(f"{file}:{source.count(chr(10)) + 2}: ")
    assert named in report


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("benchmark/a.py", "import numpy, radpriv.errors\nfrom radpriv import __version__"),
        ("benchmark/privacy/a.py", "from . import run\nfrom ..cell import Cell"),
        ("baselines/a.py", "from radpriv.baselines import b\nfrom radpriv.benchmark import cell"),
        (
            "attacks/membership/a.py",
            "from radpriv.benchmark.store import S\nfrom .. import view",
        ),
        (
            "reports/a.py",
            "from radpriv.benchmark import store\nimport radpriv.attacks.metrics",
        ),
        (
            "src/radpriv/cli/main.py",
            "from radpriv.reports import tables\nimport radpriv.attacks.run",
        ),
        ("src/radpriv/workflow/run_suite.py", "import radpriv.attacks.run"),
        ("src/radpriv/__main__.py", "from radpriv.cli import main"),
    ],
)
def test_an_allowed_import_is_not_reported(tmp_path: Path, file: str, source: str) -> None:
    permitted = tmp_path / file
    permitted.parent.mkdir(parents=True)
    permitted.write_text(source)
    assert violations(tmp_path) == []


def test_importing_radpriv_alone_loads_no_folder() -> None:
    code = "import sys, radpriv, radpriv.errors; print([m for m in sys.modules if 'radpriv.' in m])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "['radpriv.errors']"
