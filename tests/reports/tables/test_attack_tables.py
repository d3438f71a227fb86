"""Tables of several attacks: what each shows, what is apart, and what they say when it is wrong."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.store.attack_schema import (
    Amounts,
    AttackResult,
    Extracted,
    ExtractedKind,
    Interval,
)
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


def names(table: Table) -> list[str]:
    return [r[0].text for r in table.rows]


def test_overview_has_a_column_for_each_attack(several: Path) -> None:
    """The overview has a column for each attack, and blind is none."""
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


def test_attacks_have_tables_of_their_own_with_the_same_rows(several: Path) -> None:
    """Each attack has a table of its own with the same rows apart."""
    made = tables(several)
    assert {k for k in made if k.startswith("leakage:")} == {"leakage:loss", "leakage:lira"}
    for key in ("leakage:loss", "leakage:lira"):
        assert names(made[key]) == names(made["leakage"])
        assert {r["attack"] for r in made[key].records} == {key.split(":")[1]}


def test_bound_is_the_largest_of_the_attacks(edits: Any, several: Path) -> None:
    edits.rewrite(
        several, lambda result: edits.with_bound(result, "attack", epsilon=3.21), "lira-*"
    )
    made = tables(several)
    line = next(r for r in made["leakage"].rows if r[0].text == "tfidf")
    assert line[4].text == "3.21"
    audit = [r for r in made["audit"].rows if r[0].text == "tfidf"]
    assert [r[4].text for r in audit] == ["3.21"] and audit[0][3].text == "–"


def test_bound_above_the_certificate_is_said(edits: Any, several: Path) -> None:
    assert tables(several)["audit"].findings == ()
    edits.rewrite(several, lambda result: edits.with_bound(result, "attack", epsilon=5.0), "lira-*")
    said = tables(several)["audit"].findings
    assert any("dp_bow, ε = 1, black box: the bound 5.00 lies above" in s for s in said)
    assert not any("ε = 10" in s for s in said)


def test_white_box_audits_stand_beside_the_black_box(edits: Any, several: Path) -> None:
    def white(result: AttackResult) -> AttackResult:
        attack_id = f"white_box-{result.family}"
        return replace(result, attack="white_box", attack_id=attack_id, on="gradients")

    edits.rewrite(several, white, "loss-*")
    made = tables(several)
    kinds = [r[2].text for r in made["audit"].rows if r[0].text == "dp_bow"]
    assert kinds == ["black box", "white box"] * 2
    assert "white_box, AUC" not in made["leakage"].columns


def test_split_that_leaks_is_said_loudly(edits: Any, several: Path) -> None:
    assert any("at chance" in s for s in tables(several)["leakage"].findings)

    far = Interval(0.7, 0.66, 0.74, 0.95)
    edits.rewrite(several, lambda result: edits.with_role(result, "attack", auc=far), "blind-*")
    said = tables(several)["leakage"].findings
    assert any(s.startswith("Blind: far from 0.5") and "distrust" in s for s in said)


def test_known_mechanism_above_its_truth_is_said(edits: Any, several: Path) -> None:
    edits.rewrite(several, lambda result: edits.with_bound(result, "known", epsilon=12.0), "loss-*")
    assert any("above its true ε" in s for s in tables(several)["leakage:loss"].findings)
    assert not any("above its true ε" in s for s in tables(several)["leakage:lira"].findings)


def test_groups_and_labels_are_the_strongest_attacks(several: Path) -> None:
    """Groups, labels and patients are those of the strongest attack."""
    made = tables(several)
    line = next(r for r in made["groups"].rows if r[0].text == "tfidf")
    assert line[2].text == "lira" and line[3].text.startswith("0.78 [")
    assert line[5].text == "not resolvable (120)" and line[6].text.endswith("(80)")
    label = next(r for r in made["label_leakage"].rows if r[0].text == "tfidf")
    assert label[3].text.startswith("No Finding 0.75 [") and label[-1].text == "5 of 6"
    assert not any("control" in n for n in names(made["groups"]))


def test_without_subsets_there_is_no_such_table(edits: Any, several: Path) -> None:
    edits.rewrite(several, lambda result: replace(result, subgroups=None))
    assert not {"groups", "label_leakage"} & set(tables(several))


def test_extracted_amount_stands_beside_its_null(edits: Any, several: Path) -> None:
    """What was extracted stands beside its null."""
    gap = Amounts(9.5, 1.4, Interval(8.1, 7.0, 9.2, 0.95), 1.0)
    many = ("candidates within a model", gap)
    line = ExtractedKind("secret*16", 3, 12, 0, 10, 10, "Welch t", *many)
    nothing = replace(line, amounts=replace(gap, difference=Interval(-0.1, -0.5, 0.4, 0.95)))
    few = replace(line, kind="secret", amounts=None, members=2)

    def exposure(result: AttackResult) -> AttackResult:
        return replace(
            result,
            attack="exposure",
            attack_id=f"exposure-{result.family}",
            on="secrets",
            rows=(),
            summary={},
            subgroups=None,
            extracted=Extracted(
                quantity="exposure, bits",
                chance=1.44,
                kinds={result.role: (few, line), "null": (few, nothing)},
                remarks={"head": "trained on synthetic-plain"},
            ),
        )

    edits.rewrite(several, exposure, "loss-*")
    made = tables(several)
    rows = [[c.text for c in r] for r in made["extracted"].rows if r[0].text == "tfidf"]
    assert rows[1][3:] == [
        "secret*16", "9.5", "1.4", "+8.1 [+7, +9.2]", "−0.1 [−0.5, +0.4]", "12",
    ]  # fmt: skip
    assert rows[0][4] == "not resolvable"
    assert made["extracted"].notes[0] == "exposure: exposure, bits."
    assert made["extracted"].findings == ("exposure: head: trained on synthetic-plain.",)
    assert "exposure, AUC" not in made["leakage"].columns


def test_three_attacks_lose_intervals_on_the_terminal_alone(edits: Any, several: Path) -> None:
    """Three attacks and more lose their intervals on the terminal alone."""
    table = tables(several)["leakage"]
    assert compact(table) == table
    edits.rewrite(several, lambda result: replace(result, attack="rmia"), "blind-*")
    wide = tables(several)["leakage"]
    line = next(r for r in compact(wide).rows if r[0].text == "tfidf")
    assert [c.text for c in line[2:5]] == ["0.70", "0.73", "0.50"]
    assert "[" in next(r for r in wide.rows if r[0].text == "tfidf")[2].text


def test_family_with_a_missing_cell_has_no_audit(fake: Any) -> None:
    fake.status = {"openi.dp_bow.eps1.cell.s1": "over_budget"}
    made = tables(fake.write())
    budgets = [r[1].text for r in made["audit"].rows if r[0].text == "dp_bow"]
    assert budgets == ["ε = 10"]


def test_costs_of_many_attacks_and_few_references_are_said(edits: Any, several: Path) -> None:
    """What the numbers of attacks, references and candidates take away is said."""
    assert not any("corrected for a choice" in f for f in tables(several)["leakage"].findings)
    for name in (f"mine{number}" for number in range(7)):
        edits.rewrite(
            several,
            lambda r, name=name: replace(r, attack=name, attack_id=f"{name}-{r.family}"),
            "loss-*",
        )

    def edit(result: AttackResult) -> AttackResult:
        for role in result.summary:
            result = edits.with_role(result, role, references=0, candidates=9)
        return result

    edits.rewrite(several, edit, "[lb]*")
    said = " ".join(tables(several)["leakage"].findings)
    assert "9 attacks were made" in said and "no bound" in said
    assert "No other seed to compare with" in said and "Fewer than 20 candidates" in said
    assert "Blind" not in said


def test_largest_bound_of_the_attacks_is_at_a_glance(several: Path) -> None:
    """One bound is printed for an attack, and the largest of them at a glance."""
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


def test_ceiling_of_nothing_is_no_bound_of_nothing(edits: Any, several: Path) -> None:
    def edit(result: AttackResult) -> AttackResult:
        for role in result.summary:
            result = edits.with_bound(result, role, epsilon=0.0, ceiling=0.0)
        return result

    edits.rewrite(several, edit)
    made = tables(several)
    for key, at in (("leakage", 4), ("leakage:loss", 7), ("audit", 4)):
        for row in made[key].rows:
            assert row[at].text in ("too few", "–", "missing"), (key, row)
    assert not any("lies above" in line for line in made["audit"].findings)


def test_a_control_that_is_not_attacked_is_not_called_absent(several: Path) -> None:
    """Nor is one whose cells have not finished."""

    def findings() -> str:
        return " ".join(tables(several)["leakage"].findings)

    assert "Positive control: AUC" in findings()
    for path in (several / "attacks").glob("*/result.json"):
        if json.loads(path.read_text())["role"] == "control":
            shutil.rmtree(path.parent)
    assert "The positive control was trained and not attacked: a low AUC may" in findings()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({f"openi.tfidf.epsinf.control.s{s}": "failed" for s in range(3)}, "has not finished (mis"),
        (None, "No positive control was run: a low AUC may"),
    ],
    ids=["failed", "none"],
)
def test_a_missing_control_is_said_as_it_is(
    fake: Any, status: dict[str, str] | None, sentence: str
) -> None:
    if status is None:
        fake.cells = lambda: [("tfidf", math.inf, seed, 1.0, "cell") for seed in range(3)]
    else:
        fake.status = status
    assert sentence in " ".join(tables(fake.write())["leakage"].findings)
