"""What a user wrote: refused with the key, the value and what belongs there (user_input.py)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, JsonValue

from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import checked, expected, from_plain
from radpriv.errors import DataError, SuiteError

Count = Annotated[int, Field(ge=1, description="a positive count")]


@dataclass(frozen=True)
class Part:
    name: str
    count: Count = 1

    def __post_init__(self) -> None:
        if self.name == "none":
            raise SuiteError("a part needs a name")


@file_format
@dataclass(frozen=True)
class Whole:
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    sizes: tuple[float, ...] = ()
    kind: Literal["big", "small"] = "big"
    options: Mapping[str, JsonValue] | None = None
    epsilon: Epsilon | None = None
    deep: Part | None = None
    words: Mapping[str, tuple[str, ...]] | None = None
    limit: Annotated[int, Field(le=3)] = 0


PART = '[[parts]]\nname = "a"\n'


def read(text: str) -> Whole:
    return from_plain(Whole, tomllib.loads(text), "w.toml")


def test_user_input_becomes_its_class() -> None:
    """Lists are tuples, whole numbers floats, a table a dataclass; inf is TOML's own."""
    found = read(f"sizes = [1, 2.5]\nepsilon = inf\noptions = {{ a = [1] }}\n{PART}")
    assert found == Whole((Part("a"),), (1.0, 2.5), options={"a": [1]}, epsilon=float("inf"))
    assert isinstance(found.sizes[0], float)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "key 'parts' is missing; give at least one [[parts]] table"),
        ("parts = []", "parts = []: give at least one [[parts]] table"),
        ("parts = 3", "parts = 3: expected a list of tables; give at least one [[parts]] table"),
        (
            "parts = [3]",
            "parts = [3]: expected a list of tables; give at least one [[parts]] table",
        ),
        (f"size = 1\n{PART}", "unknown key 'size'; did you mean 'sizes'?"),
        ("size = 1", "unknown key 'size'; did you mean 'sizes'?"),
        (f"{PART}cuont = 1", "parts[0]: unknown key 'cuont'; did you mean 'count'?"),
        ("[[parts]]", "parts[0]: key 'name' is missing"),
        (f"{PART}count = 0", "parts[0].count = 0: expected a positive count"),
        (f"{PART}count = 1.0", "parts[0].count = 1.0: expected a positive count"),
        ("[[parts]]\nname = 1", "parts[0].name = 1: expected text"),
        ('[[parts]]\nname = "none"', "a part needs a name"),
        (f"sizes = [true]\n{PART}", "sizes = [True]: expected a list of numbers"),
        (f"sizes = [nan]\n{PART}", "sizes[0] = nan: expected a finite number"),
        (f'kind = "large"\n{PART}', "kind = 'large': expected one of big, small"),
        (f"options = 3\n{PART}", "options = 3: expected a table"),
        (f"deep = 3\n{PART}", "deep = 3: expected a table"),
        (f"limit = 4\n{PART}", "limit = 4: expected less than or equal to 3"),
        (f"epsilon = 0\n{PART}", "epsilon = 0: expected greater than 0"),
        (f"words = {{ a = [1] }}\n{PART}", "words.a = [1]: expected a list of texts"),
        (
            f"sizes = [1979-05-27]\n{PART}",
            "sizes[0] = datetime.date(1979, 5, 27): expected text or ",
        ),
        (
            f"limit = 9999999999999999999\n{PART}",
            "limit = 9999999999999999999: expected text or a ",
        ),
        (f'kind = "{"x" * 99}"\n{PART}', f"kind = '{'x' * 78}…: expected one of"),
    ],
)
def test_user_input_at_fault_is_quoted(text: str, sentence: str) -> None:
    """One line: file, key, value, and what belongs there."""
    with pytest.raises(SuiteError) as caught:
        read(text)
    assert str(caught.value).startswith(f"w.toml: {sentence}") and "\n" not in str(caught.value)


def test_user_input_error_is_the_readers() -> None:
    """A grammar's fault is one of data."""
    with pytest.raises(DataError, match=r"^g\.toml: key 'parts' is missing"):
        from_plain(Whole, {}, "g.toml", DataError)


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (float, 1, 1.0),
        (int, 3, 3),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, ...], (1, 2), (1, 2)),
        (float | None, None, None),
        (str, "a", "a"),
    ],
)
def test_checked_value(kind: Any, value: object, result: object) -> None:
    """As Python has it, or as a file does."""
    found = checked(kind, value)
    assert found == result and type(found) is type(result)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "3"),
        (int, True),
        (int, 1.0),
        (bool, 1),
        (str, 3),
        (tuple[int, ...], ["1"]),
        (float, "1"),
    ],
)
def test_checked_refuses_another_type(kind: Any, value: object) -> None:
    """Nothing is converted but a whole number to a float."""
    with pytest.raises(ValueError):
        checked(kind, value)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int | None, "a whole number"),
        (int | str, "a whole number or text"),
        (tuple[str, ...], "a list of texts"),
        (tuple[Part, ...], "a list of tables"),
        (list[Literal["a", "b"]], "a list of one of a, b each"),
        (Mapping[str, int], "a table"),
        (bool, "true or false"),
        (Count, "a positive count"),
        (complex, "complex"),
    ],
)
def test_expected_words_of_a_type(kind: Any, words: str) -> None:
    """As a message says it."""
    assert expected(kind) == words
