"""All mutants of a module: where in its syntax tree they stand, and what they are called.

A mutant's id is module:function:operator:hash, the hash over the lines that it changes as Python
writes them; an equal second one in the same function gets a number. So an edit of other lines
leaves it as it is.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import operators_more  # noqa: F401  (registers its operators)
from .operators import OPERATORS, Around


@dataclass(frozen=True)
class Site:
    """Where a node stands: a field of its parent, or an item of that field."""

    parent: ast.AST
    field: str
    index: int | None = None

    def get(self) -> Any:
        held = getattr(self.parent, self.field)
        return held if self.index is None else held[self.index]

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@dataclass(frozen=True)
class Mutant:
    """One change. diff: the changed lines, `-` before `+`, as `ast.unparse` writes them."""

    id: str
    module: str
    function: str
    operator: str
    line: int
    diff: tuple[str, ...]
    tree: ast.Module = field(repr=False, compare=False)
    site: Site = field(repr=False, compare=False)
    replacement: ast.AST = field(repr=False, compare=False)

    def source(self) -> str:
        """The whole mutated module."""
        original = self.site.get()
        self.site.put(self.replacement)
        try:
            return ast.unparse(self.tree)
        finally:
            self.site.put(original)


Scope = tuple[str, ast.stmt | None]
"""Qualified name and statement of the innermost function, or else of the outermost statement."""


def variadic(trees: Iterable[ast.Module]) -> frozenset[str]:
    """Functions of these modules that take any number of positional arguments."""
    nodes = (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    return frozenset(n.name for n in nodes if n.args.vararg)


def mutants(
    module: str, source: str, variadic: frozenset[str] = frozenset(), settings: bool = False
) -> list[Mutant]:
    """Every mutant, in the order of the source; equal ones once, none that does not compile.

    settings: the class' constants are settings of a method, any value of which is right.
    """
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen: set[tuple[str, str]] = set()
    names: Counter[str] = Counter()
    before: dict[ast.stmt, str] = {}
    for site, (function, scope) in places(tree, settings):
        node = site.get()
        assert scope is not None
        if scope not in before:
            before[scope] = ast.unparse(scope)
        text = before[scope]
        for name, operator in OPERATORS.get(type(node), []):
            for replacement in operator(node, Around(site.parent, variadic)):
                if replacement is None or replacement is node:
                    continue
                after = _unparse(tree, scope, site, replacement)
                if after is None or after == text or (function, after) in seen:
                    continue
                seen.add((function, after))
                diff = tuple(sorted(_diff(text, after), key=lambda line: line[0] == "+"))
                digest = hashlib.sha256("\n".join(diff).encode()).hexdigest()[:10]
                label = f"{module}:{function}:{name}:{digest}"
                names[label] += 1
                label += f":{names[label]}" if names[label] > 1 else ""
                line = getattr(node, "lineno", getattr(site.parent, "lineno", 1))
                found.append(
                    Mutant(label, module, function, name, line, diff, tree, site, replacement)
                )
    return found


def _unparse(tree: ast.Module, scope: ast.stmt, site: Site, new: ast.AST) -> str | None:
    """The scope with the replacement in it; None if Python would not compile it."""
    original = site.get()
    site.put(new)
    try:
        # A changed decorator makes a new node of the scope itself.
        text = ast.unparse(new if original is scope else scope)
        compile(text, "mutant", "exec", dont_inherit=True)
        return text
    except (SyntaxError, ValueError, TypeError):
        return None
    finally:
        site.put(original)


def _diff(before: str, after: str) -> Iterator[str]:
    for line in difflib.unified_diff(before.split("\n"), after.split("\n"), n=0, lineterm=""):
        if line[:1] in "+-" and line[:3] not in ("+++", "---"):
            yield line[0] + " " + line[1:].strip()


def places(tree: ast.Module, settings: bool) -> Iterator[tuple[Site, Scope]]:
    """Every node that may be mutated, with its scope."""
    for i, statement in enumerate(tree.body):
        if not _is_alias(statement):
            yield from _visit(Site(tree, "body", i), ("<module>", statement), settings)


def _visit(site: Site, scope: Scope, settings: bool) -> Iterator[tuple[Site, Scope]]:
    node = site.get()
    if _is_no_place(node, site, settings):
        return
    function, statement = scope
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = node.name if function == "<module>" else f"{function}.{node.name}"
        scope = name, node if isinstance(node, ast.FunctionDef) else statement
    yield site, scope
    for name, value in ast.iter_fields(node):
        if (type(node), name) in SKIPPED:
            continue
        if isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _visit(Site(node, name, i), scope, settings)
        elif isinstance(value, ast.AST):
            yield from _visit(Site(node, name), scope, settings)


SKIPPED = {
    (ast.FunctionDef, "returns"),
    (ast.FunctionDef, "decorator_list"),
    (ast.ClassDef, "decorator_list"),
    (ast.ClassDef, "bases"),
    (ast.ClassDef, "keywords"),
    (ast.arg, "annotation"),
    (ast.AnnAssign, "annotation"),
    (ast.Raise, "exc"),
    (ast.Raise, "cause"),
    (ast.Assert, "msg"),
}
"""Annotations, names of classes, and what an error says."""


def _is_no_place(node: ast.AST, site: Site, settings: bool) -> bool:
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.FunctionDef(name="__repr__" | "__str__"):
            return True
        case ast.ClassDef(bases=[ast.Name(id="Protocol")]):
            return True
        case ast.keyword(arg="repr"):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(value=ast.Constant()) if isinstance(site.parent, ast.ClassDef):
            return settings
    parent = site.parent
    cast = isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name)
    return cast and parent.func.id == "cast" and site.field == "args" and site.index == 0


def _is_alias(statement: ast.stmt) -> bool:
    """`Path = tuple[str | int, ...]`: a type's name in capitals and small letters."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name[0].isupper() and not name.isupper()
    return False
