"""A fingerprint changes with what a result depends on, and with nothing else.

Most tests build a package `mini` on disk; nothing of it is ever imported.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from radpriv.benchmark.store import fingerprint as module
from radpriv.benchmark.store.fingerprint import Fingerprint, fingerprint
from radpriv.errors import PluginError, StoreError

TREE = {
    "__init__.py": "",
    "errors.py": "class MiniError(Exception):\n    pass\n",
    "cli.py": "from mini.benchmark import runner\n",
    "benchmark/__init__.py": '"""The benchmark."""\n',
    "benchmark/runner.py": (
        '"""Runs."""\n'
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING\n"
        "from mini.benchmark.middle import step\n"
        "if TYPE_CHECKING:\n"
        "    from mini.benchmark.hints import Hint\n"
        "def run() -> int:\n"
        '    """Run it."""\n'
        "    from mini.benchmark import lazy\n"
        "    return step() + lazy.value  # sum\n"
    ),
    "benchmark/middle.py": "from .deep.helper import help\ndef step():\n    return help()\n",
    "benchmark/lazy.py": "value = 1\n",
    "benchmark/hints.py": "class Hint:\n    pass\n",
    "benchmark/unused.py": "value = 1\n",
    "benchmark/deep/__init__.py": "depth = 1\n",
    "benchmark/deep/helper.py": "from ..base import one\ndef help():\n    return one\n",
    "benchmark/deep/labels.csv": "code,label\n1,effusion\n",
    "benchmark/deep/tables/more.toml": "a = 1\n",
    "benchmark/base.py": "one = 1\n",
    "benchmark/suites/tiny.toml": "seeds = 2\n",
    "benchmark/registry.py": "import importlib\ndef get(n):\n    importlib.import_module(n)\n",
    "reports/__init__.py": "",
    "reports/tables.py": "width = 80\n",
    "reports/templates/page.html": "<p>\n",
    "baselines/__init__.py": "",
    "baselines/star.py": "from mini.benchmark.deep import *\n",
}
_ticks = itertools.count(1)

Edit = Callable[[str, str], None]
Take = Callable[..., Fingerprint]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Write a file of the package `mini`, which is on the path."""

    def write(name: str, text: str) -> None:
        path = tmp_path / "mini" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        moment = time.time_ns() + next(_ticks) * 1_000_000  # also within a clock's tick
        os.utime(path, ns=(moment, moment))
        importlib.invalidate_caches()

    for name, text in TREE.items():
        write(name, text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return write


@pytest.fixture
def take(edit: Edit) -> Take:
    def of(*roots: str, device: str = "cpu", dtype: str = "float32", **more: object) -> Fingerprint:
        chosen = roots or ("mini.benchmark.runner",)
        return fingerprint(chosen, device=device, dtype=dtype, prefix="mini", **more)  # type: ignore[arg-type]

    return of


def changed(before: Fingerprint, after: Fingerprint) -> set[str]:
    """Modules and data files that are new, gone or other."""
    a, b = {**before.modules, **before.data}, {**after.modules, **after.data}
    return {name for name in {*a, *b} if a.get(name) != b.get(name)}


def test_everything_that_is_imported_counts_and_nothing_else(take: Take) -> None:
    now = take()
    assert set(now.modules) == {
        "mini",
        "mini.benchmark",
        "mini.benchmark.runner",
        "mini.benchmark.middle",
        "mini.benchmark.lazy",
        "mini.benchmark.deep",
        "mini.benchmark.deep.helper",
        "mini.benchmark.base",
    }
    assert set(now.data) == {
        "mini/benchmark/deep/labels.csv",
        "mini/benchmark/deep/tables/more.toml",
    }
    assert now.cached and now.why_not_cached is None
    assert now.python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert not [name for name in sys.modules if name.split(".")[0] == "mini"]


def test_same_source_has_one_digest_whatever_the_order_of_roots(take: Take) -> None:
    """The same source has the same digest, whatever the order of the roots."""
    roots = ("mini.benchmark.runner", "mini.baselines.star")
    assert take(*roots).digest == take(*reversed(roots)).digest != take().digest
    assert len(take().digest) >= 16 and set(take().digest) <= set("0123456789abcdef")


RUNNER = TREE["benchmark/runner.py"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("benchmark/runner.py", RUNNER.replace("Runs.", "Runs a cell.")),
        ("benchmark/runner.py", RUNNER.replace("Run it.", "Runs it.\n\n    At length.\n    ")),
        ("benchmark/runner.py", RUNNER.replace("# sum", "# the sum of both")),
        ("benchmark/runner.py", "# A line\n\n" + RUNNER.replace('"""Runs."""\n', "")),
        ("benchmark/runner.py", RUNNER.replace("lazy.value ", "(lazy.value)   ")),
        ("benchmark/runner.py", RUNNER.replace("import Hint", "import Hint, Other")),
        ("benchmark/__init__.py", '"""Another sentence."""\n'),
        ("benchmark/hints.py", "class Hint:\n    value = 2\n"),
        ("benchmark/unused.py", "value = 2\n"),
        ("benchmark/suites/tiny.toml", "seeds = 3\n"),
        ("benchmark/__pycache__/runner.pyc", "x"),
        ("benchmark/deep/.labels.csv.swp", "x"),
        ("benchmark/py.typed", "x"),
        ("cli.py", "from mini.benchmark import runner, unused\n"),
        ("reports/tables.py", "width = 100\n"),
        ("reports/templates/page.html", "<div>\n"),
    ],
)
def test_an_edit_that_cannot_change_a_result_is_a_hit(
    edit: Edit, take: Take, name: str, text: str
) -> None:
    before = take().digest
    assert TREE.get(name) != text
    edit(name, text)
    assert take().digest == before


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("benchmark/runner.py", RUNNER.replace("+", "-"), "mini.benchmark.runner"),
        ("benchmark/deep/helper.py", "from ..base import one\nhelp = int\n", None),
        ("benchmark/base.py", "one = 2\n", "mini.benchmark.base"),
        ("benchmark/lazy.py", "value = 2\n", "mini.benchmark.lazy"),
        ("benchmark/deep/__init__.py", "depth = 2\n", "mini.benchmark.deep"),
        ("__init__.py", "import os\n", "mini"),
        ("benchmark/deep/labels.csv", "code,label\n2,effusion\n", "mini/benchmark/deep/labels.csv"),
        ("benchmark/deep/tables/more.toml", "a = 2\n", "mini/benchmark/deep/tables/more.toml"),
    ],
)
def test_edit_that_may_change_a_result_is_a_miss_of_that_file(
    edit: Edit, take: Take, name: str, text: str, where: str | None
) -> None:
    """An edit that may change a result is a miss, and only that file is named."""
    before = take()
    edit(name, text)
    after = take()
    assert after.digest != before.digest
    assert changed(before, after) == {where or "mini.benchmark.deep.helper"}


