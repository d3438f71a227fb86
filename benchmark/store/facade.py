"""A façade: one module to import from, each of whose names is loaded from its own on first use.

    if TYPE_CHECKING:
        from radpriv.benchmark.methods.method import Method     # what type checkers see
    else:
        __getattr__ = facade(__name__, __file__)                # what Python sees

`from radpriv.api import Method` so loads, and depends on, the module of Method alone:
import_closure.py follows the name by the same lines (`exports`), and an edit to another module that
the façade hands out changes no fingerprint.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple


class Home(NamedTuple):
    """Where a name of a façade comes from: its module, and its name there."""

    module: str
    name: str


def facade(module: str, file: str) -> Callable[[str], Any]:
    """The `__getattr__` of a façade: imports a name's own module when it is first asked for."""
    homes = exports(Path(file))

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        home = homes[name]
        return getattr(importlib.import_module(home.module), home.name)

    return find


def exports(path: Path) -> Mapping[str, Home]:
    """The names that a façade hands out; none of a module that is no façade."""
    state = path.stat()
    return _exports(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _exports(path: Path, modified: int, size: int) -> Mapping[str, Home]:
    source = path.read_bytes()
    if b"facade(" not in source:
        return {}
    return {
        alias.asname or alias.name: Home(line.module, alias.name)
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        if any(_hands_out(line) for line in block.orelse)
        for line in block.body
        if isinstance(line, ast.ImportFrom) and line.module and not line.level
        for alias in line.names
    }


def _hands_out(line: ast.stmt) -> bool:
    """Whether it is `__getattr__ = facade(…)`."""
    return (
        isinstance(line, ast.Assign)
        and isinstance(line.value, ast.Call)
        and [ast.unparse(t) for t in line.targets] == ["__getattr__"]
        and ast.unparse(line.value.func) == "facade"
    )
