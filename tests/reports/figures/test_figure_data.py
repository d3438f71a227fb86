from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from radpriv.reports.figures.epsilon_figure import KNOWN, epsilon_figure
from radpriv.reports.figures.figure_data import epsilon_points, roc_lines
from radpriv.reports.results.load import Results, load


@pytest.fixture
def attacked(fake: Any) -> Results:
    """Loss, LiRA and blind on every family."""
    fake.attacks = ("loss", "lira", "blind")
    fake.records = 40
    return load(fake.write(), "demo")


def of(results: Results, method: str, epsilon: float, role: str = "cell") -> Any:
    """Entries of a family."""
    return [e for e in results.entries if (e.method, e.epsilon, e.role) == (method, epsilon, role)]


def note_of(points: Any) -> str:
    return " ".join(t.get_text() for t in epsilon_figure(points, "").texts).replace("\n", " ")


def edited(
    edits: Any, results: Results, family: str, attack: str, corrected_for: int = 8, **bound: Any
) -> Results:
    """With some of the one-run figures of an attack on a family changed."""
    changed = []
    for a in results.attacks:
        if a.family == family and a.attack == attack:
            a = edits.with_bound(a, "attack", **bound)
            audit = replace(a.audit("attack"), attacks=corrected_for)
            a = edits.with_role(a, "attack", audit=audit)
        changed.append(a)
    return replace(results, attacks=tuple(changed))


def test_curves_are_each_familys_strongest_by_falling_auc(attacked: Results) -> None:
    """Curves are the strongest attack of each family, by falling AUC."""
    lines = roc_lines(attacked, "openi")
    attacks = [line for line in lines if line.role == "attack"]
    assert len(attacks) == 10 and attacks[0].name == "tfidf, no DP"
    assert {"dp_lora, ε = 1", "dp_lora, ε = 10", "lora, no DP"} < {line.name for line in attacks}
    areas = [float(line.detail.rsplit(" ", 1)[1]) for line in attacks]
    assert areas == sorted(areas, reverse=True)
    for line in attacks:
        assert line.detail.startswith("lira, AUC ")
    family = of(attacked, "dp_lora", 10.0)[0].family
    lira = next(a for a in attacked.attacks if a.family == family and a.attack == "lira")
    own = next(line for line in attacks if line.name == "dp_lora, ε = 10")
    assert list(own.tpr) == list(lira.summary["attack"].roc.tpr)
    assert [line.role for line in lines[10:]] == ["control", "blind", "null"]
    assert roc_lines(attacked, "another") == ()


def test_null_spans_the_bands_of_all_families(attacked: Results) -> None:
    null = roc_lines(attacked, "openi")[-1]
    control = {e.family for e in attacked.entries if e.role == "control"}
    curves = [
        a.summary["null"].roc
        for a in attacked.attacks
        if a.attack == "lira" and a.family not in control
    ]
    assert null.low == [min(c.low[i] for c in curves) for i in range(25)]
    assert null.high == [max(c.high[i] for c in curves) for i in range(25)]
    assert null.detail == "10 families"


def test_epsilon_point_is_the_largest_bound(edits: Any, attacked: Results) -> None:
    """An epsilon point is the largest bound and never the blind attack's."""
    entries = of(attacked, "dp_lora", 10.0)
    family = entries[0].family
    results = edited(edits, attacked, family, "loss", epsilon=1.25)
    results = edited(edits, results, family, "lira", epsilon=0.75)
    results = edited(edits, results, family, "blind", epsilon=9.0)
    found = [p for p in epsilon_points(results, "openi") if p.name == "dp_lora"]
    black = next(p for p in found if p.kind == "black box" and p.certified > 5)
    assert (black.empirical, black.choices) == (1.25, 2)
    assert black.certified == max(
        results.done[e.cell_id].record.certificate.epsilon for e in entries
    )
    assert (black.ideal, black.ceiling) == (6.0, 2.3)
    known = next(p for p in found if p.kind == KNOWN and p.certified > 5)
    assert (known.certified, known.ideal, known.choices) == (10.0, None, 1)
    assert not any(p.kind == "white box" for p in found)
    assert epsilon_points(attacked, "another") == ()


def test_attacks_on_gradients_are_the_white_box(edits: Any, attacked: Results) -> None:
    family = of(attacked, "dp_lora", 10.0)[0].family
    loss = next(a for a in attacked.attacks if a.family == family and a.attack == "loss")
    seen = replace(loss, on="gradients", attack="white_box", attack_id="white")
    results = replace(attacked, attacks=(*attacked.attacks, seen))
    results = edited(edits, results, family, "white_box", epsilon=3.5, ceiling=5.5)
    (white,) = [p for p in epsilon_points(results, "openi") if p.kind == "white box"]
    assert (white.name, white.empirical, white.ceiling) == ("dp_lora", 3.5, 5.5)
    assert white.choices == 1 and white.corrected
    lines = roc_lines(results, "openi")
    assert not any("white_box" in line.detail for line in lines)


def test_uncorrected_choice_among_attacks_is_told(edits: Any, attacked: Results) -> None:
    """A choice among attacks that the confidence does not count is told."""
    family = of(attacked, "dp_lora", 10.0)[0].family
    for corrected_for, counted in ((1, False), (2, True)):
        results = edited(edits, attacked, family, "loss", corrected_for, epsilon=2.0)
        found = epsilon_points(results, "openi")
        (point,) = [p for p in found if p.empirical == 2.0]
        assert point.corrected == counted
        said = note_of([point])
        assert ("not corrected for that choice" in said) != counted
        assert (", not corrected" in note_of(found)) != counted


def test_controls_and_families_without_dp_are_no_points(attacked: Results) -> None:
    names = {p.name for p in epsilon_points(attacked, "openi")}
    assert names == {"dp_lora", "dp_linear_probe", "dp_bow"}
    entries = tuple(
        replace(e, role="control") if e.method == "dp_bow" else e for e in attacked.entries
    )
    found = epsilon_points(replace(attacked, entries=entries), "openi")
    assert {p.name for p in found} == names - {"dp_bow"}


def test_family_with_an_unfinished_cell_is_left_out(attacked: Results) -> None:
    lost = of(attacked, "dp_lora", 10.0)[0]
    entries = tuple(replace(e, status="failed") if e is lost else e for e in attacked.entries)
    results = replace(attacked, entries=entries)
    assert "dp_lora, ε = 10" not in {line.name for line in roc_lines(results, "openi")}
    assert not any(
        p.name == "dp_lora" and p.certified > 5 for p in epsilon_points(results, "openi")
    )
