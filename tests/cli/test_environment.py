"""What the environment says of encodings, figures, docstrings and widths changes no result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SETTINGS = """axes.grid: True
font.family: monospace
font.size: 21
lines.linewidth: 7
figure.dpi: 40
figure.facecolor: red
savefig.dpi: 33
svg.fonttype: path
"""


@pytest.fixture(scope="module")
def suite(
    tmp_path_factory: pytest.TempPathFactory, write_suite: Callable[..., Path]
) -> Iterator[Path]:
    """A suite that is finished in the store beside it."""
    path = write_suite("dp_bow", "tfidf", "prior", attacks='["loss"]')
    done = command(path, "run", path)
    assert done.returncode == 0, done.stderr
    yield path


def command(suite: Path, *words: str | Path, **environment: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, whose output is bytes."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("RADPRIV", "MPL", "COLUMNS"))}
    own = {
        "RADPRIV_STORE": str(suite.parent / "store"),
        "RADPRIV_CACHE": str(suite.parent / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    start = "from radpriv.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *map(str, words)],
        env={**plain, **own, **environment},
        capture_output=True,
        timeout=600,
    )


def report_files(suite: Path) -> dict[str, bytes]:
    folder = suite.parent / "store" / "reports"
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_stdout_of_any_encoding_gets_every_table(suite: Path, encoding: str) -> None:
    """What it cannot hold is written in plainer characters; JSON says the same in escapes."""
    ledger = next((suite.parent / "store" / "cells").rglob("ledger.jsonl"))
    asked: list[tuple[str | Path, ...]] = [
        ("report", suite),
        ("account", ledger, "--delta", "1e-5"),
        ("data", "cards"),
    ]
    for words in asked:
        done = command(suite, *words, PYTHONIOENCODING=encoding)
        assert done.returncode == 0 and not done.stderr, done.stderr
        text = done.stdout.decode(encoding)
        assert "eps" in text or words[0] == "data"
        assert "?" not in text.replace("??", "?").replace("/?", "") or words[0] == "data"
    poor = command(suite, "report", suite, "--json", PYTHONIOENCODING=encoding).stdout
    rich = command(suite, "report", suite, "--json", PYTHONIOENCODING="utf-8").stdout
    assert json.loads(poor.decode(encoding)) == json.loads(rich.decode())


def test_run_and_refusals_hold_in_ascii(suite: Path) -> None:
    """A run says its progress, and an error its sentence, whatever the encoding."""
    done = command(suite, "run", suite, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    wrong = command(suite, "why", "ε–cell", PYTHONIOENCODING="ascii")
    assert wrong.returncode == 2 and b"eps-cell" in wrong.stderr
    assert wrong.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"MPLBACKEND": "module://no_such_module.backend"},
        {"MATPLOTLIBRC": SETTINGS},
        {"MATPLOTLIBRC": "text.usetex: True\n"},
        {"MATPLOTLIBRC": "\udcff\udcfe is not UTF-8\n"},
    ],
    ids=["backend", "settings", "usetex", "unreadable"],
)
def test_figures_do_not_follow_the_users_matplotlib(
    suite: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Equal results give equal bytes."""
    assert command(suite, "report", suite).returncode == 0
    before = report_files(suite)
    if settings := environment.get("MATPLOTLIBRC"):
        (tmp_path / "matplotlibrc").write_bytes(settings.encode(errors="surrogateescape"))
        environment = {"MATPLOTLIBRC": str(tmp_path)}
    done = command(suite, "report", suite, **environment)
    assert done.returncode == 0, done.stderr
    assert {"f1.png", "f1.svg", "index.html"} <= set(before) and report_files(suite) == before


@pytest.mark.parametrize(
    "words", [("list",), ("--help",), ("run", "--help"), ("data", "cards", "--json")], ids=str
)
def test_words_are_the_same_without_docstrings(suite: Path, words: tuple[str, ...]) -> None:
    """PYTHONOPTIMIZE=2 drops docstrings, and radpriv reads its own where they are written."""
    plain = command(suite, *words).stdout
    assert command(suite, *words, PYTHONOPTIMIZE="2").stdout == plain and len(plain) > 300


@pytest.mark.parametrize("columns", ["40", "25"])
def test_narrow_terminals_get_whole_numbers(suite: Path, columns: str) -> None:
    """Rows become blocks of lines before a number or a method's name is cut."""
    numbers: dict[str, Any] = {}
    for width in ("200", columns):
        done = command(suite, "report", suite, COLUMNS=width)
        assert done.returncode == 0
        numbers[width] = set(re.findall(r"\d\.\d+", done.stdout.decode()))
    assert numbers["200"] == numbers[columns]
