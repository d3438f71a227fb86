"""Every fenced example of README, the pages beside it and docs/: run, read, or a known command.

Python is executed; TOML and YAML are read; each line of a shell is a command of radpriv that the
command line accepts, or one of tox, pip, pytest or the shell whose words name what exists.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any
from unittest import SkipTest

import pytest
import typer
import yaml
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from radpriv.attacks.attack import attacks
from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.methods.method import methods
from radpriv.benchmark.registry import PLUGIN
from radpriv.cli.app import app
from radpriv.reports.sections import sections

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob(".github/*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHELL = {"cd", "cp", "git", "export", "mkdir", "ls", "cat"}
SAVED = re.compile(r"[Ss]ave(?: this)? as `([\w./]+)`.*?```\w+\n(.*?\n) *```", re.DOTALL)
"""A block that a reader is told to save, and its name."""


def accepted(words: list[str]) -> None:
    """Raises what the command line would say of these words; nothing is run."""
    command: Any = typer.main.get_command(app)
    context = None
    while hasattr(command, "commands"):  # a group is entered without its own words
        context = command.make_context(command.name, [], context, resilient_parsing=True)
        assert words and words[0] in command.commands, f"radpriv has no command '{words[:1]}'"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words), context)


def known(words: list[str]) -> None:
    """Raises AssertionError for a command that names what does not exist here."""
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]  # an environment variable before the command
    if words[:2] == ["python", "-m"]:
        words = words[2:]
    program, rest = words[0], words[1:]
    if program == "radpriv":
        accepted(rest)
    elif program == "tox":
        tox = ConfigParser()
        tox.read(ROOT / "tox.ini")
        for name in [b for a, b in pairwise(rest) if a == "-e"]:
            assert name == "py" or f"testenv:{name}" in tox, f"tox has no environment '{name}'"
    elif program == "pip":
        extras = {
            e for w in rest for found in re.findall(r"\[(.*?)\]", w) for e in found.split(",")
        }
        assert extras <= set(PROJECT["optional-dependencies"]), extras
    elif program == "pytest":
        paths = [w.split("::")[0] for w in rest if w.startswith("tests/")]
        assert all((ROOT / p).exists() for p in paths), paths
    else:
        assert program in SHELL or program in {
            "venv",
            "tools.mutation",
            "tools.similarity_threshold",
            "ruff",
            "mypy",
        }, program


def saved(page: Path) -> dict[str, str]:
    """Source by file name, of the blocks that a page tells to save."""
    return {n: dedent(s) for n, s in SAVED.findall(page.read_text(encoding="utf-8"))}


def shell(example: Example) -> None:
    for line in str(example.parsed).splitlines():
        for command in re.split(r"&&|\|", line.split("> docs/")[0]):
            if words := shlex.split(command.removeprefix("$ "), comments=True):
                known(words)


@contextmanager
def as_before() -> Iterator[None]:
    """What an example registers is forgotten; what is shipped is known before, so it stays."""
    for registry in (methods, attacks, datasets):
        for name in registry.names():
            registry.get(name)
    with methods.as_before(), attacks.as_before(), datasets.as_before():
        yield


READ: dict[str, Callable[[str], object]] = {"toml": tomllib.loads, "yaml": yaml.safe_load}
SYBIL = Sybil(
    [
        SkipParser(),  # where the page says why
        PythonCodeBlockParser(doctest_optionflags=0),
        CodeBlockParser(language="sh", evaluator=shell),
        *(
            CodeBlockParser(
                language=name, evaluator=lambda e, read=read: read(str(e.parsed)) and None
            )
            for name, read in READ.items()
        ),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_examples_of_a_page_hold(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told to be saved lies in the folder; what Python registers is forgotten after it."""
    monkeypatch.chdir(tmp_path)
    for name, source in {**saved(ROOT / "CONTRIBUTING.md"), **saved(page)}.items():
        if "/" not in name:  # else it is a file of the tree
            (tmp_path / name).write_text(source)
    for module in [m for m in sys.modules if m.startswith(PLUGIN)]:
        del sys.modules[module]  # a plug-in that another test has imported registers nothing again
    apart = set(saved(page).values())  # run by the tests of the recipes, below
    for example in SYBIL.parse(page).examples():
        if str(example.parsed) in apart:
            continue
        with as_before(), suppress(SkipTest):
            example.evaluate()


