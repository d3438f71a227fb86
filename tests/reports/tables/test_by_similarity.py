"""Near-copies in the report: how many were left out, and the AUC by similarity."""

from __future__ import annotations

import csv
import json

import pytest

from radpriv.benchmark.store.attack_schema import AttackResult
from radpriv.reports.build import build
from radpriv.reports.results.load import load
from radpriv.reports.tables.by_similarity import span_name
from radpriv.reports.write import write_report


def test_leakage_table_counts_near_copies_left_out(written) -> None:
    """The leakage table says how many near-copies were left out."""
    table = written.datasets[0].tables["leakage"]
    (said,) = [f for f in table.findings if f.startswith("Near-copies:")]
    assert (
        "29 of 479 candidates" in said
        and "(similarity 0.7 or more)" in said
        and "in or out alike" in said
    )
    of_loss = written.datasets[0].tables["leakage:loss"]
    assert any(n.startswith("candidates:") and "never on a coin" in n for n in of_loss.notes)
    line = of_loss.rows[0]
    assert (line[9].text, line[9].note) == ("450", "29 near-copies left out")
    assert said in written.page.read_text()


def test_nothing_left_out_is_not_mentioned(edits, fake) -> None:
    root = fake.write()

    def edit(result: AttackResult) -> AttackResult:
        for role in result.summary:
            result = edits.with_role(result, role, left_out=0)
        return result

    edits.rewrite(root, edit)
    table = build(load(root, "demo"))[0].tables["leakage"]
    assert not [f for f in table.findings if "Near-copies" in f] and table.findings


def test_each_family_has_its_auc_by_similarity(written) -> None:
    table = written.datasets[0].tables["strata"]
    assert table.columns[2:] == ("attack", "below 0.5", "0.5 to 0.7", "0.7 and more")
    line = next(r for r in table.rows if r[0].text == "tfidf")
    assert line[3].text == "0.70 [0.60, 0.80] (400)" and line[4].text == "0.65 [0.55, 0.75] (50)"
    assert line[2].text == "loss" and (line[5].text, line[5].kind) == (
        "not resolvable (29)",
        "absent",
    )
    names = [r[0].text for r in table.rows]
    assert names[-2:] == ["null: coins permuted", "positive control: tfidf, mislabelled"]
    assert table.apart == 2 and names.count("tfidf") == 1
    leakage = written.datasets[0].tables["leakage"].rows
    assert names == [r[0].text for r in leakage if not r[0].text.startswith("known")]
    assert [r[1].text for r in table.rows[:-2]] == [r[1].text for r in leakage[: len(names) - 2]]


def test_strata_stand_on_the_page_in_markdown_and_in_the_csv(written) -> None:
    for path in (written.page, written.folder / "report.md"):
        assert "Leakage by similarity to the nearest other training record" in path.read_text()
    lines = list(csv.DictReader((written.folder / "leakage.csv").open()))
    line = next(x for x in lines if x["method"] == "tfidf" and x["role"] == "attack")
    assert line["similarity_0_0.5_candidates"] == "400" and line["left_out"] == "29"
    assert float(line["similarity_0.5_0.7_auc"]) == pytest.approx(0.65, abs=0.02)
    assert line["similarity_0.7_1_auc"] == "" and "strata" not in line


def test_without_an_attack_there_is_no_such_table(fake) -> None:
    root = fake.write()
    made = build(load(root, "demo", attack_ids=()))[0].tables
    assert "strata" not in made and "leakage" in made


def test_results_that_counted_near_copies_are_not_shown(fake) -> None:
    root = fake.write()
    for path in (root / "attacks").glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "counting": 1}))
    report = write_report(root, "demo")
    line = report.datasets[0].tables["leakage"].rows[0]
    assert line[2].text == "not attacked yet"


def test_spans_are_named_in_words() -> None:
    assert span_name(0.0, None) == "0 and more"
    assert [span_name(0.0, 0.5), span_name(0.5, 0.7)] == ["below 0.5", "0.5 to 0.7"]
