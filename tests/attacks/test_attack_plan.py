"""What the stage says of attacks that could not be made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from radpriv.attacks import attack_plan
from radpriv.benchmark.store import examples
from radpriv.benchmark.store.plan_schema import Axes, Family, PlannedCell
from radpriv.errors import AttackError

OF = "(made-up, non-private)"


def planned(label: str) -> PlannedCell:
    axes = Axes("made-up", "", label, label, math.inf, 0, "natural")
    return PlannedCell(axes, f"{label}-0", label, "code", "cell", "done")


def test_reason_is_said_once_with_every_attack_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reason is said once, and every attack it stops is named."""
    cells = [planned(f"method{i}") for i in range(3)]

    def refuse(store: Any, name: str, how: Any, family: Family, *_: Any) -> Any:
        raise AttackError("method1 alone" if family.axes.label == "method1" else "3 candidates")

    monkeypatch.setattr(attack_plan, "_attacked", refuse)
    said: list[str] = []
    failed: list[str] = []
    found = attack_plan.attack_plan(
        None,  # type: ignore[arg-type]
        examples.plan(*cells),
        ("loss", "lira"),
        say=said.append,
        failed=failed,
    )
    assert found == [] and len(failed) == 6 and all("not attacked: " in line for line in failed)
    assert said == [
        f"loss on method0 {OF}: not attacked: 3 candidates",
        f"loss on method1 {OF}: not attacked: method1 alone",
        f"not attacked for the same reason as loss on method0 {OF}: loss on method2 {OF}; "
        f"lira on method0 {OF}; lira on method2 {OF}",
        f"not attacked for the same reason as loss on method1 {OF}: lira on method1 {OF}",
    ]
