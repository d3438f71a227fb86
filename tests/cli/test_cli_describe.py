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


def test_tables_end_with_the_page_and_the_files_lie_in_the_store(
    radpriv: Radpriv, tmp_path: Path
) -> None:
    asked = ("data", "describe", "synthetic-plain", "--option", "reports=60")
    done = radpriv(*asked)
    assert done.code == 0, done.err
    (folder,) = (tmp_path / "store" / "datasets").iterdir()
    assert folder.name.startswith("synthetic-plain-")
    lines = done.out.rstrip().splitlines()
    assert lines[0].startswith("60 reports of ")
    assert lines[-2].startswith("release policy open: ")
    assert lines[-1] == f"page: {folder / 'index.html'}"
    assert "Cardiomegaly" in done.out and "words per report" in done.out
    told = json.loads(radpriv(*asked, "--out", tmp_path / "other", "--json").out)
    assert told["values"]["reports"] == 60 and told["page"].endswith("other/index.html")
    kept = json.loads((tmp_path / "other" / "description.json").read_text())
    assert {k: v for k, v in told.items() if k not in ("page", "files")} == kept


def test_a_plugin_file_of_a_private_dataset_is_described_and_closed_to_others(
    radpriv: Radpriv, tmp_path: Path
) -> None:
    mine = plugin(tmp_path / "mine.py", "nothing")
    done = radpriv("data", "describe", mine, "--option", "size=20")
    assert done.code == 0, done.err
    assert "must not leave the machine" in done.out
    (folder,) = (tmp_path / "store" / "datasets").iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("arguments", "said"),
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
def test_what_the_user_can_mend_is_one_line(
    radpriv: Radpriv, arguments: tuple[str, ...], said: str
) -> None:
    assert said in radpriv("data", "describe", *arguments).only_line


def test_a_folder_that_cannot_be_used_is_one_line(radpriv: Radpriv, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    asked = ("synthetic-plain", "--option", "reports=20", "--out", tmp_path / "taken")
    assert "taken: cannot be written" in radpriv("data", "describe", *asked).only_line


def test_a_loader_that_breaks_is_told_by_kind_and_place_and_never_by_its_words(
    radpriv: Radpriv, tmp_path: Path
) -> None:
    breaks = plugin(tmp_path / "breaks.py", body="if i == 3: raise ValueError(text)")
    done = radpriv("data", "describe", breaks)
    assert "'mine': its loader ended with ValueError at breaks.py:" in done.sentence
    assert "zyzzyvaquux" not in done.err + done.out
    twice = plugin(tmp_path / "twice.py", body="i = min(i, 3)")
    done = radpriv("data", "describe", twice)
    assert "the id of row 5 comes twice or late" in done.sentence
    assert "zyzzyvaquux" not in done.err + done.out


def test_cards_are_markdown_and_json_of_the_same_datasets(radpriv: Radpriv) -> None:
    page, data = radpriv("data", "cards"), json.loads(radpriv("data", "cards", "--json").out)
    names = [card["name"] for card in data]
    assert {"openi", "synthetic-plain"} <= set(names) and page.code == 0
    assert [x[3:] for x in page.out.splitlines() if x.startswith("## ")] == names
