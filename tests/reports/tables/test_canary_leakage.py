"""Planted canaries in the report: a table of their own, never in the headline."""

from __future__ import annotations

import csv
from dataclasses import replace

from radpriv.benchmark.store.attack_schema import AttackResult
from radpriv.reports.build import build
from radpriv.reports.results.load import load


def test_each_family_has_a_row_per_kind(written) -> None:
    table = written.datasets[0].tables["canaries"]
    lines = [r for r in table.rows if r[0].text == "tfidf"]
    kinds = {r[2].text: [c.text for c in r[3:]] for r in lines}
    assert kinds["rare-token"] == ["0.70 [0.60, 0.80]", "0.10", "1.20", "40"]
    assert kinds["secret"] == ["not resolvable", "0.00", "1.20", "40"]
    assert kinds["secret*16"][0].startswith("0.90") and kinds["secret*16"][1] == "–"
    apart = table.rows[-table.apart :]
    assert [r[2].text for r in apart] == ["rare-token", "secret", "secret*16"]
    assert {r[0].text for r in apart} == {"null: coins permuted"}


def test_they_stand_on_the_page_in_markdown_and_in_the_csv(written) -> None:
    for path in (written.page, written.folder / "report.md"):
        assert "Leakage of planted canaries" in path.read_text()
    lines = list(csv.DictReader((written.folder / "leakage.csv").open()))
    line = next(x for x in lines if x["method"] == "tfidf" and x["role"] == "attack")
    assert line["canary_rare-token_epsilon_lower"] == "0.1" and "canaries" not in line
    assert line["canary_secret*16_epsilon_lower"] == "" and line["canary_secret_auc"] == ""


def test_without_canaries_there_is_no_such_table(edits, fake) -> None:
    root = fake.write()

    def edit(result: AttackResult) -> AttackResult:
        for role in result.summary:
            result = edits.with_role(result, role, canaries=())
        return result

    edits.rewrite(root, edit)
    made = build(load(root, "demo"))[0].tables
    assert "canaries" not in made and "strata" in made


def test_f1_of_a_training_with_canaries_says_so(fake) -> None:
    def edit(record) -> None:
        planting = {"copies": 1, "space": 10**6, "share": 0.0}
        record["cell"]["audit"] = {
            "unit": "report",
            "canaries": "natural",
            "planted": [
                {**planting, "kind": "gradient", "count": 100},
                {**planting, "kind": "secret", "count": 4, "copies": 16},
                {**planting, "kind": "mislabelled", "count": 0, "share": 0.25},
            ],
        }

    assert "canaries:" not in build(load(fake.write(), "demo"))[0].tables["weighted"].notes[0]
    planted = replace(fake, root=fake.root / "planted", edit=edit)
    report = build(load(planted.write(), "demo"))[0]
    said = "canaries: 100 gradient, 25% of candidates mislabelled, 4 × 16 secret"
    assert said in report.tables["weighted"].notes[0] and said in dict(report.facts)["Planted"]
