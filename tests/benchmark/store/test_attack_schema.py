"""result.json: read by the class that wrote it, or named by file and key."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from radpriv.benchmark.epsilon import Bound
from radpriv.benchmark.store.attack_schema import (
    COUNTING,
    AttackResult,
    Extracted,
    ExtractedKind,
    Superseded,
    read_result,
)
from radpriv.benchmark.store.audit_schema import LowerBound
from radpriv.benchmark.store.import_closure import closure
from radpriv.benchmark.store.schema import dump, json_schema, parse, write
from radpriv.errors import StoreError

MARKER = "zebra finding"
KIND = ExtractedKind("secret", 2, 12, 0, 2, 10, "Welch t", "candidates within a model", None)
RESULT = AttackResult(
    attack_id="exposure.a.k2-00",
    attack="exposure",
    version=1,
    params={"power": 2.0, "names": ["a", "b"], "limit": "inf"},
    fingerprint="f00d",
    family="feed",
    role="attack",
    unit="report",
    on="secrets",
    cell_fingerprints={"a.s1-1": "beef", "a.s0-0": "beef"},
    references=(),
    rows=(),
    summary={},
    subgroups=None,
    extracted=Extracted("bits", None, {"attack": (KIND,), "null": (KIND,)}, {"head": "its own"}),
    diagnostics=({}, {"level": 0.5}),
)


def test_a_result_survives_writing_and_reading(tmp_path: Path) -> None:
    write(tmp_path / "result.json", RESULT)
    found = read_result(tmp_path)
    assert found == RESULT and found.kind == "extraction"
    assert found.cells == ("a.s0-0", "a.s1-1")
    assert replace(found, extracted=None).kind == "membership"


@pytest.mark.parametrize("counting", [1, COUNTING - 1, COUNTING + 1, None])
def test_another_counting_is_superseded_and_no_damage(counting: int | None, tmp_path: Path) -> None:
    """Whatever else the result holds: its keys are those of another radpriv."""
    old = {"attack_id": "loss.a.k2-00", "counting": counting, "colour": 1}
    if counting is None:
        del old["counting"]
    (tmp_path / "result.json").write_text(json.dumps(old))
    with pytest.raises(Superseded):
        read_result(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "the whole: expected a table of keys"),
        ("{}", "key attack_id is missing"),
        (json.dumps({**dump(RESULT), "colour": MARKER}), "unknown key colour"),
        (json.dumps({**dump(RESULT), "unit": MARKER}), "unit: expected 'report' or 'patient'"),
        (
            json.dumps({**dump(RESULT), "diagnostics": [{"a": math.nan}]}),
            "diagnostics[0].a: expected a finite",
        ),
    ],
)
def test_damage_is_named_by_file_and_key_alone(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(StoreError) as caught:
        read_result(tmp_path)
    assert not isinstance(caught.value, Superseded) and MARKER not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'result.json'}: {said}")
    with pytest.raises(StoreError, match=r"^the result: "):
        read_result(tmp_path, "the result")


def test_a_missing_result_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"result\.json: absent"):
        read_result(tmp_path)


@pytest.mark.parametrize("epsilon", [-0.1, math.inf, math.nan])
def test_a_bound_is_finite_and_at_least_0(epsilon: float) -> None:
    assert parse(LowerBound, json.dumps(dump(LowerBound(0.0, 0.0))), "b") == LowerBound(0.0, 0.0)
    with pytest.raises(StoreError):
        dump(LowerBound(epsilon, 1.0))
    assert json_schema(Bound)["minimum"] == 0


def test_no_cell_depends_on_how_attack_results_are_written() -> None:
    """Else a changed format of theirs would have every cell trained anew."""
    seen = closure(["radpriv.benchmark.runs.runner"]).modules
    assert "radpriv.benchmark.store.store" in seen
    assert not {f"radpriv.benchmark.store.{m}_schema" for m in ("attack", "audit")} & set(seen)
