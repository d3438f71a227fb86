"""What the stage says of attacks that could not be made."""

from __future__ import annotations

from typing import Any

import pytest

from radpriv.attacks import attack_plan
from radpriv.errors import AttackError


def test_reason_is_said_once_with_every_attack_it_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reason is said once, and every attack it stops is named."""
    labels = {f"f{i}": attack_plan.Family(label=f"method{i}") for i in range(3)}

    def refuse(store: Any, name: str, how: Any, family: attack_plan.Family, origins: Any) -> Any:
        raise AttackError("method1 alone" if family.label == "method1" else "3 candidates")

    monkeypatch.setattr(attack_plan, "families", lambda store, plan: labels)
    monkeypatch.setattr(attack_plan, "_attacked", refuse)
    said: list[str] = []
    failed: list[str] = []
    found = attack_plan.attack_plan(
        None,  # type: ignore[arg-type]
        {},
        ("loss", "lira"),
        say=said.append,
        failed=failed,
    )
    assert found == [] and len(failed) == 6 and all("not attacked: " in line for line in failed)
    assert said == [
        "loss on method0: not attacked: 3 candidates",
        "loss on method1: not attacked: method1 alone",
        "not attacked for the same reason as loss on method0: loss on method2; lira on method0; "
        "lira on method2",
        "not attacked for the same reason as loss on method1: lira on method1",
    ]
