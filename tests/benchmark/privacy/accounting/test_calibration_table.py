"""`radpriv account`: the table in the docs is the computed one, and a ledger is read as told."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.privacy.accounting import calibration_table
from radpriv.benchmark.privacy.accounting.accountants import EpsilonFigure, Figures
from radpriv.benchmark.privacy.accounting.calibration import certify
from radpriv.benchmark.privacy.accounting.calibration_table import (
    COMMAND,
    EPSILONS,
    HEADER,
    PLANS,
    markdown,
    row,
)
from radpriv.benchmark.privacy.accounting.ledger import Group, Release

Radpriv = Callable[..., Any]
DOCUMENT = Path(__file__).parents[4] / "docs" / "calibration.md"


def documented() -> dict[tuple[str, str, str], list[str]]:
    """Cells of the table by (ε, q, T)."""
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    cells = [line.strip("| ").split(" | ") for line in lines]
    assert tuple(cells[0]) == HEADER
    return {(c[0], c[1], c[2]): c[3:] for c in cells[1:]}


@pytest.mark.parametrize(("epsilon", "plan"), [(0.01, 0), (1.0, 0), (10.0, 1), (0.1, 2)])
def test_the_documented_table_is_what_is_computed_now(epsilon: float, plan: int) -> None:
    table = documented()
    assert len(table) == len(EPSILONS) * len(PLANS)
    assert COMMAND in DOCUMENT.read_text()
    rate, steps = PLANS[plan]
    fresh = row(epsilon, rate, steps, None)
    shown = table[f"{epsilon:g}", f"{rate:g}", str(steps)]
    assert shown[0] == fresh.cells()[3] and shown[3] == fresh.cells()[6]
    assert fresh.cells()[3] != row(epsilon, rate, steps - 5, None).cells()[3]
    for sigma, certified in zip(shown[1:3], shown[4:6], strict=True):
        if sigma != "no answer":
            spent = certify((Group(rate, float(sigma), steps),), 1e-5, epsilon / 1000)
            assert float(certified) == pytest.approx(spent, rel=5e-3)
            assert float(certified) <= epsilon


def test_the_documents_words_are_those_of_the_command() -> None:
    assert DOCUMENT.read_text().startswith(markdown([]))


@pytest.mark.parametrize("form", ["--markdown", "--json", ""])
def test_the_table_is_printed_in_three_forms(
    radpriv: Radpriv, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    line = row(1.0, 0.2, 10, None)
    monkeypatch.setattr(calibration_table, "rows", lambda: iter([line]))
    shown = radpriv("account", "--table", *([form] if form else []))
    assert shown.code == 0 and f"{line.noise['PLD']:.4g}"[:4] in shown.out
    assert ("no answer" in shown.out) == (form != "--json")
    if form == "--markdown":
        assert shown.out == markdown([line])


def write(path: Path, steps: int = 20) -> Path:
    lines = [asdict(Release(t, "g", 1.0, 2.0, 0.1, "00")) for t in range(steps)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_ledger_is_accounted_three_ways_and_for_groups(radpriv: Radpriv, tmp_path: Path) -> None:
    path = write(tmp_path / "ledger.jsonl")
    told = json.loads(radpriv("account", path, "--delta", "1e-5", "--json").out)
    expected = certify((Group(0.1, 2.0, 20),), 1e-5, 1e-3)
    epsilons = {f["accountant"]: f["epsilon"] for f in told["figures"]}
    assert epsilons["PLD"] == pytest.approx(expected, rel=2e-3)
    assert epsilons["PLD"] < epsilons["RDP"] and told["disagreements"] == []
    assert told["delta"] == 1e-5 and told["unit"] == "unit"
    assert list(told["units_together"]) == ["1", "2", "5", "10"]
    assert told["units_together"]["1"] < told["units_together"]["2"]


def test_a_cells_folder_states_delta_and_unit(radpriv: Radpriv, tmp_path: Path) -> None:
    write(tmp_path / "ledger.jsonl")
    record = {"cell": {"budget": {"delta": 1e-4, "unit": "report"}}}
    (tmp_path / "record.json").write_text(json.dumps(record))
    shown = radpriv("account", tmp_path, "--group", "3")
    assert shown.code == 0, shown.err
    assert "δ = 0.0001" in shown.out and "one report was in the data" in shown.out
    assert "3 reports together" in shown.out


def test_bad_input_is_one_line(radpriv: Radpriv, tmp_path: Path) -> None:
    path = write(tmp_path / "ledger.jsonl")
    assert "give --delta" in radpriv("account", path).only_line
    assert "--delta 2" in radpriv("account", path, "--delta", "2").only_line
    assert "cannot be read" in radpriv("account", tmp_path / "no", "--delta", "1e-5").only_line
    assert "one of the two" in radpriv("account").only_line
    assert "one of the two" in radpriv("account", path, "--table").only_line
    bad = radpriv("account", path, "--delta", "1e-5", "--group", "0")
    assert "a group of 0 units" in bad.only_line
    path.write_text("{}\n")
    assert "line 1" in radpriv("account", path, "--delta", "1e-5").only_line
    (tmp_path / "record.json").write_text("[]")
    assert "record.json" in radpriv("account", tmp_path).only_line


class Stub:
    """Answers for the two other accountants at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.starts: list[float] = []

    def noise(self, name: str, *plan: float) -> float:
        self.asked.append(name)
        self.starts.append(plan[4])
        return {"PRV": 2.0, "RDP": 3.0}[name]


