"""What is installed is what lies in the tree, and the lock covers all of it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PLACES = {
    "src/radpriv": "radpriv",
    **{folder: f"radpriv/{folder}" for folder in ("benchmark", "attacks", "baselines", "reports")},
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CUDA_ONLY = re.compile(r"(nvidia|cuda)-|triton$")
"""What PyPI's torch for Linux pulls in and a CPU build does not: left to torch's own pins."""


def tree() -> dict[str, bytes]:
    """Content by path inside the wheel, of every file that belongs to the package."""
    return {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}": path.read_bytes()
        for folder, inside in PLACES.items()
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(r).name) for r in requirements}


def pins() -> dict[str, str]:
    """Version by canonical name; a line that is no plain pin fails here."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9.]+)", line)
        assert match, f"constraints.txt: '{line}' is not name==version"
        name = canonicalize_name(match[1])
        assert name not in found, f"constraints.txt pins {name} twice"
        found[name] = match[2]
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """A wheel of the tree, built in a copy so that the checkout stays as it is."""
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in PLACES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    (copy / "build/lib/radpriv").mkdir(parents=True)  # a module deleted since the last build
    (copy / "build/lib/radpriv/stale.py").touch()
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)]
    built = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (file,) = out.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


def test_wheel_installs_exactly_the_files_of_the_tree(wheel: zipfile.ZipFile) -> None:
    """The wheel installs one name and exactly the files of the tree."""
    packed = {n: wheel.read(n) for n in wheel.namelist() if ".dist-info/" not in n}
    assert {name.split("/")[0] for name in packed} == {"radpriv"}
    expected = tree()
    assert {
        f"radpriv/{p}" for p in ("errors.py", "py.typed", "benchmark/suites/quickstart.toml")
    } <= (expected.keys())
    assert sorted(packed) == sorted(expected), "see [tool.setuptools.package-data]"
    assert packed == expected


def test_wheel_carries_licence_and_entry_points(wheel: zipfile.ZipFile) -> None:
    """The wheel carries the licence and every declared entry point."""
    (info,) = {n.split("/")[0] for n in wheel.namelist() if ".dist-info/" in n}
    licence = wheel.read(f"{info}/licenses/LICENSE").decode()
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
    packed = wheel.read(f"{info}/entry_points.txt").decode()
    assert "radpriv = radpriv.cli.main:main" in packed.splitlines()
    for points in PROJECT["entry-points"].values():
        for name, module in points.items():
            assert f"{name} = {module}" in packed.splitlines()


def test_every_declared_entry_point_names_a_module_of_the_tree() -> None:
    groups = PROJECT["entry-points"]
    assert set(groups) == {"radpriv.methods", "radpriv.attacks", "radpriv.datasets"}
    modules = [m for points in (PROJECT["scripts"], *groups.values()) for m in points.values()]
    names = [m.split(":")[0].replace(".", "/") for m in modules]
    assert len(names) >= 17
    known = tree()
    assert [n for n in names if not {f"{n}.py", f"{n}/__init__.py"} & known.keys()] == []


def test_installed_package_is_the_tree_and_no_older_build() -> None:
    installed = Path(str(distribution("radpriv").locate_file("radpriv")))
    if not installed.is_dir():
        pytest.skip("radpriv is installed editable: the tree is the package")
    found = {
        f"radpriv/{path.relative_to(installed).as_posix()}": path.read_bytes()
        for path in installed.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == tree(), "install again: python -m pip install --force-reinstall --no-deps ."


def test_lock_pins_every_requirement_to_an_allowed_version() -> None:
    """The lock pins every requirement to a version that is allowed."""
    pinned = pins()
    assert pinned["torch"] == "2.13.0"
    for line in [*PROJECT["dependencies"], *EXTRAS["offline"], *EXTRAS["dev"]]:
        wanted = Requirement(line)
        version = pinned.get(canonicalize_name(wanted.name))
        assert version, f"constraints.txt does not pin {wanted.name}; run .ci/lock"
        assert wanted.specifier.contains(version), f"{line}, but constraints.txt has {version}"


def closure(requirements: list[str]) -> set[str]:
    """Canonical names of what the requirements need here, at any depth, as installed."""
    seen: dict[str, set[str]] = {}
    queue = [Requirement(r) for r in requirements]
    while queue:
        wanted = queue.pop()
        name, extras = canonicalize_name(wanted.name), wanted.extras or {""}
        if name in seen and extras <= seen[name]:
            continue
        seen.setdefault(name, set()).update(extras)
        try:
            needed = [Requirement(r) for r in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        for other in needed:
            if other.marker is None or any(other.marker.evaluate({"extra": e}) for e in extras):
                queue.append(other)
    return set(seen)


def test_lock_covers_every_transitive_requirement() -> None:
    needed = closure([*PROJECT["dependencies"], *EXTRAS["offline"], *EXTRAS["dev"]])
    assert {"tokenizers", "sympy", "sentence-transformers", "pluggy"} <= needed
    missing = {name for name in needed - set(pins()) if not CUDA_ONLY.match(name)}
    assert missing == set(), "run .ci/lock"


def third_party(folders: list[str]) -> Counter[str]:
    """How often each distribution's modules are imported under the folders."""
    own = {"radpriv", "tools", "tests", "__future__", *sys.stdlib_module_names}
    providers = packages_distributions()
    found: Counter[str] = Counter()
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            for root in {m.split(".")[0] for m in modules} - own:
                found.update(canonicalize_name(d) for d in set(providers.get(root, [root])))
    return found


def test_every_third_party_import_is_a_declared_dependency() -> None:
    used = third_party(list(PLACES))
    assert len(used) >= 10
    declared = names([*PROJECT["dependencies"], *EXTRAS["keyword"], *EXTRAS["testing"]])
    assert sorted(set(used) - declared) == []
    in_tests = set(third_party(["tests"])) - names([*PROJECT["dependencies"], *EXTRAS["dev"]])
    assert sorted(in_tests) == []


def test_every_declared_dependency_is_imported_somewhere() -> None:
    used = third_party(list(PLACES))
    assert sorted(names(PROJECT["dependencies"]) - set(used)) == []
