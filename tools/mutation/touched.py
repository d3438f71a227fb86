"""Which functions of the mutated modules each test calls: only it can notice a fault there.

A fixture's calls count for every test that asks for it, whichever ran first. Before each test the
project's caches are emptied, so that a test is not spared a call by an earlier one. What runs at
import (constants, class bodies) is touched by every test.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

import pytest

from .project import Project, module_of
from .tree import Mutant


class Tracer:
    """A pytest plug-in. by_test: names `module:function` by test, once it has ended."""

    def __init__(self, project: Project) -> None:
        self._root = str(project.root)
        self._files = {str(project.root / path): module_of(path) for path in project.modules()}
        self._names: dict[CodeType, str] = {}
        self._now: set[str] = set()
        self._fixtures: dict[str, set[str]] = defaultdict(set)
        self.by_test: dict[str, list[str]] = {}

    def start(self) -> None:
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        name = self._names.get(code)
        if name is None:
            module = self._files.get(code.co_filename, "")
            name = self._names[code] = f"{module}:{plain(code.co_qualname)}" if module else ""
        if name:
            self._now.add(name)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        before, self._now = self._now, set()
        try:
            return (yield)
        finally:
            self._fixtures[fixturedef.argname] |= self._now
            self._now |= before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> Iterator[None]:
        self._empty_caches()
        self._now = set()
        result = yield
        asked = (self._fixtures[name] for name in getattr(item, "fixturenames", ()))
        self.by_test[item.nodeid] = sorted(self._now.union(*asked))
        return result

    def _empty_caches(self) -> None:
        for module in list(sys.modules.values()):
            if str(getattr(module, "__file__", None)).startswith(self._root):
                for value in list(vars(module).values()):
                    with suppress(Exception):
                        if hasattr(value, "__wrapped__"):
                            value.cache_clear()


def plain(qualname: str) -> str:
    """As a mutant's function is called: `f.<locals>.g.<locals>.<lambda>` is f.g."""
    parts = qualname.replace("<locals>.", "").split(".")
    inner = next((i for i, part in enumerate(parts) if part.startswith("<")), len(parts))
    return ".".join(parts[:inner]) or "<module>"


def selection(
    touched: Mapping[str, Collection[str]], every: Collection[str], mutant: Mutant
) -> frozenset[str]:
    """The tests that may notice the mutant; one that is not in `touched` may notice anything."""
    if mutant.function not in functions(mutant.tree):
        return frozenset(every)
    name = f"{mutant.module}:{mutant.function}"
    return frozenset(t for t in every if t not in touched or name in touched[t])


def functions(tree: ast.Module) -> set[str]:
    """Qualified names of all functions of a module, as mutants are named after them."""

    def inside(node: ast.AST, head: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            name = head
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{head}.{child.name}" if head else child.name
                if isinstance(child, ast.FunctionDef):
                    yield name
            yield from inside(child, name)

    return set(inside(tree, ""))
