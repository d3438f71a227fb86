"""Docstrings, also where Python was started without them (-OO, PYTHONOPTIMIZE=2): what radpriv
shows of itself must not depend on it."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from types import ModuleType
from typing import Any


def docstring(of: Any) -> str:
    """Of a module, class or function; as it stands in its source where Python dropped it. "" if
    there is none."""
    if sys.flags.optimize < 2:
        own = vars(of).get("__doc__") if inspect.isclass(of) else of.__doc__
        return inspect.cleandoc("" if not own or _is_signature(of, own) else own)
    module = of if isinstance(of, ModuleType) else inspect.getmodule(of)
    if module is None:
        return ""
    return _written(module).get("" if of is module else of.__qualname__, "")


def _is_signature(of: Any, own: str) -> bool:
    """Whether a dataclass gave it itself, for want of another."""
    return inspect.isclass(of) and own.startswith(f"{of.__name__}(")


@cache
def _written(module: ModuleType) -> dict[str, str]:
    """What the source of a module says, by qualified name."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    found = {"": ast.get_docstring(tree) or ""}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found[prefix + node.name] = ast.get_docstring(node) or ""
            if isinstance(node, ast.ClassDef):
                visit(node.body, f"{prefix}{node.name}.")

    visit(tree.body, "")
    return found
