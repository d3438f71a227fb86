"""Sampling rate, steps and noise of each private row, from the ledgers of its cells."""

from __future__ import annotations

from typing import Any

from radpriv.reports.build import build
from radpriv.reports.render.table import Table
from radpriv.reports.results.load import load


def mechanisms(fake: Any, groups: Any) -> Table | None:
    """groups: of the ledger of a private cell, by method and seed."""

    def edit(record: dict[str, Any]) -> None:
        cell = record["cell"]
        if cell["budget"]["epsilon"] != "inf":
            record["ledger"]["groups"] = groups(cell["method"], cell["seed"])

    fake.edit = edit
    return build(load(fake.write(), "demo"))[0].tables.get("mechanisms")


def group(rate: float, noise: float, steps: int) -> dict[str, float]:
    return {"rate": rate, "noise_multiplier": noise, "steps": steps}


def rows(table: Table, method: str) -> list[list[str]]:
    return [[c.text for c in row[1:]] for row in table.rows if row[0].text.startswith(method)]


def test_each_group_of_a_ledger_has_a_line(fake: Any) -> None:
    def groups(method: str, seed: int) -> list[dict[str, float]]:
        if method == "dp_bow":
            return [group(1.0, 2.5, 1), group(0.05, 0.81 + 0.1 * seed, 1200)]
        return [group(0.1, 1.5, 20)]

    table = mechanisms(fake, groups)
    assert table is not None
    assert rows(table, "dp_lora") == [[f"ε = {e}", "0.1", "20", "1.5"] for e in (1, 10)]
    assert rows(table, "dp_bow")[:2] == [
        ["ε = 1", "1", "1", "2.5"],
        ["ε = 1", "0.05", "1,200", "0.81 to 1.01"],
    ]
    assert not rows(table, "tfidf")
    of_bow = [r for r in table.records if r["method"] == "dp_bow" and r["epsilon"] == 1.0]
    assert [r["noise_multiplier"] for r in of_bow] == [2.5, 0.81, 2.5, 0.91, 2.5, 1.01]


def test_ledgers_of_unequal_length_are_not_paired(fake: Any) -> None:
    table = mechanisms(fake, lambda method, seed: [group(0.1, 1.5, 20)] * (1 + (seed == 2)))
    assert table is not None
    assert rows(table, "dp_lora")[0][1:] == ["differs by seed"] * 3


def test_without_a_ledger_there_is_no_table(fake: Any) -> None:
    assert mechanisms(fake, lambda method, seed: []) is None