def test_a_mapping_file_that_is_added_or_removed_is_a_miss(
    edit: Edit, take: Take, tmp_path: Path
) -> None:
    before = take()
    edit("benchmark/deep/codes.csv", "a\n")
    assert changed(before, take()) == {"mini/benchmark/deep/codes.csv"}
    (tmp_path / "mini" / "benchmark" / "deep" / "codes.csv").unlink()
    assert take().digest == before.digest


@pytest.mark.parametrize(
    ("line", "reached"),
    [
        ("import mini.benchmark.unused", True),
        ("import mini.benchmark.unused as u", True),
        ("from mini.benchmark import unused as u", True),
        ("from . import unused", True),
        ("from .unused import value", True),
        ("from ..benchmark import unused", True),
        ("from mini.benchmark.unused import *", True),
        ("try:\n    import mini.benchmark.unused\nexcept ImportError:\n    pass", True),
        ("class A:\n    def f(self):\n        from .unused import value", True),
        ("import typing\nif not typing.TYPE_CHECKING:\n    from . import unused", True),
        ("import typing as t\nif t.TYPE_CHECKING:\n    from . import unused", False),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    from . import unused", True),
        ("name = 'mini.benchmark.unused'", False),
        ("# from . import unused", False),
        ("from mini.benchmark import missing", False),
    ],
)
def test_each_way_to_import_is_followed(edit: Edit, take: Take, line: str, reached: bool) -> None:
    edit("benchmark/lazy.py", f"{line}\nvalue = 1\n")
    assert ("mini.benchmark.unused" in take().modules) is reached


