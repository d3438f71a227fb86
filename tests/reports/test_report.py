from __future__ import annotations

import csv
import json
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from radpriv.errors import ReportError
from radpriv.reports.build import build
from radpriv.reports.figures.f1_figure import f1_figure
from radpriv.reports.figures.figure_layout import Labels
from radpriv.reports.render.images import svg
from radpriv.reports.render.numbers import delta_name, plus_minus
from radpriv.reports.render.renderers import markdown, terminal
from radpriv.reports.results.load import load
from radpriv.reports.write import write_report

HOSTILE = '<script>alert("x")</script>|$\\frac{1}{2}$'
VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects tags, addresses and unbalanced elements."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "data"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(path: Path) -> Page:
    reader = Page()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def tables(fake, **options):
    return build(load(fake.write(), "demo", **options))[0].tables


def test_a_report_writes_its_files_and_returns_its_tables(written) -> None:
    report = written
    assert report.folder.parts[-3:] == ("store", "reports", "demo")
    drawn = {f"{name}.{kind}" for name in ("f1", "roc", "epsilon") for kind in ("png", "svg")}
    names = {"report.md", "f1.csv", "leakage.csv", "index.html", *drawn}
    assert {p.name for p in report.folder.iterdir()} == names == {p.name for p in report.files}
    assert [t.key for t in report.terminal_tables()] == ["weighted", "leakage", "canaries"]
    text = json.dumps(report.as_dict(), allow_nan=False)
    assert "dp_linear_probe" in text


