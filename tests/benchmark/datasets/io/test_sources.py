"""Where the parts of a dataset lie: found, refused and hashed as declared (io/sources.py)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from radpriv.benchmark.datasets.io.sources import Form, Near, Part, Sources
from radpriv.errors import DataError

VERSION = "[0-9].[0-9]"
EACH = Sources(
    "Made up",
    places=("made-up", f"made-up/{VERSION}", "."),
    parts=(
        Part(
            "reports",
            Form("reports.zip"),
            Form("reports", folder=lambda p: any(p.glob("*.txt")), sha256=lambda p: "tree"),
        ),
        Part("labels", Form(f"labels-{VERSION}.csv"), called="labels-*.csv"),
    ),
    absent="{data} holds no {missing}; {get}",
    near=(Near("labels", Form("labels.xls"), "{near} is a sheet, save it as CSV; {get}"),),
    get="put it under {home}",
)
ONE = replace(
    EACH,
    places=("one", "two"),
    parts=(Part("a", Form("x/a.csv", "a.csv")), Part("b", Form("b.csv"))),
    near=(),
    absent="{data} holds none. {get}",
    half="half of it, {missing} missing beside {present}. {get}",
    again="get it again",
)


def put(data: Path, *names: str) -> None:
    for name in names:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)


def refusal(sources: Sources, data: Path | None) -> str:
    with pytest.raises(DataError) as caught:
        sources.find(data)
    return str(caught.value)


def test_sources_take_the_preferred_form_wherever_it_lies(tmp_path: Path) -> None:
    """The zip in the last place comes before the folder in the first."""
    put(tmp_path, "made-up/reports/1.txt", "made-up/labels-1.0.csv")
    assert EACH.find(tmp_path)["reports"] == tmp_path / "made-up/reports"
    put(tmp_path, "reports.zip")
    assert EACH.find(tmp_path)["reports"] == tmp_path / "reports.zip"


def test_sources_take_the_newest_of_the_first_place(tmp_path: Path) -> None:
    """A newer one in a later place does not count."""
    put(tmp_path, "reports.zip", "labels-9.0.csv", "made-up/1.0/labels-1.0.csv")
    put(tmp_path, "made-up/2.0/labels-1.1.csv", "made-up/2.0/labels-1.5.csv")
    assert EACH.find(tmp_path)["labels"] == tmp_path / "made-up/2.0/labels-1.5.csv"


def test_sources_are_hashed_by_part(tmp_path: Path) -> None:
    """A form may have a hash of its own."""
    put(tmp_path, "made-up/reports/1.txt", "labels-1.0.csv")
    labels = hashlib.sha256(b"labels-1.0.csv").hexdigest()
    assert EACH.find(tmp_path).sha256() == {"reports": "tree", "labels": labels}


def test_sources_say_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    """A folder without reports is none."""
    (tmp_path / "made-up/reports").mkdir(parents=True)
    home = f"put it under {tmp_path / 'made-up'}"
    assert refusal(EACH, tmp_path) == (
        f"Made up: {tmp_path} holds no reports.zip, no labels-*.csv; {home}"
    )
    put(tmp_path, "made-up/labels.xls")
    said = f"Made up: {tmp_path / 'made-up/labels.xls'} is a sheet, save it as CSV; {home}"
    assert refusal(EACH, tmp_path) == said
    put(tmp_path, "labels-1.0.csv")
    assert refusal(EACH, tmp_path) == f"Made up: {tmp_path} holds no reports.zip; {home}"
    assert "--data or RADPRIV_DATA" in refusal(EACH, None)
    assert "nowhere does not exist" in refusal(EACH, tmp_path / "nowhere")


def test_sources_of_one_place_want_all_of_them_there(tmp_path: Path) -> None:
    """Half a download in the first place gives way to a whole one in the second."""
    assert refusal(ONE, tmp_path).startswith(f"Made up: {tmp_path} holds none. put it under")
    put(tmp_path, "one/x/a.csv")
    assert "half of it, b.csv missing beside " in refusal(ONE, tmp_path)
    put(tmp_path, "two/a.csv", "two/b.csv")
    assert set(ONE.find(tmp_path).paths.values()) == {
        tmp_path / "two/a.csv",
        tmp_path / "two/b.csv",
    }


def test_sources_of_one_place_are_there_once(tmp_path: Path) -> None:
    """Nobody can say which of two was meant; a pointer that git left is no file."""
    put(tmp_path, "one/x/a.csv", "one/a.csv", "one/b.csv")
    assert "one/a.csv stand for the same file" in refusal(ONE, tmp_path)
    (tmp_path / "one/a.csv").unlink()
    (tmp_path / "one/b.csv").write_text("version https://git-lfs.github.com/spec/v1")
    assert "b.csv: git left a pointer" in refusal(ONE, tmp_path)
    (tmp_path / "one/b.csv").unlink()
    with pytest.raises(DataError, match=r"b\.csv is missing under .*; get it again"):
        ONE.inside(tmp_path / "one")
