"""What a user wrote, checked as strictly as a file format; but here the fault may be quoted.

    suite = from_plain(Suite, read_plain(text), "mine.toml")
    # SuiteError: mine.toml: datasets[0].n_public = 1.5: expected a whole number
    # SuiteError: mine.toml: unknown key 'seads'; did you mean 'seeds'?

For suites, grammars, options and parameters: text of the user or of radpriv itself, no record of a
dataset. Files that may quote records go through store/schema.py, which shows no value. A field may
say in words what belongs there: Annotated[int, Field(ge=1, description="a positive count")].
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import PydanticUserError, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from radpriv.benchmark.registry import did_you_mean
from radpriv.benchmark.store.schema import adapter
from radpriv.errors import RadprivError, SuiteError

T = TypeVar("T")
LONGEST = 80
"""Characters of a value that a message shows."""
_LARGEST = 2**63
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")
_MISSING = ("missing", "missing_argument")
_WORDS = {
    str: ("text", "texts"),
    bool: ("true or false", "true or false each"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
}


class Key(NamedTuple):
    """One step into nested data: the key or number of an element, and what belongs there."""

    name: str | int
    kind: Any


def from_plain(
    kind: type[T], data: Mapping[str, object], where: str, error: type[RadprivError] = SuiteError
) -> T:
    """A dataclass marked with `file_format`, from what a TOML file holds.

    Raises:
        error: names `where`, the key and its value, and what belongs there.
    """
    for place, value in _leaves(data):
        if isinstance(value, TooLarge):
            raise error(f"{where}: {_path(place)} = {value}: too large for a number")
        if not isinstance(value, str | int | float) or not -_LARGEST <= _whole(value) < _LARGEST:
            raise error(f"{where}: {_path(place)} = {shown(value)}: expected text or a number")
    try:
        return adapter(kind).validate_json(json.dumps(data), strict=True)
    except ValidationError as problem:
        raise error(f"{where}: {_sentence(kind, data, problem)}") from None
    except RadprivError as problem:  # from __post_init__
        raise error(f"{where}: {problem}") from None


def from_toml(kind: type[T], text: str, where: str, error: type[RadprivError] = SuiteError) -> T:
    """The value that a TOML text holds; see `from_plain`."""
    try:
        data = read_plain(text)
    except (ValueError, RecursionError) as problem:  # also a number of thousands of digits
        raise error(f"{where}: is not TOML ({' '.join(str(problem).split())})") from None
    return from_plain(kind, data, where, error)


class TooLarge(str):
    """A finite number of a TOML text that a float holds as infinity, as it is written."""


def read_plain(text: str) -> dict[str, Any]:
    """What a TOML text holds. ValueError where it is none; 1e400 is no infinity, see `TooLarge`."""
    return tomllib.loads(text, parse_float=_float)


def _float(text: str) -> float | TooLarge:
    value = float(text)
    return TooLarge(text) if math.isinf(value) and "inf" not in text else value


def read_toml(kind: type[T], path: Path, error: type[RadprivError] = SuiteError) -> T:
    """The value that a TOML file holds; see `from_plain`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not TOML ({problem})") from None
    return from_toml(kind, text, str(path), error)


def checked(kind: Any, value: object) -> Any:
    """A value of this type: as Python has it, or as a file does (a list for a tuple, 1 for 1.0).

    Raises:
        ValueError: it is of another type.
    """
    reader = adapter(kind)
    try:
        return reader.validate_python(value, strict=True)
    except ValidationError:
        if not isinstance(value, list | dict):
            raise
    try:
        return reader.validate_json(json.dumps(value), strict=True)
    except TypeError as problem:
        raise ValueError(str(problem)) from None


def is_checkable(kind: Any) -> bool:
    """Whether `checked` knows what to do with this type."""
    try:
        return kind is not None and adapter(kind) is not None
    except (PydanticUserError, TypeError, NameError):
        return False


