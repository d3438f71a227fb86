"""What a piece of code depends on, read from its source: nothing is imported or run.

    closure(["radpriv.baselines.tfidf"]).modules    # name -> Source, everything it imports of ours

Followed: imports of modules under `prefix` or `beside`, inside functions too, relative ones, `from
package import submodule`, and the `__init__.py` of every parent. `if TYPE_CHECKING:` blocks do not
run, so they do not count. A name that is imported from a façade (facade.py) leads to the module
that has it, and to no other that the façade hands out; a façade imported whole, or by `*`, leads
to all of them. A module's identity is the hash of its syntax tree without docstrings, so
neither a comment nor a docstring changes it. An import by a computed name cannot be followed and
is reported instead (`Closure.dynamic`); benchmark/registry.py and facade.py may do it, since the
modules that they resolve are roots themselves, or followed.
"""

from __future__ import annotations

import ast
import hashlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from radpriv.benchmark.store.facade import exports
from radpriv.errors import PluginError, StoreError

_DYNAMIC = {
    "__import__",
    "eval",
    "exec",
    "importlib.__import__",
    "importlib.import_module",
    "importlib.machinery.SourceFileLoader",
    "importlib.metadata.entry_points",
    "importlib.reload",
    "importlib.util.module_from_spec",
    "importlib.util.spec_from_file_location",
    "runpy.run_module",
    "runpy.run_path",
}


@dataclass(frozen=True)
class Import:
    """`import module` (names empty) or `from module import names`, `level` dots before it."""

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


@dataclass(frozen=True)
class Source:
    """One file. sha256: of its tree without docstrings. dynamic: (line, what) of each import by a
    computed name."""

    path: Path
    sha256: str
    imports: tuple[Import, ...]
    dynamic: tuple[tuple[int, str], ...]


@dataclass
class Closure:
    """modules: those followed, by name. packages: their folders. foreign: other top-level names.
    dynamic: one "module:line uses function" for each import by a computed name."""

    modules: dict[str, Source] = field(default_factory=dict)
    packages: dict[str, Path] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    dynamic: list[str] = field(default_factory=list)


def closure(
    roots: Iterable[str],
    plugins: Mapping[str, Path] | None = None,
    prefix: str = "radpriv",
    beside: Iterable[str] = (),
) -> Closure:
    """Everything that `roots` (module names) and `plugins` (name -> file) import, transitively.

    beside: top-level names of installed plug-in packages, followed like those of `prefix`.
    """
    found = Closure()
    followed = frozenset([prefix, *beside])
    waiting = []
    for root in roots:
        if not _in(root, followed) or find(root) is None:
            package = prefix if _in(root, {prefix}) else "the package that has it"
            raise StoreError(f"fingerprint: no module is called '{root}'; reinstall {package}")
        waiting.append(root)
    for _, path in sorted((plugins or {}).items()):
        # Known by the file's name: the registry's is a hash of its text, comments included.
        label = f"plug-in {Path(path).name}"
        while label in found.modules:
            label += "'"
        waiting += _visit(found, label, Path(path), None, followed)
    while waiting:
        name = waiting.pop()
        if not _in(name, followed):
            found.foreign.add(name.partition(".")[0])
        elif name not in found.modules:
            waiting += _parents(name)
            spec = find(name)
            if spec is None:
                continue  # an attribute of its parent, which is followed
            folders = list(spec.submodule_search_locations or ())
            if spec.origin and spec.origin.endswith(".py"):
                waiting += _visit(found, name, Path(spec.origin), folders, followed)
                for home in exports(Path(spec.origin)).values():
                    waiting += _imported(home.module, (home.name,))
            if folders:
                found.packages[name] = Path(folders[0])
    found.foreign -= {"", *sys.stdlib_module_names}
    resolve = (f"{prefix}.benchmark.registry:", f"{prefix}.benchmark.store.facade:")
    found.dynamic = sorted(what for what in found.dynamic if not what.startswith(resolve))
    return found


def _visit(
    found: Closure, name: str, path: Path, folders: list[str] | None, followed: Set[str]
) -> Iterator[str]:
    """Note one module; the names that it imports."""
    source = read(path)
    found.modules[name] = source
    found.dynamic += [f"{name}:{line} uses {what}" for line, what in source.dynamic]
    package = name if folders else name.rpartition(".")[0]
    for item in source.imports:
        base = item.module
        if item.level:
            parent = package.split(".")
            above = parent[: len(parent) - item.level + 1]
            base = ".".join([*above, *filter(None, [item.module])])
        if _in(base, followed):
            yield from _imported(base, item.names)
        else:
            yield base


def _imported(base: str, names: tuple[str, ...]) -> Iterator[str]:
    """The modules that `from base import names`, or `import base`, leads to."""
    spec = find(base) if names else None
    places = list(spec.submodule_search_locations or ()) if spec else []
    source = spec.origin if spec and not places else None
    homes = exports(Path(source)) if source and source.endswith(".py") else {}
    if homes and homes.keys() >= set(names):
        yield from _parents(base)
        for name in names:
            yield from _imported(homes[name].module, (homes[name].name,))
        return
    yield base
    for name in names:
        if name == "*":
            yield from (f"{base}.{m.name}" for m in pkgutil.iter_modules(places))
        else:
            yield f"{base}.{name}"


def _in(name: str, followed: Set[str]) -> bool:
    return name.partition(".")[0] in followed


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def find(name: str) -> ModuleSpec | None:
    """Where a module lies. Unlike importlib.util.find_spec it imports no parent."""
    parent = name.rpartition(".")[0]
    path = None
    if parent:
        above = find(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        path = above.submodule_search_locations
    for finder in sys.meta_path:
        look = getattr(finder, "find_spec", None)
        spec = look(name, path) if look else None
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def read(path: Path) -> Source:
    """Parse a file, once per process and version of it."""
    try:
        state = path.stat()
        return _read(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise PluginError(f"{path}: cannot be read ({error.strerror})") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise PluginError(f"{path}{f' line {line}' if line else ''}: not valid Python") from error


@lru_cache(maxsize=4096)
def _read(path: Path, modified: int, size: int) -> Source:
    tree = _Bare().visit(ast.parse(path.read_bytes()))
    return Source(
        path,
        hashlib.sha256(ast.dump(tree).encode()).hexdigest(),
        tuple(_imports(tree)),
        tuple(sorted(_dynamic(tree))),
    )


class _Bare(ast.NodeTransformer):
    """Drops what has no effect: strings that stand alone, and blocks for type checkers."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        name = node.test.attr if isinstance(node.test, ast.Attribute) else None
        if isinstance(node.test, ast.Name):
            name = node.test.id
        self.generic_visit(node)
        return node.orelse if name == "TYPE_CHECKING" else node


def _imports(tree: ast.AST) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.module or "", names, node.level)


def _dynamic(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every mention of a function that imports or runs what the source does not name."""
    known = {"__import__": "__import__", "eval": "eval", "exec": "exec"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                known[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and (name := _dotted(node)):
            head, dot, rest = name.partition(".")
            full = known.get(head, "") + dot + rest
            if full in _DYNAMIC:
                yield node.lineno, full


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return None
