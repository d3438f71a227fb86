"""Streamed loaders: one pass over the source, a mapped table from then on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.universe import draw
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.datasets.io import streamed
from radpriv.benchmark.datasets.io.streamed import BATCH, Row, StreamedLoader
from radpriv.benchmark.datasets.texts import Texts, pick
from radpriv.benchmark.suites.job import limited
from radpriv.errors import DataError

CARD = Card("numbered", "none", "made here", "open", "made here")
N = 2 * BATCH + 7


@dataclass(frozen=True)
class Numbered(StreamedLoader):
    name = "numbered"
    card = CARD
    labels = ("a", "b")
    passes: ClassVar[list[str]] = []

    word: str = "report"

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, Any]:
        return {"loader": self.name, "options": self.options()}

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        self.passes.append(self.word)
        for i in range(N):
            progress(1)
            counts["kept"] += 1
            split = "test" if i % 4 == 0 else "train"
            yield Row(f"r{i:06d}", f"p{i // 3:06d}", split, f"{self.word} {i}", (i % 2, np.nan))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Numbered, "passes", [])
    return tmp_path / "cache"


def tables(cache: Path) -> list[Path]:
    return sorted((cache / "tables").glob("*.arrow"))


def test_a_loaded_table_holds_the_rows_that_were_streamed() -> None:
    data = Numbered().load(None)
    assert len(data) == N
    assert data.ids[5] == "r000005" and data.patients[5] == "p000001" and data.splits[4] == "test"
    assert isinstance(data.texts, Texts)
    assert list(data.texts) == [f"report {i}" for i in range(N)]
    assert data.texts[BATCH] == f"report {BATCH}" and data.texts[-1] == f"report {N - 1}"
    assert data.y[:3, 0].tolist() == [0, 1, 0] and np.isnan(data.y[:, 1]).all()
    assert data.counts == {"kept": N}


def test_the_source_is_read_once_for_each_set_of_options() -> None:
    Numbered().load(None)
    Numbered().load(None)
    Numbered("scan").load(None)
    assert Numbered.passes == ["report", "scan"]


@pytest.mark.parametrize("damage", ["cut", "no facts", "other rows"])
def test_a_damaged_table_is_made_again(cache: Path, damage: str) -> None:
    Numbered().load(None)
    (path,) = tables(cache)
    facts = path.with_suffix(".json")
    if damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "no facts":
        facts.unlink()
    else:
        facts.write_text('{"rows": 3, "counts": {}}')
    assert len(Numbered().load(None)) == N
    assert Numbered.passes == ["report", "report"]


def test_what_was_read_and_left_out_is_told_once_in_every_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Numbered().load(None)
    assert f"numbered: read; kept {N:,}" in capsys.readouterr().err
    Numbered().load(None)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(streamed, "_TOLD", set())  # another run
    Numbered().load(None)
    assert f"numbered: read before; kept {N:,}" in capsys.readouterr().err


def test_tables_are_closed_to_other_users(cache: Path) -> None:
    Numbered().load(None)
    (path,) = tables(cache)
    assert (cache / "tables").stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


def test_a_loader_that_stops_halfway_leaves_no_table(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Numbered.rows

    def cut(self: Numbered, *args: Any) -> Iterator[Row]:
        for i, row in enumerate(whole(self, *args)):
            if i == BATCH + 1:
                raise DataError("the source ends here")
            yield row

    monkeypatch.setattr(Numbered, "rows", cut)
    with pytest.raises(DataError, match="ends here"):
        Numbered().load(None)
    assert [p.name for p in (cache / "tables").iterdir() if p.suffix != ".lock"] == []
    monkeypatch.setattr(Numbered, "rows", whole)
    assert len(Numbered().load(None)) == N


@pytest.mark.parametrize("ids", [("b", "a"), ("a", "a")])
def test_rows_out_of_order_are_refused(
    monkeypatch: pytest.MonkeyPatch, ids: tuple[str, str]
) -> None:
    def rows(self: Numbered, *args: Any) -> Iterator[Row]:
        yield from (Row(i, i, "train", "PRIVATE", (0.0, 0.0)) for i in ids)

    monkeypatch.setattr(Numbered, "rows", rows)
    with pytest.raises(DataError, match="twice or late") as caught:
        Numbered().load(None)
    assert "PRIVATE" not in str(caught.value)


def test_universe_and_limited_dataset_leave_texts_on_disk() -> None:
    """The universe and a limited dataset leave the texts on disk."""
    data = Numbered().load(None)
    universe = draw(data, AuditPolicy(), b"key", 1000, 0)
    assert isinstance(universe.texts, Texts)
    assert universe.texts[0] == "report 1" and universe.ids[0] == "r000001"
    few = limited(data, 40)
    assert isinstance(few.texts, Texts)
    assert [f"report {int(i[1:])}" for i in few.ids] == list(few.texts)


def test_no_repr_shows_a_text() -> None:
    data = Numbered().load(None)
    row = Row("r1", "p1", "train", "PRIVATE", (0.0,))
    assert "report 1" not in repr(data) + repr(data.texts)
    assert "PRIVATE" not in repr(row)


def test_picking_and_slicing_keep_the_order_asked_for() -> None:
    texts = Numbered().load(None).texts
    assert isinstance(texts, Texts)
    assert list(pick(texts, [5, 2])) == ["report 5", "report 2"] == list(pick(tuple(texts), [5, 2]))
    assert list(texts[2:6:2]) == ["report 2", "report 4"]
    assert texts.pick([3, 1]).pick([1])[0] == "report 1"
    assert texts[:2] == ("report 0", "report 1") and texts[:2] != ("report 0", "report 2")


def test_a_dataset_gives_a_mapped_table_of_the_datasets_library() -> None:
    data = Numbered().load(None)
    table = data.table()
    assert table.num_rows == N and table[7]["text"] == "report 7"
    assert table.features["labels"].length == 2
    assert table.cache_files  # mapped, not copied to memory


def test_a_dataset_in_memory_gives_the_same_table() -> None:
    data = Dataset(
        "small", ("a",), CARD, ("x",), ("p",), ("train",), ("some text",), np.ones((1, 1), "f4")
    )
    row = data.table()[0]
    assert row == {"id": "x", "patient": "p", "split": "train", "text": "some text", "labels": [1]}


def test_half_a_download_is_told_in_so_many_words() -> None:
    half = {"reports": 60, "labels_without_report": 40}
    (line,) = streamed.incomplete("mimic-cxr", half)
    assert "labels_without_report 40" in line and "is the download complete?" in line
    for kind in ("without_report", "without_labels"):
        assert list(streamed.incomplete("ct-rate", {"scans": 53, kind: 28}))
    for kind in ("report_without_labels", "report_without_split"):
        assert list(streamed.incomplete("mimic-cxr", {"reports": 74, kind: 12}))
    for whole in ({"reports": 96, "labels_without_report": 4}, {"scans": 100, "without_report": 5}):
        assert not list(streamed.incomplete("x", whole))