def test_equal_results_give_equal_bytes(written, fake) -> None:
    again = write_report(fake.write(), "demo")
    assert again.folder != written.folder
    for a, b in zip(written.files, again.files, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_the_csv_holds_what_the_interval_was_made_of(written) -> None:
    report = written
    lines = list(csv.DictReader((report.folder / "f1.csv").open()))
    line = next(
        x
        for x in lines
        if x["method"] == "dp_lora" and x["epsilon"] == "1.0" and x["metric"] == "weighted"
    )
    values = [float(v) for v in line["values"].split()]
    assert float(line["mean"]) == pytest.approx(np.mean(values), abs=1e-15)
    assert line["df"] == "12" and line["seeds"] == "0 1 2" and len(line["cells"].split()) == 3
    assert float(line["half_width"]) > 0 and float(line["s2"]) > 0 and float(line["v"]) > 0


def test_the_page_asks_for_nothing_from_outside(written) -> None:
    report = written
    page = parsed(report.page)
    assert page.addresses and all(a.startswith("#") for a in page.addresses)
    text = report.page.read_text()
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    assert {a[1:] for a in page.addresses} <= set(page.ids)
    assert 'scope="row"' in text and text.count('aria-label="Weighted F1 against') == 2


def test_a_hostile_label_or_method_name_stays_text_everywhere(fake) -> None:
    fake.labels = (HOSTILE, *fake.labels[1:])
    fake.labels_of_methods = {"dp_lora": HOSTILE, "lora": HOSTILE}
    report = write_report(fake.write(), "demo")
    assert "script" not in parsed(report.page).tags
    assert "&lt;script&gt;" in report.page.read_text()
    assert "<script" not in (report.folder / "report.md").read_text()
    assert "<script" not in (report.folder / "f1.svg").read_text()


def test_missing_cell_is_shown_with_its_reason(fake) -> None:
    """It is never averaged around."""
    fake.status = {"openi.dp_bow.eps1.cell.s1": "over_budget"}
    made = tables(fake)
    line = next(r for r in made["weighted"].rows if r[0].text == "dp_bow")
    assert line[1].text == "missing: 1 of 3 cells (over_budget)" and line[1].kind == "missing"
    assert line[2].kind != "missing"
    assert made["missing"].rows[0][0].text.startswith("openi.dp_bow.eps1.cell.s1")
    leak = next(r for r in made["leakage"].rows if r[0].text == "dp_bow" and r[1].text == "ε = 1")
    assert leak[2].kind == "missing"
    record = next(
        r for r in made["weighted"].records if r["method"] == "dp_bow" and r["epsilon"] == 1
    )
    assert record["mean"] is None and "over_budget" in record["missing"]


def test_the_table_says_where_a_linear_model_beats_dp_lora(written) -> None:
    said = written.datasets[0].tables["weighted"].findings
    assert any(s.startswith("At ε = 1, dp_linear_probe (minilm) beats dp_lora") for s in said)


def test_findings_are_silent_where_dp_lora_is_ahead(fake) -> None:
    """The table has no finding then."""
    fake.private = {"dp_lora": (1.6, 1.6), "dp_bow": (0.5, 0.5)}
    assert tables(fake)["weighted"].findings == ()


def test_a_row_without_rivals_is_not_called_the_best(fake) -> None:
    fake.private, fake.non_private = {"dp_bow": (1.0, 1.5)}, {"tfidf": 1.8, "prior": 0.0}
    cells = [c for row in tables(fake)["weighted"].rows for c in row]
    assert len(cells) == 20 and not any(c.kind in ("best", "tie") for c in cells)


def test_controls_never_enter_the_f1_table(written) -> None:
    made = written.datasets[0].tables
    assert not any("control" in str(r["cells"]) for r in made["weighted"].records)
    assert [r[0].text for r in made["leakage"].rows][-4:] == [
        "null: coins permuted",
        "known mechanism, ε = 1",
        "known mechanism, ε = 10",
        "positive control: tfidf, mislabelled",
    ]


def test_an_unresolvable_rate_is_named_and_is_no_number(written) -> None:
    line = written.datasets[0].tables["leakage:loss"].rows[0]
    assert line[4].text == "not resolvable"
    assert re.fullmatch(r"0\.\d\d \[0\.\d\d, 0\.\d\d\]", line[3].text)


def test_a_rare_label_shows_the_share_of_undefined_resamples(fake) -> None:
    fake.records = 60
    fake.private, fake.non_private = {"dp_lora": (9.0, 9.0)}, {"tfidf": 9.0}
    made = tables(fake)
    records = [r for r in made["weighted"].records if r["metric"] == "label:Pneumothorax"]
    assert records and all(r["undefined_share"] > 0 for r in records if r["label"] == "dp_lora")
    assert all("nan" not in c.text for t in made.values() for row in t.rows for c in row)


def test_headings_of_markdown_stand_over_something(fake, written) -> None:
    """No heading of the Markdown stands over an empty section."""
    fake.private, fake.non_private = {}, {"lora": 1.95}  # nothing to compare, nothing guaranteed
    report = write_report(fake.write(), "demo")
    assert not report.datasets[0].tables["differences"].rows
    text = (report.folder / "report.md").read_text()
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    titles = [section.splitlines()[0] for section in sections]
    tables = [s for s in sections if not s.startswith(("What is claimed", "Provenance"))]
    assert not any(t.startswith("Paired differences") for t in titles) and len(tables) > 3
    assert all("\n| " in section or "\n**" in section for section in tables)
    whole = (written.folder / "report.md").read_text()
    assert "### Paired differences in weighted F1\n\n| difference |" in whole


def test_interval_of_an_f1_stays_within_0_and_1(fake) -> None:
    """With two seeds, where the formula reaches beyond."""
    fake.seeds, fake.records = (0, 1), 60
    fake.private, fake.non_private = {}, {"lora": 1.95, "prior": 0.0}
    report = write_report(fake.write(), "demo")
    lines = list(csv.DictReader((report.folder / "f1.csv").open()))
    numbers = [
        [float(x[n]) for n in ("mean", "half_width", "low", "high")] for x in lines if x["low"]
    ]
    assert any(mean + half > 1 or mean - half < 0 for mean, half, _, _ in numbers)
    assert all(0 <= low <= mean <= high <= 1 for mean, _, low, high in numbers)
    cell = next(r for r in report.datasets[0].tables["weighted"].rows if "lora" in r[0].text)[-1]
    said = re.fullmatch(r"0\.\d\d \[(\d\.\d\d), (\d\.\d\d)\]\*", cell.text)
    assert said and float(said[1]) >= 0 and float(said[2]) == 1
    assert re.search(
        r"\* lora .*by the formula ± .*, cut to 0 to 1",
        (report.folder / "report.md").read_text().replace("\\*", "*"),
    )


def test_short_and_limited_recipes_are_marked_everywhere(fake) -> None:
    """In table, figure and page."""
    fake.short_recipe, fake.limited = True, 50
    root = fake.write()
    report = write_report(root, "demo")
    assert "(short recipe, limited to 50 reports)" in report.datasets[0].tables["weighted"].title
    for name in ("f1.svg", "index.html", "report.md"):
        assert "short recipe" in (report.folder / name).read_text()


def test_trivial_rows_are_printed_under_both_definitions(written) -> None:
    rows = {r[0].text: [c.text for c in r[1:]] for r in written.datasets[0].tables["trivial"].rows}
    assert rows["all negative"][0] == "0.00 ± 0.00*"
    assert float(rows["all negative"][2][:4]) > 0.7
    assert {"prior", "all positive"} < set(rows)


def test_the_certificate_shown_is_the_largest_over_seeds(written) -> None:
    rows = written.datasets[0].tables["privacy"].rows
    line = next(r for r in rows if r[0].text == "dp_lora (minilm)" and r[1].text == "ε = 10")
    assert [c.text for c in line[2:5]] == ["9.99", "10⁻⁵", "report"]
    assert [c.text for c in line[5:7]] == ["23 / 60 / no answer", "replayable"]


def test_a_declared_bound_is_told_with_its_source(fake) -> None:
    root = fake.write()
    page = write_report(root, "demo").page.read_text()
    assert "A bound is declared" not in page
    for path in root.rglob("record.json"):
        record = json.loads(path.read_text())
        if record["cell"]["method"] == "dp_bow":
            told = {"step": 0, "name": "head", "sensitivity": 1.0, "source": "Somebody 2011, 8"}
            path.write_text(json.dumps({**record, "declared": [told]}))
    page = write_report(root, "demo").page.read_text()
    assert page.count("not a clip that the waist applies: dp_bow: Somebody 2011, 8.") == 1


def test_nothing_finished_still_gives_a_page(fake) -> None:
    fake.status = {
        f"openi.{m}.eps{e:g}.{role}.s{s}": "planned" for m, e, s, _, role in fake.cells()
    }
    report = write_report(fake.write(), "demo")
    assert "No cell is finished yet." in report.page.read_text()
    assert not (report.folder / "f1.png").exists()


def test_each_dataset_of_a_plan_is_reported_separately(fake) -> None:
    fake.write()
    other = replace(fake, suite="other", dataset="synthetic-plain", private={"dp_bow": (1.0, 1.5)})
    other.write()
    plans = fake.root / "plans"
    one, two = (json.loads((plans / f"{s}.json").read_text()) for s in ("demo", "other"))
    both = {
        **one,
        "suite": "both",
        "datasets": one["datasets"] + two["datasets"],
        "cells": one["cells"] + two["cells"],
    }
    (plans / "both.json").write_text(json.dumps(both))
    report = write_report(fake.root, "both")
    assert [d.dataset for d in report.datasets] == ["openi", "synthetic-plain"]
    alone = write_report(fake.root, "demo").datasets[0]
    assert report.datasets[0].tables == alone.tables
    page = parsed(report.page)
    assert len(page.ids) == len(set(page.ids)) and page.tags.count("figure") == 6
    lines = list(csv.DictReader((report.folder / "leakage.csv").open()))
    assert {x["dataset"] for x in lines} == {"openi", "synthetic-plain"}


def test_an_unwritable_folder_is_one_line(written, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ReportError, match="cannot be written"):
        write_report(written.folder.parents[1], "demo", blocked / "out")


def test_figure_and_terminal_make_no_warning(written) -> None:
    report = written.datasets[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = svg(f1_figure([(report.scores, report.title)]))
        made = terminal(report.tables["weighted"])
    assert "nan" not in text.lower() and ">dp_lora</text>" in text
    assert made.row_count == len(report.tables["weighted"].rows)


def test_labels_in_the_margin_keep_apart_and_inside() -> None:
    labels = Labels([(None, y, "", "") for y in (0.99, 0.98, 0.5, 0.97, 0.0)])
    places = labels.places(0.06, 0.0, 1.0)
    gaps = np.diff(sorted(places))
    assert (gaps > 0.0599).all() and max(places) <= 1.0
    assert np.argsort(places).tolist() == np.argsort([0.99, 0.98, 0.5, 0.97, 0.0]).tolist()


def test_markdown_has_as_many_columns_in_each_row(fake) -> None:
    fake.labels = ("a|b", *fake.labels[1:])
    for table in tables(fake).values():
        lines = [x for x in markdown(table).splitlines() if x.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", x)) for x in lines}) == 1


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [(0.784, 0.021, "0.78 ± 0.02"), (0.784, 0.004, "0.78 ± 0.004"), (1.0, 0.0, "1.00 ± 0.00")],
)
def test_a_half_width_never_rounds_to_zero(mean: float, half: float, text: str) -> None:
    assert plus_minus(mean, half) == text


def test_delta_is_written_as_a_power_of_ten() -> None:
    assert [delta_name(x) for x in (1e-5, 2.5e-6, 0.001)] == ["10⁻⁵", "2.5·10⁻⁶", "0.001"]


def test_a_claim_says_what_its_epsilon_is_worth() -> None:
    from radpriv.reports.facts.claim import odds_factor

    assert [odds_factor(e) for e in (0.01, 1.0, 10.0, 100.0, 700.0, 1e6)] == [
        "1.01", "2.72", "22,026", "2.69e+43", "1.01e+304", "exp(1e+06)"
    ]  # fmt: skip
