"""Tables of several attacks: what each shows, what is apart, and what they say when it is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radpriv.reports.build import build
from radpriv.reports.render.table import Table
from radpriv.reports.results.load import load
from radpriv.reports.tables.overview import compact


@pytest.fixture
def several(fake: Any) -> Path:
    fake.attacks = ("loss", "lira", "blind")
    root: Path = fake.write()
    return root


def tables(root: Path) -> dict[str, Table]:
    return dict(build(load(root, "demo"))[0].tables)


def change(root: Path, pattern: str, edit: Any) -> None:
    for path in (root / "attacks").glob(f"{pattern}/result.json"):
        result = json.loads(path.read_text())
        edit(result)
        path.write_text(json.dumps(result))


def names(table: Table) -> list[str]:
    return [r[0].text for r in table.rows]


def test_the_overview_has_a_column_for_each_attack_and_blind_is_none(several: Path) -> None:
    table = tables(several)["leakage"]
    assert table.columns[:4] == ("method", "budget", "loss, AUC", "lira, AUC")
    assert names(table)[-table.apart :] == [
        "blind: sees no model",
        "null: coins permuted",
        "known mechanism, ε = 1",
        "known mechanism, ε = 10",
        "positive control: tfidf, mislabelled",
    ]
    line = next(r for r in table.rows if r[0].text == "tfidf")
    assert line[2].text.startswith("0.70 [") and line[3].text.startswith("0.73 [")


def test_each_attack_has_a_table_of_its_own_with_the_same_rows_apart(several: Path) -> None:
    made = tables(several)
    assert {k for k in made if k.startswith("leakage:")} == {"leakage:loss", "leakage:lira"}
    for key in ("leakage:loss", "leakage:lira"):
        assert names(made[key]) == names(made["leakage"])
        assert {r["attack"] for r in made[key].records} == {key.split(":")[1]}


def test_the_bound_is_the_largest_of_the_attacks(several: Path) -> None:
    def edit(result: Any) -> None:
        if result["audit"].get("attack"):
            result["audit"]["attack"]["one_run"]["epsilon"] = 3.21

    change(several, "lira-*", edit)
    made = tables(several)
    line = next(r for r in made["leakage"].rows if r[0].text == "tfidf")
    assert line[4].text == "3.21"
    audit = [r for r in made["audit"].rows if r[0].text == "tfidf"]
    assert [r[4].text for r in audit] == ["3.21"] and audit[0][3].text == "–"


def test_a_bound_above_the_certificate_is_said(several: Path) -> None:
    def edit(result: Any) -> None:
        if result["audit"].get("attack"):
            result["audit"]["attack"]["one_run"]["epsilon"] = 5.0

    assert tables(several)["audit"].findings == ()
    change(several, "lira-*", edit)
    said = tables(several)["audit"].findings
    assert any("dp_bow, ε = 1, black box: the bound 5.00 lies above" in s for s in said)
    assert not any("ε = 10" in s for s in said)


def test_white_box_audits_stand_beside_the_black_box(several: Path) -> None:
    for path in sorted((several / "attacks").glob("loss-*/result.json")):
        result = json.loads(path.read_text())
        result |= {"attack": "white_box", "attack_id": "white", "on": "gradients"}
        folder = several / "attacks" / f"white_box-{result['family']}"
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result))
    made = tables(several)
    kinds = [r[2].text for r in made["audit"].rows if r[0].text == "dp_bow"]
    assert kinds == ["black box", "white box"] * 2
    assert "white_box, AUC" not in made["leakage"].columns


def test_a_split_that_leaks_is_said_loudly(several: Path) -> None:
    assert any("at chance" in s for s in tables(several)["leakage"].findings)

    def edit(result: Any) -> None:
        told = result["summary"].get("attack", {})
        told |= {"auc": 0.7, "auc_low": 0.66, "auc_high": 0.74}

    change(several, "blind-*", edit)
    said = tables(several)["leakage"].findings
    assert any(s.startswith("Blind: far from 0.5") and "distrust" in s for s in said)


def test_a_known_mechanism_above_its_truth_is_said(several: Path) -> None:
    def edit(result: Any) -> None:
        if "known" in result["summary"]:
            result["summary"]["known"]["epsilon_lower"] = 12.0

    change(several, "loss-*", edit)
    assert any("above its true ε" in s for s in tables(several)["leakage:loss"].findings)
    assert not any("above its true ε" in s for s in tables(several)["leakage:lira"].findings)


def test_groups_labels_and_patients_are_those_of_the_strongest_attack(several: Path) -> None:
    made = tables(several)
    line = next(r for r in made["groups"].rows if r[0].text == "tfidf")
    assert line[2].text == "lira" and line[3].text.startswith("0.78 [")
    assert line[5].text == "not resolvable (120)" and line[6].text.endswith("(80)")
    label = next(r for r in made["label_leakage"].rows if r[0].text == "tfidf")
    assert label[3].text.startswith("No Finding 0.75 [") and label[-1].text == "5 of 6"
    assert not any("control" in n for n in names(made["groups"]))


def test_without_subsets_there_is_no_such_table(several: Path) -> None:
    change(several, "*", lambda result: result.update(subsets={}))
    assert not {"groups", "label_leakage"} & set(tables(several))


def test_what_was_extracted_stands_beside_its_null(several: Path) -> None:
    line = {
        "kind": "secret*16", "k": 3, "asked": 12, "left_out": 0, "members": 10, "non_members": 10,
        "resolvable": True, "interval": "Welch t", "replicates": "candidates within a model",
        "member_mean": 9.5, "non_member_mean": 1.4, "difference": 8.1, "difference_low": 7.0,
        "difference_high": 9.2, "auc": 1.0,
    }  # fmt: skip
    nothing = {**line, "difference": -0.1, "difference_low": -0.5, "difference_high": 0.4}
    few = {**line, "kind": "secret", "resolvable": False, "members": 2}
    for path in sorted((several / "attacks").glob("loss-*/result.json")):
        result = json.loads(path.read_text())
        role = "control" if "control" in result["summary"] else "attack"
        summary = {role: {"kinds": [few, line]}, "null": {"kinds": [few, nothing]}}
        result |= {
            "attack": "exposure", "attack_id": "e", "on": "secrets", "kind": "extraction",
            "summary": summary, "quantity": "exposure, bits", "chance": 1.44, "audit": {},
            "remarks": {"head": "trained on synthetic-plain"},
        }  # fmt: skip
        folder = several / "attacks" / f"exposure-{result['family']}"
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result))
    made = tables(several)
    rows = [[c.text for c in r] for r in made["extracted"].rows if r[0].text == "tfidf"]
    assert rows[1][3:] == [
        "secret*16", "9.5", "1.4", "+8.1 [+7, +9.2]", "−0.1 [−0.5, +0.4]", "12",
    ]  # fmt: skip
    assert rows[0][4] == "not resolvable"
    assert made["extracted"].notes[0] == "exposure: exposure, bits."
    assert made["extracted"].findings == ("exposure: head: trained on synthetic-plain.",)
    assert "exposure, AUC" not in made["leakage"].columns


def test_three_attacks_and_more_lose_their_intervals_on_the_terminal_alone(several: Path) -> None:
    table = tables(several)["leakage"]
    assert compact(table) == table
    change(several, "blind-*", lambda result: result.update(attack="rmia"))
    wide = tables(several)["leakage"]
    line = next(r for r in compact(wide).rows if r[0].text == "tfidf")
    assert [c.text for c in line[2:5]] == ["0.70", "0.73", "0.50"]
    assert "[" in next(r for r in wide.rows if r[0].text == "tfidf")[2].text


def test_a_family_with_a_missing_cell_has_no_audit(fake: Any) -> None:
    fake.status = {"openi.dp_bow.eps1.cell.s1": "over_budget"}
    made = tables(fake.write())
    budgets = [r[1].text for r in made["audit"].rows if r[0].text == "dp_bow"]
    assert budgets == ["ε = 10"]


def test_what_the_numbers_of_attacks_references_and_candidates_take_away_is_said(
    several: Path,
) -> None:
    assert not any("corrected for a choice" in f for f in tables(several)["leakage"].findings)
    for path in sorted((several / "attacks").glob("loss-*/result.json")):
        for number in range(7):
            result = {**json.loads(path.read_text()), "attack": f"mine{number}"}
            folder = several / "attacks" / f"mine{number}-{result['family']}"
            folder.mkdir()
            (folder / "result.json").write_text(json.dumps(result))

    def edit(result: Any) -> None:
        for summary in result["summary"].values():
            summary |= {"references": 0, "candidates": 9}

    change(several, "l*", edit)
    change(several, "blind-*", edit)
    said = " ".join(tables(several)["leakage"].findings)
    assert "9 attacks were made" in said and "no bound" in said
    assert "No other seed to compare with" in said and "Fewer than 20 candidates" in said
    assert "Blind" not in said


def test_one_bound_is_printed_for_an_attack_and_the_largest_of_them_at_a_glance(
    several: Path,
) -> None:
    made = tables(several)
    for line in made["leakage"].rows[: -made["leakage"].apart]:
        shown = {
            key: next(
                r[7].text
                for r in made[key].rows
                if [c.text for c in r[:2]] == [c.text for c in line[:2]]
            )
            for key in ("leakage:loss", "leakage:lira")
        }
        assert line[4].text == max(shown.values(), key=float)


def test_a_ceiling_of_nothing_is_no_bound_of_nothing(several: Path) -> None:
    def edit(result: Any) -> None:
        for role, audit in result["audit"].items():
            audit["one_run"] |= {"epsilon": 0.0, "ceiling": 0.0}
            result["summary"][role] |= {"epsilon_lower": 0.0, "ceiling": 0.0}

    change(several, "*", edit)
    made = tables(several)
    for key, at in (("leakage", 4), ("leakage:loss", 7), ("audit", 4)):
        for row in made[key].rows:
            assert row[at].text in ("too few", "–", "missing"), (key, row)
    assert not any("lies above" in line for line in made["audit"].findings)
