"""The machinery of file formats: one frozen dataclass per format reads it and writes it.

    @file_format
    @dataclass(frozen=True)
    class Verdict:
        ...

    verdict = read(Verdict, path)          # StoreError: file and key, never a value
    write(path, verdict)                   # sorted keys; one content, one byte sequence
    json_schema(Verdict)                   # what docs/schema/ holds

Strict: an unknown, doubled or missing key, another type, NaN or infinity where none may be are
refused. Values are left out of every message, as files of gated data may quote records.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from radpriv.benchmark.store.atomic import read_bytes, write_json
from radpriv.benchmark.strict import file_format
from radpriv.errors import RadprivError, StoreError

__all__ = ["adapter", "dump", "file_format", "json_schema", "parse", "read", "sentence", "write"]

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")


adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Reads and writes a type; made once for each."""


def parse(
    kind: type[T],
    text: str | bytes,
    where: str,
    error: type[RadprivError] = StoreError,
    advice: str = "",
) -> T:
    """The value that a JSON text holds. advice: what to do about a fault, for its message.

    Raises:
        error: names `where` and the key, and never a value.
    """
    todo = f"; {advice}" if advice else ""
    try:
        place = not_finite(json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError) as problem:
        raise error(f"{where}: not JSON ({problem}){todo}") from None
    if place is not None:  # JSON has no NaN; infinity is a word; 1e400 would be read as infinity
        raise error(f"{where}: {_place(place)}: expected a finite number{todo}")
    try:
        value: T = adapter(kind).validate_json(text)
    except ValidationError as problem:
        raise error(f"{where}: {sentence(problem)}{todo}") from None
    return value


def read(kind: type[T], path: Path, error: type[RadprivError] = StoreError) -> T:
    """The value that a file holds; see `parse`."""
    return parse(kind, read_bytes(path), str(path), error)


def dump(value: Any) -> Any:
    """Plain JSON data of a value: what `write` writes.

    Raises:
        StoreError: the reader of this format would refuse it, so it must not be written.
    """
    kind = type(value)
    try:
        plain = adapter(kind).dump_python(value, mode="json", warnings="error")
    except PydanticSerializationError:
        raise StoreError(f"{kind.__name__}: a field holds another type than it declares") from None
    try:
        text = json.dumps(plain, allow_nan=False)
    except ValueError:
        raise StoreError(f"{kind.__name__}: a NaN or infinite number cannot be written") from None
    parse(kind, text, kind.__name__)
    return plain


def write(path: Path, value: Any) -> None:
    """Write a value, whole or not at all: sorted keys, so that equal values give equal bytes."""
    write_json(path, dump(value))


def json_schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a format, as `docs/schema/` holds it."""
    return adapter(kind).json_schema(mode="validation")


def sentence(problem: ValidationError) -> str:
    """The first fault, in words: which key, and what belongs there."""
    errors = problem.errors(include_input=False, include_url=False, include_context=False)
    first, more = errors[0], len(errors) - 1
    key = _place(first["loc"])
    match first["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            what = f"unknown key {key}"
        case "missing" | "missing_argument":
            what = f"key {key} is missing"
        case "dataclass_type" | "dict_type" | "model_type":
            what = f"{key}: expected a table of keys"
        case _:
            what = f"{key}: {first['msg'].removeprefix('Value error, ')}".replace(
                "Input should be", "expected"
            )
    return f"{what} (and {more} more)" if more else what


def _place(where: Iterable[int | str]) -> str:
    """`cells[3].axes.seed`, or "the whole" for no key."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the whole"


def not_finite(value: Any, place: tuple[int | str, ...] = ()) -> tuple[int | str, ...] | None:
    """Where the first number that is none stands in plain data; None if there is none."""
    if isinstance(value, float):
        return None if math.isfinite(value) else place
    items: Iterable[tuple[int | str, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found = (not_finite(inner, (*place, key)) for key, inner in items)
    return next((f for f in found if f is not None), None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a text; ValueError where it says one thing twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        named = f" '{twice}'" if _NAME.fullmatch(twice) else ""  # another text may be a record's
        raise ValueError(f"the key{named} stands twice")
    return found
