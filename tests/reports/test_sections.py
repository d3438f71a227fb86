"""The registry of tables and figures: one function, one place, and every format has it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv.errors import ReportError
from radpriv.reports import figures, tables
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import (
    Format,
    Section,
    SectionPlace,
    Sections,
    discover,
    sections,
)
from radpriv.reports.write import Report, write_report

LAST = SectionPlace(Section.DETAILS, 1000)
FILE = """
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.sections import EVERYWHERE, Section, SectionPlace, table


@table("mine", SectionPlace(Section.UTILITY, 1000), formats=EVERYWHERE, csv="mine.csv")
def mine(of):
    cells = (TableCell(of.dataset, "name"), TableCell("0.25", "number"))
    record = {"dataset": of.dataset, "value": 0.25}
    return Table("mine", "A table of mine", ("dataset", "value"), (cells,), records=(record,))
"""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    discover(tables, figures)
    with sections.as_before():
        yield


def made(of: DatasetResults) -> Table:
    return Table("made", "Made", ("a",), ((TableCell("1", "name"),),))


def other(of: DatasetResults) -> Table:
    return made(of)


def titles(report: Report, name: str) -> list[str]:
    """Of the tables of a page or a Markdown file, in their order."""
    text = (report.folder / name).read_text()
    pattern = r'<caption class="hidden">([^<]*)' if name == "index.html" else r"^### (.*)"
    return re.findall(pattern, text, re.MULTILINE)


def test_one_file_puts_a_table_into_every_format(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my_tables"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "mine.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    discover(importlib.import_module("my_tables"))
    report = write_report(fake.write(), "demo")
    for name in ("index.html", "report.md"):
        assert "A table of mine" in titles(report, name)
    assert (report.folder / "mine.csv").read_text() == "dataset,value\nopeni,0.25\n"
    assert report.as_dict()["datasets"][0]["tables"]["mine"]["records"][0]["value"] == 0.25
    assert [t.key for t in report.terminal_tables()] == ["weighted", "mine", "leakage", "canaries"]


def test_the_place_alone_decides_the_order(fake: Any, written: Report) -> None:
    """A table that claims another place moves on the page and in Markdown; nothing else does."""
    entry = next(e for e in sections.tables() if e.key == "differences")
    sections.table(entry.key, SectionPlace(Section.UTILITY, 1000))(entry.make)
    moved = write_report(fake.write(), "demo")
    for name in ("index.html", "report.md"):
        before, after = titles(written, name), titles(moved, name)
        title = "Paired differences in weighted F1"
        assert before.index(title) > after.index(title)
        assert [t for t in before if t != title] == [t for t in after if t != title]


@pytest.mark.parametrize(
    ("second", "claim"),
    [
        ({"key": "one"}, "the key 'one'"),
        ({"place": SectionPlace(Section.LEAKAGE, 1)}, "the place LEAKAGE 1"),
        ({"csv": "one.csv"}, "the file one.csv"),
        ({"folded": 4}, "the place 4 of those that are folded"),
    ],
)
def test_two_claims_on_one_thing_are_an_error(second: dict[str, Any], claim: str) -> None:
    own = Sections()
    own.table("one", SectionPlace(Section.LEAKAGE, 1), csv="one.csv", folded=4)(made)
    with pytest.raises(ReportError, match=f"both claim {claim}"):
        own.table(**{"key": "two", "place": LAST, **second})(other)
    assert [e.key for e in own.placed()] == ["one"]


def test_a_figure_and_a_table_share_the_places() -> None:
    own = Sections()
    own.table("one", LAST)(made)
    with pytest.raises(ReportError, match="the place DETAILS 1000"):
        own.figure("two", LAST, title="", description="", caption="")(lambda datasets, theme: None)


def test_a_table_of_another_key_has_no_place(written: Report) -> None:
    """Nothing vanishes silently: what nobody placed is an error of one line."""
    own = Sections()
    own.table("one", LAST)(made)
    with pytest.raises(ReportError, match="a table of key 'made' has no place"):
        own.make_tables(written.datasets[0].of)
    with pytest.raises(TypeError, match="place"):
        own.table("two")  # type: ignore[call-arg]


def test_every_table_made_is_in_json_and_markdown(written: Report) -> None:
    report = written.datasets[0]
    assert [t.key for t in sections.shown(report.tables, Format.JSON)] == list(report.tables)
    assert sections.shown(report.tables, Format.MARKDOWN) == list(report.tables.values())


def test_every_module_of_tables_and_figures_is_found() -> None:
    assert {"weighted", "leakage:", "missing"} <= {e.key for e in sections.tables()}
    assert [e.key for e in sections.figures()] == ["f1", "roc", "epsilon"]