def test_a_row_holds_what_each_accountant_would_choose() -> None:
    stub = Stub()
    made = row(1.0, 0.1, 10, stub)  # type: ignore[arg-type]
    assert stub.asked == ["PRV", "RDP"]
    assert stub.starts == [pytest.approx(1.04 * made.noise["PLD"])] * 2  # theirs is a little more
    assert (made.noise["PRV"], made.noise["RDP"]) == (2.0, 3.0)


def test_the_grid_is_every_budget_of_every_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Idle:
        def __init__(self, seconds: float) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(calibration_table, "Accountants", Idle)
    monkeypatch.setattr(calibration_table, "row", lambda e, q, t, ask: (e, q, t))
    made = list(calibration_table.rows())
    assert made == [(e, q, t) for q, t in PLANS for e in EPSILONS]


def test_units_together_without_an_answer_are_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []

    def none(made: Any, delta: float, k: int, near: float) -> float:
        asked.append(k)
        raise calibration_table.NoAnswer("too large")

    monkeypatch.setattr(calibration_table, "group_certificate", none)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(json.dumps(asdict(Release(0, "gradient", 1.0, 1.0, 0.1, ""))) + "\n")
    found = calibration_table.account(ledger, 1e-5, (5, 1, 2))
    one = found.figures.pld.epsilon
    assert one is not None and asked == [2]  # more of them would be more work
    assert found.together == {5: None, 1: one, 2: None}
    told = found.as_dict()
    assert told["unit"] == "unit" and told["units_together"] == {"5": None, "1": one, "2": None}


def test_where_one_unit_has_no_answer_more_are_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    silent = Figures(
        EpsilonFigure("PLD", None), EpsilonFigure("PRV", 2.0), EpsilonFigure("RDP", 3.0)
    )
    monkeypatch.setattr(calibration_table.Accountants, "figures", lambda *_: silent)
    monkeypatch.setattr(calibration_table, "group_certificate", None)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text(json.dumps(asdict(Release(0, "gradient", 1.0, 1.0, 0.1, ""))) + "\n")
    assert calibration_table.account(ledger, 1e-5, (1, 2, 5)).together == {
        1: None,
        2: None,
        5: None,
    }


@pytest.mark.parametrize(
    ("epsilon", "words"),
    [
        (None, "No accountant has an answer"),
        (math.inf, "protects nobody"),
        (1.0, "by a factor of at most 2.718 (ε = 1)"),
        (700.0, "by a factor of at most 1.014e+304"),
        (1e4, "by a factor of at most exp(1e+04)"),
    ],
)
def test_a_sentence_says_what_the_certificate_means(epsilon: float | None, words: str) -> None:
    figures = Figures(*(EpsilonFigure(name, epsilon) for name in ("PLD", "PRV", "RDP")))
    assert words in calibration_table.Account(1e-5, "report", figures, {}).sentence


def test_a_row_says_how_long_its_search_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 12.5])
    monkeypatch.setattr(calibration_table.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(calibration_table, "certificate", lambda *_: (1.0, 0.0))
    assert row(1.0, 0.1, 10, None).seconds == 2.5