def expected(kind: Any) -> str:
    """What a type asks for, in words: "a list of whole numbers"."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        said = [m.description for m in arguments[1:] if isinstance(m, FieldInfo) and m.description]
        return said[0] if said else expected(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(expected(a) for a in arguments if a is not type(None)))
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if _is_list(kind):
        if origin is tuple and arguments[-1:] != (...,):
            return f"a list of {' and '.join(map(expected, arguments))}"
        return f"a list of {_plural(arguments[0])}" if arguments else "a list"
    if _is_table(kind):
        return "a table"
    return _WORDS.get(kind, (getattr(kind, "__name__", str(kind)),))[0]


def shown(value: object) -> str:
    """A value on one line, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _sentence(kind: type[Any], data: object, problem: ValidationError) -> str:
    """The first fault; a key that is not known comes before one that is missing."""
    faults = problem.errors(include_url=False)
    fault = min(faults, key=lambda f: f["type"] not in _UNKNOWN)
    keys = _keys(kind, fault["loc"])
    *before, last = keys or [Key("", kind)]
    prefix = f"{_path(k.name for k in before)}: " if before else ""
    if fault["type"] in _UNKNOWN:
        owner = _bare(before[-1].kind if before else kind)
        known = [f.name for f in dataclasses.fields(owner)]
        return f"{prefix}unknown key {last.name!r}{did_you_mean(str(last.name), known)}"
    if fault["type"] in _MISSING:
        return f"{prefix}key '{last.name}' is missing{_tables(last)}"
    if isinstance(last.name, int) and fault["type"].endswith("_type"):
        keys = before  # an element of another type: the whole list is shown
    value = _at(data, keys)
    return f"{_path(k.name for k in keys)} = {shown(value)}: {_wanted(keys[-1], fault)}"


def _wanted(key: Key, fault: ErrorDetails) -> str:
    """What belongs at a key: in its own words, or for a limit in pydantic's."""
    words = expected(key.kind)
    if fault["type"] == "too_short":
        return _tables(key).removeprefix("; ") or f"expected {words}, and not an empty one"
    if fault["type"] == "value_error":
        return fault["msg"].removeprefix("Value error, ")
    if fault["type"].endswith(("_type", "literal_error")) or words != expected(_bare(key.kind)):
        return f"expected {words}{_tables(key)}"
    return fault["msg"].replace("Input should be", "expected")


def _tables(key: Key) -> str:
    """How TOML writes a list of tables."""
    kind = _bare(key.kind)
    listed = (
        _is_list(kind) and get_args(kind) and dataclasses.is_dataclass(_bare(get_args(kind)[0]))
    )
    return f"; give at least one [[{key.name}]] table" if listed else ""


def _keys(kind: Any, place: Sequence[int | str]) -> list[Key]:
    """The keys on the way to a place, each with what belongs there."""
    keys = []
    for name in place:
        bare, arguments = _bare(kind), get_args(_bare(kind))
        if dataclasses.is_dataclass(bare):
            kind = get_type_hints(bare, include_extras=True).get(str(name), object)
        elif _is_list(bare) and isinstance(name, int):
            one = name if len(arguments) > name and arguments[-1] is not ... else 0
            kind = arguments[one] if arguments else object
        elif _is_table(bare):
            kind = arguments[1] if arguments else object
        else:
            break  # pydantic's own label, as of an arm of a union
        keys.append(Key(name, kind))
    return keys


def _bare(kind: Any) -> Any:
    """A type without annotations and without None."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        arms = [a for a in get_args(kind) if a is not type(None)]
        return _bare(arms[0]) if len(arms) == 1 else kind
    return kind


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (tuple, list, frozenset, set, Sequence)


def _is_table(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or (get_origin(kind) or kind) in (dict, Mapping)


def _plural(kind: Any) -> str:
    bare = _bare(kind)
    if dataclasses.is_dataclass(bare) or _is_table(bare):
        return "tables"
    return _WORDS[bare][1] if bare in _WORDS else f"{expected(kind)} each"


def _at(data: object, keys: Iterable[Key]) -> object:
    for key in keys:
        data = data[key.name]  # type: ignore[index]
    return data


def _path(names: Iterable[str | int]) -> str:
    """`datasets[0].options.reports`."""
    text = ""
    for name in names:
        text += f"[{name}]" if isinstance(name, int) else f".{name}" if text else str(name)
    return text


def _leaves(value: object, place: tuple[str | int, ...] = ()) -> Iterable[tuple[Any, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*place, number))
    else:
        yield place, value


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
