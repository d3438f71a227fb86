"""radpriv data: describe and cards; results on stdout, one line for what the user can mend."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.description import token_counts
from radpriv.errors import EncoderError

Radpriv = Callable[..., Any]

PLUGIN = '''
from dataclasses import dataclass
from pathlib import Path
from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader

@datasets.register("mine")
@dataclass(frozen=True)
class Mine(StreamedLoader):
    """size: how many."""

    name = "mine"
    labels = ("A", "B")
    card = Card("made up", "none", "none", "{release}", "by hand")
    size: int = 30

    def find(self, data):
        return None

    def identity(self, data):
        return {{"loader": self.name, "options": self.options()}}

    def rows(self, source, counts, progress):
        for i in range(self.size):
            progress(1)
            counts["kept"] += 1
            text = f"zyzzyvaquux {{i}}. no opacity."
            {body}
            yield Row(f"r{{i:03d}}", f"p{{i // 2:03d}}", "test" if i % 4 < 2 else "train", text,
                      (float(i % 3 == 0), 0.0))
'''


@pytest.fixture(autouse=True)
def without_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise EncoderError(f"encoder '{name}' is not installed")

    monkeypatch.setattr(token_counts, "resolve", absent)


def plugin(path: Path, release: str = "open", body: str = "pass") -> Path:
    path.write_text(PLUGIN.format(release=release, body=body))
    return path


def test_tables_end_with_the_path_of_the_page(radpriv: Radpriv, tmp_path: Path) -> None:
    """The files lie in the store, or where `--out` says."""
    arguments = ("data", "describe", "synthetic-plain", "--option", "reports=60")
    done = radpriv(*arguments)
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "store" / "datasets").iterdir()
    assert folder.name.startswith("synthetic-plain-")
    lines = done.out.rstrip().splitlines()
    assert lines[0].startswith("60 reports of ")
    assert lines[-2].startswith("release policy open: ")
    assert lines[-1] == f"page: {folder / 'index.html'}"
    assert "Cardiomegaly" in done.out and "words per report" in done.out
    summary = json.loads(radpriv(*arguments, "--out", tmp_path / "other", "--json").out)
    assert summary["values"]["reports"] == 60 and summary["page"].endswith("other/index.html")
    kept = json.loads((tmp_path / "other" / "description.json").read_text())
    assert {k: v for k, v in summary.items() if k not in ("page", "files")} == kept


def test_private_dataset_is_described_for_its_owner_alone(radpriv: Radpriv, tmp_path: Path) -> None:
    """From a plug-in file; folder and files are closed to others."""
    mine = plugin(tmp_path / "mine.py", "nothing")
    done = radpriv("data", "describe", mine, "--option", "size=20")
    assert done.code == 0, done.err
    assert "must not leave the machine" in done.out
    (folder,) = (tmp_path / "store" / "datasets").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("synthetic-plane",), "did you mean 'synthetic-plain'"),
        (("synthetic-plain", "--option", "report=5"), "has no option 'report' (known: reports, "),
        (("synthetic-plain", "--option", "reports"), "--option reports: give NAME=VALUE"),
        (("synthetic-plain", "--option", "reports=many"), "'reports' = 'many': expected int"),
        (("synthetic-plain", "--option", "reports=0"), "'reports' = 0: 1 to"),
        (("openi", "--option", "text=findngs"), "'text' = 'findngs': one of "),
        (("openi",), "NLMCXR_reports.tgz"),
        (("openi", "--data", "NOWHERE"), "no such folder"),
        (("nothing_of_mine.py",), "cannot be read"),
    ],
)
def test_mendable_error_is_one_line(
    radpriv: Radpriv, arguments: tuple[str, ...], expected: str
) -> None:
    """It names what is wrong and what to do."""
    assert expected in radpriv("data", "describe", *arguments).only_line


def test_unusable_folder_is_one_line(radpriv: Radpriv, tmp_path: Path) -> None:
    """A file lies in its place."""
    (tmp_path / "taken").write_text("")
    arguments = ("synthetic-plain", "--option", "reports=20", "--out", tmp_path / "taken")
    assert "taken: cannot be written" in radpriv("data", "describe", *arguments).only_line


def test_broken_loader_is_named_by_kind_and_place(radpriv: Radpriv, tmp_path: Path) -> None:
    """Its words may quote a report, and are never shown."""
    breaks = plugin(tmp_path / "breaks.py", body="if i == 3: raise ValueError(text)")
    done = radpriv("data", "describe", breaks)
    assert "'mine': its loader ended with ValueError at breaks.py:" in done.sentence
    assert "zyzzyvaquux" not in done.err + done.out
    twice = plugin(tmp_path / "twice.py", body="i = min(i, 3)")
    done = radpriv("data", "describe", twice)
    assert "the id of row 5 comes twice or late" in done.sentence
    assert "zyzzyvaquux" not in done.err + done.out


def test_cards_are_markdown_and_json(radpriv: Radpriv) -> None:
    """Of the same datasets."""
    page, data = radpriv("data", "cards"), json.loads(radpriv("data", "cards", "--json").out)
    names = [card["name"] for card in data]
    assert {"openi", "synthetic-plain"} <= set(names) and page.code == 0
    assert [x[3:] for x in page.out.splitlines() if x.startswith("## ")] == names
