"""A façade leads a fingerprint to the modules of the names that are taken from it alone."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from radpriv.benchmark.store.facade import Home, exports
from radpriv.benchmark.store.fingerprint import Fingerprint, fingerprint
from radpriv.benchmark.store.import_closure import closure, find

FACADE = """
from typing import TYPE_CHECKING
from mini.benchmark.store.facade import facade
if TYPE_CHECKING:
    from mini.one import first, second as zweite
    from mini.two import third
    from mini import three
else:
    __getattr__ = facade(__name__, __file__)
"""
TREE = {
    "__init__.py": "",
    "api.py": FACADE,
    "one.py": "from mini.below import x\nfirst = second = x\n",
    "below.py": "x = 1\n",
    "two.py": "third = 3\n",
    "three.py": "y = 4\n",
    "outer.py": FACADE.replace("mini.one import first, second as zweite", "mini.api import first"),
    "benchmark/__init__.py": "",
    "benchmark/store/__init__.py": "",
    "benchmark/store/facade.py": "import importlib\ndef facade(n, f):\n    importlib.reload(n)\n",
}


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package `mini` with a façade `mini.api`; nothing of it is imported."""
    for name, text in TREE.items():
        path = tmp_path / "mini" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return tmp_path / "mini"


def plugin(folder: Path, text: str) -> set[str]:
    """The modules of `mini` that a plug-in file with this text depends on."""
    path = folder / "plug.py"
    path.write_text(text)
    return {m for m in closure([], {"p": path}, "mini").modules if not m.startswith("plug-in")}


EVERY = {"mini", "mini.api", "mini.one", "mini.below", "mini.two", "mini.three"}
MACHINERY = {"mini.benchmark", "mini.benchmark.store", "mini.benchmark.store.facade"}


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("from mini.api import first", {"mini", "mini.one", "mini.below"}),
        ("from mini.api import zweite", {"mini", "mini.one", "mini.below"}),
        ("from mini.api import third as t", {"mini", "mini.two"}),
        ("from mini.api import three", {"mini", "mini.three"}),
        ("from mini.api import third, three", {"mini", "mini.two", "mini.three"}),
        ("from mini.outer import first", {"mini", "mini.one", "mini.below"}),
        ("def f():\n    from mini.api import third", {"mini", "mini.two"}),
        ("import mini.api as api\napi.third", EVERY | MACHINERY),
        ("from mini import api", EVERY | MACHINERY),
        ("from mini.api import *", EVERY | MACHINERY),
        ("from mini.api import third, gone", EVERY | MACHINERY),
    ],
)
def test_names_lead_to_their_modules(
    mini: Path, tmp_path: Path, line: str, reached: set[str]
) -> None:
    """What is imported whole, by `*` or by a name that the façade has not, leads to everything."""
    assert plugin(tmp_path, line) == reached


def test_a_facade_makes_no_import_dynamic(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text("import mini.api\n")
    assert closure([], {"p": tmp_path / "plug.py"}, "mini").dynamic == []


@pytest.mark.parametrize(
    "text",
    [
        FACADE.replace("facade(__name__, __file__)", "other(__name__)"),
        FACADE.replace("__getattr__ =", "get ="),
        FACADE.replace("if TYPE_CHECKING", "if DEBUG"),
        "from mini.one import first\n# facade(\n",
    ],
)
def test_another_module_is_no_facade(mini: Path, tmp_path: Path, text: str) -> None:
    """It is followed whole: its own code may do more than hand names out."""
    (mini / "api.py").write_text(text)
    assert exports(mini / "api.py") == {}
    assert "mini.api" in plugin(tmp_path, "from mini.api import first")


def test_exports_are_read_from_the_lines(mini: Path) -> None:
    assert exports(mini / "api.py") == {
        "first": Home("mini.one", "first"),
        "zweite": Home("mini.one", "second"),
        "third": Home("mini.two", "third"),
        "three": Home("mini", "three"),
    }


README = Path(__file__).parents[3] / "README.md"
DIRECT = """
from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply
"""


def taken(path: Path) -> Fingerprint:
    return fingerprint([], device="cpu", dtype="float32", plugin_files={"mine": path})


@pytest.fixture
def readme_method(tmp_path: Path) -> Path:
    """The README's method as a file."""
    if not README.is_file():
        pytest.skip("the source tree lies elsewhere")
    (code,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
        if "class MyMethod" in block
    )
    path = tmp_path / "my_method.py"
    path.write_text(code)
    return path


def test_the_readmes_method_needs_one_line(readme_method: Path, tmp_path: Path) -> None:
    """And depends on what it would depend on with an import line for each module."""
    text = readme_method.read_text()
    (line,) = re.findall(r"^(?:from|import) radpriv.*\n", text, re.MULTILINE)
    direct = tmp_path / "direct" / "my_method.py"
    direct.parent.mkdir()
    direct.write_text(text.replace(line, DIRECT))
    one, two = taken(readme_method), taken(direct)
    own = "plug-in my_method.py"
    assert {**one.modules, own: ""} == {**two.modules, own: ""}
    assert one.packages == two.packages and one.data == two.data and one.cached
    assert not [m for m in one.modules if "attacks" in m or m == "radpriv.api"]


def test_an_edit_elsewhere_changes_nothing(
    readme_method: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the modules that the façade hands out, those that the method takes count alone."""
    from radpriv.benchmark.store import import_closure

    read, before = import_closure.read, taken(readme_method).digest

    def after_an_edit_of(module: str) -> str:
        spec = find(module)
        assert spec is not None and spec.origin is not None
        place = Path(spec.origin)

        def other(path: Path) -> import_closure.Source:
            return replace(read(path), sha256="edited") if path == place else read(path)

        monkeypatch.setattr(import_closure, "read", other)
        return taken(readme_method).digest

    for module in ("attacks.metrics", "benchmark.datasets.io.strict_csv", "api"):
        assert after_an_edit_of(f"radpriv.{module}") == before, module
    for module in ("benchmark.privacy.clipping", "baselines.solvers.linear"):
        assert after_an_edit_of(f"radpriv.{module}") != before, module


def test_a_name_loads_its_own_module_alone() -> None:
    code = (
        "import sys; from radpriv.api import Card, View, CsvTable; "
        "print('torch' in sys.modules, CsvTable.__module__)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "radpriv.benchmark.datasets.io.strict_csv"]


def test_a_name_that_it_has_not_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Methods'"):
        from radpriv.api import Methods  # type: ignore[attr-defined]  # noqa: F401