def test_a_star_import_of_a_package_reaches_its_modules(take: Take) -> None:
    modules = take("mini.baselines.star").modules
    assert {"mini.benchmark.deep.helper", "mini.baselines", "mini.benchmark.base"} <= set(modules)


def test_a_relative_import_in_a_package_starts_at_that_package(edit: Edit, take: Take) -> None:
    edit("benchmark/deep/__init__.py", "from . import inner\nfrom .. import unused\n")
    edit("benchmark/deep/inner.py", "x = 1\n")
    assert {"mini.benchmark.deep.inner", "mini.benchmark.unused"} <= set(take().modules)


def test_modules_that_import_each_other_are_followed_to_an_end(edit: Edit, take: Take) -> None:
    edit("benchmark/base.py", "import mini.benchmark.runner\none = 1\n")
    assert "mini.benchmark.base" in take().modules


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("import importlib\nm = importlib.import_module(name)\n", "importlib.import_module"),
        ("from importlib import import_module as get\nm = get(name)\n", "import_module"),
        ("import importlib as il\nf = [il.import_module]\n", "importlib.import_module"),
        ("\nm = __import__(name)\n", "__import__"),
        ("\nexec(text)\n", "exec"),
        ("def f():\n    return eval(text)\n", "eval"),
        (
            "import importlib.util as u\ns = u.spec_from_file_location(n, p)\n",
            "importlib.util.spec_from_file_location",
        ),
        ("from runpy import run_path\nrun_path(p)\n", "runpy.run_path"),
    ],
)
def test_import_by_a_computed_name_is_not_cached_and_says_where(
    edit: Edit, take: Take, code: str, function: str
) -> None:
    """An import by a computed name means not cached and says where."""
    edit("benchmark/base.py", code)
    first, second = take(), take()
    assert not first.cached and first.why_not_cached is not None
    assert "mini.benchmark.base:2 uses " in first.why_not_cached
    assert function in first.why_not_cached
    assert first.digest != second.digest  # so nothing stored is ever served
    assert first.as_dict() == second.as_dict() and first.as_dict()["cached"] is False


@pytest.mark.parametrize(
    "code",
    [
        "def f(model):\n    model.eval()\n",
        "class M:\n    def eval(self):\n        return self.eval()\n",
        '"""Do not exec(text), nor importlib.import_module(name)."""\n',
        "import importlib.metadata\nv = importlib.metadata.version('numpy')\n",
        "import re\nr = re.compile('exec(x)')\n",
    ],
)
def test_what_only_looks_like_a_dynamic_import_stays_cached(
    edit: Edit, take: Take, code: str
) -> None:
    edit("benchmark/base.py", code)
    assert take().cached


def test_registry_may_import_by_name_as_what_it_finds_is_a_root(edit: Edit, take: Take) -> None:
    """The registry may import by name, since what it finds is a root."""
    edit("benchmark/base.py", "from mini.benchmark import registry\n")
    now = take()
    assert now.cached and "mini.benchmark.registry" in now.modules


