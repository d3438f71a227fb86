"""Names, collisions, near misses and plug-in files (benchmark/registry.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from radpriv.benchmark import registry as module
from radpriv.benchmark.registry import Registry, import_file
from radpriv.errors import PluginError, RadprivError, UnknownNameError

PLUGIN = """
from radpriv.benchmark.methods.method import methods

@methods.register({name!r})
class Mine:
    word = {word!r}
"""

Write = Callable[..., Path]
Declare = Callable[..., None]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    """A registry of methods that forgets the test; plug-ins reach it as `methods`."""
    made: Registry[type] = Registry("method", "test.methods")
    monkeypatch.setattr("radpriv.benchmark.methods.method.methods", made)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for name in [n for n in sys.modules if n.startswith(module.PLUGIN)]:
        monkeypatch.delitem(sys.modules, name)
    return made


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Stands in for installed entry points: declare(("name", "module"), …)."""

    def replace(*points: tuple[str, str]) -> None:
        listed = EntryPoints(EntryPoint(n, value, "test.methods") for n, value in points)
        monkeypatch.setattr(module, "entry_points", lambda group: listed.select(group=group))

    return replace


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes an importable module or a plug-in under a folder of its own."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def file(name: str, source: str, folder: str = "mine") -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return path

    return file


def sentence(error: pytest.ExceptionInfo[RadprivError]) -> str:
    """The message, checked to be one line."""
    text = str(error.value)
    assert text and "\n" not in text
    return text


def test_a_registered_object_is_found_by_its_name_and_listed(
    shelf: Registry[type],
) -> None:
    assert shelf.names() == []
    for name in ("b", "a"):
        assert shelf.register(name)(int) is int
    assert shelf.names() == ["a", "b"]
    assert shelf.get("a") is int


def test_two_objects_of_one_name_are_an_error_that_names_both(shelf: Registry[type]) -> None:
    shelf.register("prior")(int)
    with pytest.raises(PluginError) as error:
        shelf.register("prior")(float)
    assert "two methods are called 'prior': builtins.int and builtins.float" in sentence(error)
    assert shelf.get("prior") is int
    assert shelf.register("prior")(int) is int  # the same object again is no collision


@pytest.mark.parametrize(("asked", "near"), [("dp_lroa", "dp_lora"), ("tf-idf", "tfidf")])
def test_a_near_miss_gets_a_suggestion(shelf: Registry[type], asked: str, near: str) -> None:
    for name in ("dp_lora", "tfidf"):
        shelf.register(name)(int)
    with pytest.raises(UnknownNameError) as error:
        shelf.get(asked)
    assert f"no method is called '{asked}'; did you mean '{near}'?" in sentence(error)
    assert "(known: dp_lora, tfidf)" in sentence(error)


def test_a_name_like_no_other_gets_the_list_and_no_suggestion(shelf: Registry[type]) -> None:
    shelf.register("dp_lora")(int)
    with pytest.raises(UnknownNameError) as error:
        shelf.get("zzz")
    assert "did you mean" not in sentence(error)
    assert "dp_lora" in sentence(error)


@pytest.mark.parametrize("form", ["declared_{}", "declared_{}:Mine"])
def test_declared_module_is_imported_on_first_use_and_not_before(
    shelf: Registry[type], declare: Declare, write: Write, form: str
) -> None:
    """A declared module is imported on first use and not before."""
    name = f"declared_{len(form)}"
    write(f"{name}.py", PLUGIN.format(name="late", word=""), "site")
    declare(("late", form.format(len(form))))
    assert shelf.names() == ["late"] and name not in sys.modules
    assert shelf.get("late").__module__ == name


def test_name_declared_by_two_packages_is_an_error_naming_both(
    shelf: Registry[type], declare: Declare
) -> None:
    """One name declared by two packages is an error that names both."""
    declare(("late", "one.module"), ("late", "other.module"))
    with pytest.raises(PluginError) as error:
        shelf.get("late")
    assert "'late': one.module and other.module" in sentence(error)


def test_declared_module_that_raises_is_an_error_each_time(
    shelf: Registry[type], declare: Declare, write: Write
) -> None:
    """A declared module that raises is an error each time it is asked for."""
    broken = PLUGIN.format(name="late", word="") + "raise OSError('no\\nsuch thing')\n"
    write("declared_broken.py", broken, "site")
    declare(("late", "declared_broken"))
    for _ in range(2):
        with pytest.raises(PluginError) as error:
            shelf.get("late")
        assert "method 'late': its module declared_broken raised OSError" in sentence(error)
        assert "no such thing" in sentence(error)


def test_declared_module_that_registers_nothing_is_an_error(
    shelf: Registry[type], declare: Declare, write: Write
) -> None:
    """A declared module that does not register its name is an error that says so."""
    write("declared_other.py", PLUGIN.format(name="other", word=""), "site")
    declare(("late", "declared_other"))
    with pytest.raises(PluginError) as error:
        shelf.get("late")
    assert "its module declared_other registers nothing of that name" in sentence(error)


def test_a_plug_in_file_registers_what_it_defines(shelf: Registry[type], write: Write) -> None:
    path = write("mine.py", PLUGIN.format(name="mine", word="yes"))
    assert shelf.load_file(path) == ["mine"]
    assert shelf.get("mine").word == "yes"  # type: ignore[attr-defined]
    assert [p.name for p in path.parent.iterdir()] == ["mine.py"]  # nor leaves a cache behind