def test_pages_have_examples_of_each_kind() -> None:
    """So that a parser that finds nothing does not pass for examples that hold."""
    found = [e.region.evaluator for page in PAGES for e in SYBIL.parse(page).examples()]
    assert sum(evaluator is shell for evaluator in found) >= 5
    assert len(found) >= 15


@pytest.mark.parametrize(
    "line",
    [
        "radpriv fly",
        "radpriv run",
        "radpriv run openi --no-such-option",
        "python -m tox -e nothing",
        "python -m pip install '.[none]'",
        "pytest tests/nowhere.py",
        "frobnicate",
    ],
)
def test_commands_that_do_not_exist_are_found(line: str) -> None:
    with pytest.raises(Exception, match=r".+"):
        known(shlex.split(line))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_named_in_prose_exist(page: Path) -> None:
    """`radpriv VERB …` in backticks: the verb is one of the command line."""
    verbs = typer.main.get_command(app).commands
    named = set(re.findall(r"`radpriv ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named <= set(verbs), named - set(verbs)


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the recipes of CONTRIBUTING say to save there."""
    monkeypatch.chdir(tmp_path)
    for name, source in saved(ROOT / "CONTRIBUTING.md").items():
        (tmp_path / name.rsplit("/", 1)[-1]).write_text(source)
    return tmp_path


def test_method_of_readme_is_that_of_its_page_and_of_the_recipe() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for page in ("docs/own_method.md", "CONTRIBUTING.md"):
        assert saved(ROOT / page)["my_method.py"] == source, page


def test_method_recipe_runs(
    recipes: Path, radpriv: Callable[..., Any], write_suite: Callable[..., Path]
) -> None:
    """Its cell is finished, within its budget, and stands in the table."""
    suite = write_suite("prior", attacks="[]", control="false")
    done = radpriv("run", suite, "--method", "my_method.py", "--limit", "60", "--json")
    assert done.code == 0, done.err
    assert "my_method" in done.out


@pytest.mark.slow
def test_method_recipe_passes_its_check(recipes: Path, radpriv: Callable[..., Any]) -> None:
    """With the sentence that CONTRIBUTING quotes."""
    done = radpriv("check", "my_method.py", "--epsilon", "8")
    assert done.code == 0, done.out
    (sentence,) = re.findall(
        r"`(my_method: .*?)`", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    assert " ".join(sentence.split()) in " ".join(done.out.split())


@pytest.mark.parametrize("name", ["my_attack", "my_reports"])
def test_recipe_passes_the_tests_that_it_tells_to_write(recipes: Path, name: str) -> None:
    """In a folder of its own, as a plug-in's author runs them."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{name}.py"]
    done = subprocess.run(command, cwd=recipes, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 8, done.stdout


def test_dataset_recipe_is_run_by_its_suite(recipes: Path, radpriv: Callable[..., Any]) -> None:
    """With the source of its own test; without the file it says what to do."""
    space: dict[str, Any] = {}
    source = (recipes / "test_my_reports.py").read_text().split("@parametrize_checks")[0]
    exec(source, space)
    space["write_source"](recipes / "data")
    suite = (recipes / "my_suite.toml").read_text().replace("n_public = 2000", "n_public = 30")
    (recipes / "my_suite.toml").write_text("attacks = []\ncontrol = false\n" + suite)
    shown = radpriv("run", "my_suite.toml", "--data", recipes / "data", "--json")
    assert shown.code == 0, shown.err
    assert '"my-reports"' in shown.out and "dp_bow" in shown.out
    missing = radpriv("data", "describe", "my_reports.py", "--data", recipes)
    assert missing.code == 2 and "reports.csv" in missing.only_line


def test_table_recipe_stands_in_the_report(
    recipes: Path, radpriv: Callable[..., Any], write_suite: Callable[..., Path]
) -> None:
    """Written again from the store, with no other file touched."""
    suite = write_suite("prior", attacks="[]", control="false", epsilons="[inf]")
    assert radpriv("run", suite).code == 0
    with sections.as_before():
        exec(
            compile((recipes / "finished.py").read_text(), "finished.py", "exec"), {"__name__": "f"}
        )
        shown = radpriv("report", suite)
    assert shown.code == 0, shown.err
    assert "Finished cells" in shown.out