def test_distributions_count_by_version_wherever_imported(
    edit: Edit, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Third-party distributions count by version, wherever they are imported."""
    edit("benchmark/base.py", "import os, json\ndef f():\n    import sklearn.linear_model as m\n")
    edit("benchmark/unused.py", "import scipy\n")
    now = take(extra_packages=["tokenizers"])
    assert dict(now.packages) == {
        "scikit-learn": metadata.version("scikit-learn"),
        "tokenizers": metadata.version("tokenizers"),
    }
    old = module._version
    monkeypatch.setattr(module, "_version", lambda d: "0.0" if d == "scikit-learn" else old(d))
    later = take(extra_packages=["tokenizers"])
    assert later.packages["scikit-learn"] == "0.0" and later.digest != now.digest


def test_optional_package_not_installed_is_noted_as_absent(edit: Edit, take: Take) -> None:
    """An optional package that is not installed is noted as absent."""
    edit("benchmark/base.py", "try:\n    import no_such_thing\nexcept ImportError:\n    pass\n")
    assert take().cached and dict(take().packages) == {"no_such_thing": "absent"}


def test_code_of_ones_own_that_has_no_version_means_not_cached(
    edit: Edit, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("../loose.py", "x = 1\n")
    edit("benchmark/base.py", "import loose\n")
    assert "loose is imported from files" in (take().why_not_cached or "")
    edit("benchmark/base.py", "import numpy\n")
    assert take().cached
    monkeypatch.setattr(module, "_editable", lambda distribution: distribution == "numpy")
    assert "numpy is imported from files" in (take().why_not_cached or "")


def test_device_and_dtype_count(take: Take) -> None:
    digests = {take().digest, take(device="cuda").digest, take(dtype="float64").digest}
    assert len(digests) == 3


def test_plugin_counts_with_its_imports_but_not_its_comments(
    edit: Edit, take: Take, tmp_path: Path
) -> None:
    """A plug-in counts with what it imports but not by its comments."""

    def of(text: str, name: str = "radpriv_plugin_1") -> Fingerprint:
        edit("../plug.py", text)
        return take(plugin_files={name: tmp_path / "plug.py"})

    first = of("from mini.benchmark.unused import value\nimport numpy\n")
    assert "mini.benchmark.unused" in first.modules and "numpy" in first.packages
    assert first.cached and first.digest != take().digest
    again = of('"""Mine."""\nfrom mini.benchmark.unused import value  # a\nimport numpy\n', "x_2")
    assert again.digest == first.digest
    assert of("from mini.benchmark.unused import value as v\nimport numpy\n").digest != first.digest
    edit("benchmark/unused.py", "value = 3\n")
    assert of("from mini.benchmark.unused import value\nimport numpy\n").digest != first.digest
    dynamic = of("import importlib\nx = importlib.import_module('a' + 'b')\n")
    assert "plug-in plug.py:2 uses importlib.import_module" in (dynamic.why_not_cached or "")


def test_two_plug_ins_of_one_name_both_count(edit: Edit, take: Take, tmp_path: Path) -> None:
    edit("../a/plug.py", "x = 1\n")
    edit("../b/plug.py", "x = 2\n")
    files = {"m1": tmp_path / "a" / "plug.py", "m2": tmp_path / "b" / "plug.py"}
    before = take(plugin_files=files)
    for name, text in (("a", "x = 3\n"), ("b", "x = 4\n")):
        edit(f"../{name}/plug.py", text)
        after = take(plugin_files=files)
        assert after.digest != before.digest
        before = after


def test_a_plug_in_that_is_no_python_is_named_with_its_line(
    edit: Edit, take: Take, tmp_path: Path
) -> None:
    edit("../plug.py", "x = 1\ndef :\n")
    with pytest.raises(PluginError, match=r"plug\.py line 2: not valid Python"):
        take(plugin_files={"m": tmp_path / "plug.py"})
    with pytest.raises(PluginError, match=r"gone\.py: cannot be read"):
        take(plugin_files={"m": tmp_path / "gone.py"})


def test_a_root_that_does_not_exist_is_an_error(take: Take) -> None:
    with pytest.raises(StoreError, match=r"no module is called 'mini\.nothing'"):
        take("mini.nothing")


def test_a_module_that_cannot_be_imported_can_be_fingerprinted(edit: Edit, take: Take) -> None:
    edit("benchmark/__init__.py", "raise RuntimeError('imported')\n")
    assert "mini.benchmark.base" in take().modules