def test_a_file_that_is_loaded_twice_is_executed_once(shelf: Registry[type], write: Write) -> None:
    path = write("mine.py", PLUGIN.format(name="mine", word=""))
    shelf.load_file(path)
    first = shelf.get("mine")
    assert shelf.load_file(str(path)) == ["mine"]
    assert shelf.get("mine") is first
    assert import_file(write("copy.py", path.read_text(), "elsewhere")) == first.__module__


def test_what_runs_is_the_hashed_content_and_no_older_bytecode(
    shelf: Registry[type], write: Write
) -> None:
    """What runs is the content that was hashed and never older bytecode."""
    words = []
    for name, word in (("m1", "abc"), ("m2", "xyz")):  # same size, same second
        path = write("mine.py", PLUGIN.format(name=name, word=word))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        shelf.load_file(path)
        words.append(shelf.get(name).word)  # type: ignore[attr-defined]
    assert words == ["abc", "xyz"]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("raise ValueError('two\\nlines')", "raised ValueError when imported: two lines"),
        ("import sys; sys.exit(3)", "raised SystemExit when imported: 3"),
        ("import no_such_package_at_all", "raised ModuleNotFoundError"),
        ("x = 1\ndef f(:\n", " line 2: not valid Python"),
        ("x = '\0'", "not valid Python"),
        ("x = 1", "it registers no method"),
    ],
)
def test_unusable_plugin_gives_one_line_that_names_the_file(
    shelf: Registry[type], write: Write, source: str, named: str
) -> None:
    """A plug-in that cannot be used gives one line that names the file."""
    path = write("mine.py", source)
    with pytest.raises(PluginError) as error:
        shelf.load_file(path)
    assert sentence(error).startswith(str(path)) and named in sentence(error)


def test_unreadable_or_non_python_file_is_refused(
    shelf: Registry[type], write: Write, tmp_path: Path
) -> None:
    """A file that cannot be read, or is no Python file, is refused."""
    for path in (tmp_path / "absent.py", tmp_path, write("mine.toml", "x = 1")):
        with pytest.raises(PluginError, match=r"give a \.py file") as error:
            shelf.load_file(path)
        assert sentence(error).startswith(str(path))


def test_a_plug_in_that_fails_half_way_leaves_no_name_behind(
    shelf: Registry[type], write: Write
) -> None:
    source = PLUGIN.format(name="mine", word="")
    with pytest.raises(PluginError):
        shelf.load_file(write("mine.py", source + "1 / 0"))
    assert shelf.names() == []
    with pytest.raises(UnknownNameError):
        shelf.get("mine")
    assert shelf.load_file(write("mine.py", source)) == ["mine"]


@pytest.mark.parametrize("imported_before", [True, False])
def test_a_plug_in_cannot_take_the_name_of_a_shipped_method(
    shelf: Registry[type], declare: Declare, write: Write, imported_before: bool
) -> None:
    shipped = f"declared_shipped_{imported_before}"
    write(f"{shipped}.py", PLUGIN.format(name="tfidf", word="ours"), "site")
    declare(("tfidf", shipped))
    if imported_before:
        shelf.get("tfidf")
    path = write("mine.py", PLUGIN.format(name="tfidf", word="theirs"))
    with pytest.raises(PluginError) as error:
        shelf.load_file(path)
    assert sentence(error).startswith(f"{path}: two methods are called 'tfidf': {shipped}")
    assert shelf.get("tfidf").word == "ours"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "line", ["import helper", "from helper import x", "from . import helper", "import helper.deep"]
)
@pytest.mark.parametrize("helper", ["helper.py", "helper/__init__.py"])
def test_plugin_importing_its_neighbour_is_refused_with_the_line(
    shelf: Registry[type], tmp_path: Path, line: str, helper: str
) -> None:
    """A plug-in that imports its neighbour is refused with the line."""
    (tmp_path / helper).parent.mkdir(exist_ok=True)
    (tmp_path / helper).write_text("x = 1")
    path = tmp_path / "mine.py"
    path.write_text(f"import json\n\ndef f():\n    {line}\n")
    with pytest.raises(PluginError) as error:
        shelf.load_file(path)
    assert sentence(error).startswith(f"{path} line 4: a plug-in is one file")
    assert "cannot import its neighbour" in sentence(error)


def test_neighbour_is_refused_also_where_it_is_on_the_path(tmp_path: Path) -> None:
    """A neighbour is refused, also where its folder is on the path."""
    (tmp_path / "helper.py").write_text("x = 1")
    (tmp_path / "mine.py").write_text("import helper")
    code = "from radpriv.benchmark.registry import *; import_file(Path('mine.py'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert "cannot import its neighbour 'helper'" in done.stderr


def test_neighbour_named_like_an_installed_package_does_no_harm(
    shelf: Registry[type], write: Write
) -> None:
    """A neighbour named like an installed package does no harm."""
    write("numpy.py", "raise RuntimeError")
    write("json.py", "raise RuntimeError")
    path = write("mine.py", "import numpy, json\n" + PLUGIN.format(name="mine", word=""))
    assert shelf.load_file(path) == ["mine"]
