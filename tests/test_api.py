"""radpriv.api: what plug-ins import. It re-exports, and all of it says what it is and raises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radpriv import api
from radpriv.benchmark.store.facade import exports

SOURCE = Path(api.__file__)
OBJECTS = {name: getattr(api, name) for name in api.__all__}
OWN = {n: o for n, o in OBJECTS.items() if str(getattr(o, "__module__", "")).startswith("radpriv.")}
"""Without aliases of types and constants, which have no docstring of their own."""


def functions() -> Iterator[tuple[str, Any]]:
    """(name, function) of every exported function and public method; NAME.init for a class."""
    for name, item in OWN.items():
        if inspect.isfunction(item):
            yield name, item
        elif inspect.isclass(item):
            for attribute, value in vars(item).items():
                inner = value.fget if isinstance(value, property) else value
                inner = getattr(inner, "__func__", getattr(inner, "__wrapped__", inner))
                public = not attribute.startswith("_")
                if public and inspect.isfunction(inner):
                    yield f"{name}.{attribute}", inner


def raised(function: Any, seen: frozenset[Any] = frozenset()) -> set[str]:
    """The exceptions that a function raises by name, itself or in a function of its own module."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Raise) and node.exc is not None:
            made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found.add(ast.unparse(made))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            other = function.__globals__.get(node.func.id)
            near = getattr(other, "__module__", "") == function.__module__
            if near and inspect.isfunction(other) and other not in seen:
                found |= raised(other, seen | {function, other})
    return found


def named(function: Any) -> set[str]:
    """The exceptions under `Raises:`, up to the next section."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Raises:\n((?: .*\n?|\n)*)", text, re.MULTILINE)
    return set(re.findall(r"^ +(\w+):", section[1], re.MULTILINE)) if section else set()


def test_it_re_exports_and_does_nothing_else() -> None:
    docstring, *body = ast.parse(SOURCE.read_bytes()).body
    assert isinstance(docstring, ast.Expr)
    (block,) = (line for line in body if isinstance(line, ast.If))
    assert all(isinstance(line, ast.ImportFrom) for line in block.body)
    rest = [ast.unparse(line) for line in body if line is not block]
    assert [line.split(" ")[0] for line in rest] == ["from", "from", "from", "__all__"]
    assert set(api.__all__) == set(exports(SOURCE)) and len(api.__all__) == len(set(api.__all__))


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_first_line_is_read_without_its_signature(name: str) -> None:
    """A sentence, or a term and what it is: two words at least, and no bare symbol before them."""
    doc = vars(OWN[name]).get("__doc__") if inspect.isclass(OWN[name]) else OWN[name].__doc__
    first = inspect.cleandoc(doc or "").split("\n\n")[0].split("\n")[0]
    assert len(re.findall(r"[A-Za-z]{2,}", first)) >= 2, f"{name}: {first!r}"
    assert first[0].isupper() or first[0] in "(ℓφ", f"{name}: {first!r}"
    assert not re.match(rf"{name}\(", first) and not first.startswith("@")


@pytest.mark.parametrize(("name", "function"), [pytest.param(n, f, id=n) for n, f in functions()])
def test_what_is_raised_is_named(name: str, function: Any) -> None:
    assert raised(function) <= named(function), f"{name}: name them under Raises:"


def test_the_check_of_raises_sees_what_is_not_named() -> None:
    def silent(x: int) -> None:
        """Refuse x.

        Raises:
            KeyError: never.
        """
        raise ValueError(x)

    assert raised(silent) == {"ValueError"} and named(silent) == {"KeyError"}
    assert sum(bool(raised(f)) for _, f in functions()) > 10
