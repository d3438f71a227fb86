from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.store.attack_schema import AttackResult
from radpriv.errors import ReportError, StoreError
from radpriv.reports.results.load import load

MARKER = "zebra finding"


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def edit_plan(root: Path, change) -> None:
    path = root / "plans" / "demo.json"
    plan = json.loads(path.read_text())
    change(plan)
    path.write_text(json.dumps(plan))


def test_plan_is_read_with_its_cells_scores_and_attacks(fake) -> None:
    results = load(fake.write(), "demo")
    assert len(results.entries) == len(results.done) == 33
    assert len(results.attacks) == 11
    controls = [d for d in results.done.values() if d.entry.role == "control"]
    assert len(controls) == 3 and all(d.scores is None for d in controls)


def test_unknown_suite_is_refused_with_the_plans_that_exist(fake) -> None:
    with pytest.raises(StoreError, match="no plan called 'demmo'") as error:
        load(fake.write(), "demmo")
    assert "did you mean demo?" in one_line(error)


def test_mixed_fingerprints_are_refused_naming_the_cells(fake) -> None:
    """Mixed fingerprints in a family are refused, naming the cells."""
    root = fake.write()
    other = "f" * 16

    def change(plan) -> None:
        cell = plan["cells"][0]
        folder = root / "cells" / cell["cell_id"]
        (folder / cell["fingerprint"]).rename(folder / other)
        cell["fingerprint"] = other
        record = folder / other / "record.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "fingerprint": other}))

    edit_plan(root, change)
    with pytest.raises(ReportError, match="mixes fingerprints") as error:
        load(root, "demo")
    assert "openi.dp_lora.eps1.cell.s0" in one_line(error)
    assert any("mixes fingerprints" in m for m in load(root, "demo", allow_mixed=True).mixed)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("package torch", lambda r: r["how"]["packages"].update(torch="2.12.0")),
        ("device", lambda r: r.update(device_kind="cuda")),
        ("dtype", lambda r: r.update(dtype="bfloat16")),
    ],
)
def test_table_refuses_mixed_packages_device_and_dtype(fake, name: str, change) -> None:
    fake.edit = lambda r: change(r) if r["cell_id"].startswith("openi.lora.epsinf.cell.s1") else 0
    root = fake.write()
    with pytest.raises(ReportError, match=f"mixes {name}") as error:
        load(root, "demo")
    assert "openi.lora.epsinf.cell.s1" in one_line(error)
    assert load(root, "demo", allow_mixed=True).mixed


def test_packages_of_some_methods_alone_are_not_mixed(fake) -> None:
    """Packages that only some methods use do not count as mixed."""
    fake.edit = lambda r: r["how"]["packages"].pop("torch") if "tfidf" in r["cell_id"] else 0
    assert not load(fake.write(), "demo").mixed


def test_limited_results_never_share_a_table(fake) -> None:
    """Limited results never share a table, even if mixing is allowed."""
    fake.edit = lambda r: r["cell"].update(limited=50) if "tfidf" in r["cell_id"] else 0
    with pytest.raises(ReportError, match="limited = 50"):
        load(fake.write(), "demo", allow_mixed=True)


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_truncated_score_file_is_one_line_with_its_name(fake, damage: bytes) -> None:
    root = fake.write()
    path = sorted(root.glob("cells/openi.lora*/*/test.parquet"))[0]
    path.write_bytes(damage)
    found = load(root, "demo")
    (line,) = found.damaged
    assert f"{path}: cannot be read" in line and "\n" not in line
    (entry,) = [e for e in found.entries if not e.done]
    assert entry.cell_id == path.parts[-3] and "test.parquet: cannot be read" in entry.why_missing


def test_cell_that_the_plan_calls_done_but_is_absent_is_named(fake) -> None:
    root = fake.write()
    path = sorted(root.glob("cells/openi.lora*/*/record.json"))[0]
    path.unlink()
    assert re.search(r"cells/openi\.lora.*record\.json: absent", load(root, "demo").damaged[0])
    shutil.rmtree(path.parent)
    assert re.search(r"cell openi\.lora.*the plan says done", load(root, "demo").damaged[0])
    for path in root.glob("cells/*/*/record.json"):
        path.unlink()
    with pytest.raises(StoreError, match=r"record\.json: absent"):  # nothing is left to show
        load(root, "demo")


def test_attack_on_other_cells_is_left_out(edits: Any, fake) -> None:
    """An attack on other cells than the finished ones is left out."""
    root = fake.write()
    path = sorted(root.glob("attacks/*/result.json"))[0]

    def fewer(result: AttackResult) -> AttackResult:
        return replace(result, cell_fingerprints=dict([*result.cell_fingerprints.items()][:2]))

    def other(result: AttackResult) -> AttackResult:
        changed = dict.fromkeys(result.cell_fingerprints, "computed before")
        return replace(result, cell_fingerprints=changed)

    for edit in (fewer, other):
        kept = path.read_bytes()
        edits.rewrite(root, edit, path.parent.name)
        assert len(load(root, "demo").attacks) == 10
        path.write_bytes(kept)


@pytest.mark.parametrize("damage", [b"", b'{"attack_id": "lo', b"[]", b"{}", b"\xff\xfe", None])
def test_unreadable_attack_result_costs_a_report_that_one(fake, damage) -> None:
    """An attack result that cannot be read costs the report that one alone."""
    root = fake.write()
    path = sorted(root.glob("attacks/*/result.json"))[0]
    listed = [p.parent.name for p in root.glob("attacks/*/result.json")]
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    found = load(root, "demo", attack_ids=listed)
    assert len(found.attacks) == 10 and not found.apart
    ((name, reason),) = found.unread
    assert name == path.parent.name and "run the attack again" in reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": MARKER}, "unknown key colour"),
        ({"version": MARKER}, "version: expected a valid integer"),
        ({"role": MARKER}, "role: expected 'attack' or 'control'"),
        ({"on": None}, "on: expected 'records', 'secrets' or 'gradients'"),
        ({"summary": {"null": {}}}, "key summary.null.k is missing"),
        ({"summary": {"a": MARKER}}, "summary.a.[key]: expected 'attack', 'control'"),
        ({"diagnostics": [{"level": math.nan}]}, "diagnostics[0].level: expected a finite number"),
        ({"diagnostics": [{"level": math.inf}]}, "diagnostics[0].level: expected a finite number"),
        ({"params": {"level": math.nan}}, "params.level: expected a finite number"),
    ],
)
def test_odd_attack_result_is_named_by_file_and_key(
    fake: Any, change: dict[str, object], said: str
) -> None:
    """It costs the report that one result, and its value is not told."""
    root = fake.write()
    path = sorted(root.glob("attacks/*/result.json"))[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    found = load(root, "demo")
    ((name, reason),) = found.unread
    assert len(found.attacks) == 10 and name == path.parent.name
    assert reason.startswith("result.json: ") and said in reason and "\n" not in reason
    assert reason.endswith("; run the attack again") and MARKER not in reason


def test_two_results_of_one_attack_need_a_choice(edits: Any, fake) -> None:
    """Two results of one attack are refused unless one is chosen."""
    root = fake.write()
    path = sorted(root.glob("attacks/*/result.json"))[0]
    edits.rewrite(root, lambda result: replace(result, attack_id="newer"), path.parent.name)
    with pytest.raises(ReportError, match="two results of attack loss") as error:
        load(root, "demo")
    one_line(error)
    assert [a.attack_id for a in load(root, "demo", attack_ids=["newer"]).attacks] == ["newer"]
