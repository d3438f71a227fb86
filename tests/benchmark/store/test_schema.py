"""The machinery of file formats (benchmark/store/schema.py): strict, and silent about values."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.store import examples
from radpriv.benchmark.store.cell_schema import CellRecord, Provenance
from radpriv.benchmark.store.ledger_schema import Group
from radpriv.benchmark.store.schema import dump, file_format, json_schema, parse, read, write
from radpriv.errors import StoreError

MARKER = "zebra finding"


@file_format
@dataclass(frozen=True)
class Part:
    """A part of a format."""

    epsilon: Epsilon
    steps: int = 1


@file_format
@dataclass(frozen=True)
class Whole:
    """A format."""

    name: str
    parts: tuple[Part, ...]
    shares: Mapping[str, float]
    note: str | None = None


VALUE = Whole("a", (Part(1.0), Part(math.inf, 3)), {"x": 0.5})


def test_values_survive_writing_and_reading(tmp_path: Path) -> None:
    write(tmp_path / "v.json", VALUE)
    assert read(Whole, tmp_path / "v.json") == VALUE
    assert json.loads((tmp_path / "v.json").read_text())["parts"][1]["epsilon"] == "inf"


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.json", replace(VALUE, shares={"x": 1.0, "y": 2.0}))
    write(tmp_path / "b.json", replace(VALUE, shares={"y": 2.0, "x": 1.0}))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": MARKER}, "unknown key colour"),
        ({"name": 3}, "name: expected a valid string"),
        ({"name": None}, "name: expected a valid string"),
        ({"shares": {"x": MARKER}}, "shares.x: expected a valid number"),
        ({"shares": {"x": True}}, "shares.x: expected a valid number"),
        ({"shares": {"x": "inf"}}, "shares.x: expected a valid number"),
        ({"shares": MARKER}, "shares"),
        ({"parts": [{"epsilon": -1}]}, "parts[0].epsilon: expected greater than 0"),
        ({"parts": [{"epsilon": MARKER}]}, "parts[0].epsilon: expected a valid number"),
        ({"parts": [{"epsilon": 1, "steps": 1.5}]}, "parts[0].steps: expected a valid integer"),
        ({"parts": [{"epsilon": 1, "more": 1}]}, "unknown key parts[0].more"),
        ({"parts": [{}]}, "key parts[0].epsilon is missing"),
        ({"parts": MARKER}, "parts"),
        ({"parts": [MARKER]}, "parts[0]: expected a table of keys"),
    ],
)
def test_a_fault_is_told_by_its_key_alone(change: dict[str, object], said: str) -> None:
    text = json.dumps({"name": MARKER, "parts": [], "shares": {}, **change})
    with pytest.raises(StoreError) as caught:
        parse(Whole, text, "v.json")
    assert str(caught.value).startswith(f"v.json: {said}")
    assert MARKER not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "a", "parts": [], "shares": {"x": NaN}}', "shares.x: expected a finite number"),
        (
            '{"name": "a", "parts": [{"epsilon": -Infinity}], "shares": {}}',
            "parts[0].epsilon: expected a finite number",
        ),
        (
            '{"name": "a", "parts": [{"epsilon": Infinity}], "shares": {}}',
            "parts[0].epsilon: expected a finite number",
        ),
        (
            '{"name": "a", "parts": [], "shares": {"x": 1e999}}',
            "shares.x: expected a finite number",
        ),
        ('{"name": "a", "name": "b", "parts": [], "shares": {}}', "the key 'name' stands twice"),
        ('{"name": "a", "parts": [', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "the whole: expected a table of keys"),
    ],
)
def test_what_is_no_such_json_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(StoreError, match=r"v\.json: ") as caught:
        parse(Whole, text, "v.json")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        replace(VALUE, shares={"x": math.nan}),
        replace(VALUE, shares={"x": math.inf}),
        replace(VALUE, parts=(Part(-1.0),)),
    ],
)
def test_what_its_reader_would_refuse_is_not_written(value: Whole, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        write(tmp_path / "v.json", value)
    assert not (tmp_path / "v.json").exists()


@pytest.mark.parametrize("value", [{MARKER}, MARKER.encode(), object()])
def test_a_value_of_another_type_is_not_written_nor_told(value: object, tmp_path: Path) -> None:
    odd = replace(VALUE, note=value)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="another type") as caught:
        write(tmp_path / "v.json", odd)
    assert MARKER not in "".join(traceback.format_exception(caught.value))


def test_an_absent_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent; run what makes it first"):
        read(Whole, tmp_path / "v.json")


def test_a_json_schema_forbids_other_keys() -> None:
    assert json_schema(Whole)["additionalProperties"] is False
    assert dump(VALUE)["parts"][1]["epsilon"] == "inf"


@pytest.mark.parametrize(
    ("kind", "value", "field", "wrong"),
    [
        (Group, Group(0.2, 1.5, 7), "noise_multiplier", -1.5),
        (Group, Group(0.2, 1.5, 7), "rate", 0),
        (Group, Group(0.2, 1.5, 7), "rate", 1.1),
        (Group, Group(0.2, 1.5, 7), "steps", 0),
        (CellRecord, examples.cell_record(examples.CELL), "trainable_parameters", -1),
        (Provenance, examples.provenance(), "wall_s", -0.1),
    ],
    ids=str,
)
def test_numbers_outside_their_range_are_refused(
    kind: type, value: object, field: str, wrong: float
) -> None:
    """A noise multiplier below 0, a rate of 0, a negative count: by key, as another type is."""
    plain = dump(value)
    assert parse(kind, json.dumps(plain), "v.json") == value
    with pytest.raises(StoreError, match=rf"v\.json: {field}: expected "):
        parse(kind, json.dumps({**plain, field: wrong}), "v.json")
