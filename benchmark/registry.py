"""One typed registry for datasets, encoders, methods and attacks.

Names are declared in entry points (`radpriv.methods`, …) and imported on first use; importing the
module runs its `@register(...)` decorator. A collision is an error, a near miss gets a suggestion,
and a plug-in may also come from one file:

    methods = Registry[type[Method]]("method", "radpriv.methods")

    @methods.register("prior")
    class Prior(Method): ...

    methods.get("prior")              # imports the module that the entry point names
    methods.load_file("mine.py")      # registers what the file defines, returns the new names
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from importlib.metadata import entry_points
from pathlib import Path
from types import CodeType
from typing import Generic, TypeVar

from radpriv.benchmark.plugin_guard import staying
from radpriv.errors import PluginError, UnknownNameError

T = TypeVar("T")

PLUGIN = "radpriv_plugin_"
"""How the module of a plug-in file is called, before the hash of its content."""


class Registry(Generic[T]):
    """Names of one kind, each bound to one object."""

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def bind(item: T) -> T:
            if (known := self._known().get(name)) is not None and _origin(known) != _origin(item):
                raise self._collision(name, _origin(known), _origin(item))
            if _origin(item).startswith(PLUGIN) and name in (declared := self._declared()):
                raise self._collision(name, declared[name], _origin(item))
            self._items[name] = item
            return item

        return bind

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """What is registered inside the block is forgotten after it."""
        before = dict(self._items)
        try:
            yield
        finally:
            self._items = before

    def __contains__(self, item: object) -> bool:
        """Whether the object, not a name, is registered."""
        return any(known is item for known in self._items.values())

    def names(self) -> list[str]:
        return sorted({*self._known(), *self._declared()})

    def get(self, name: str) -> T:
        if name not in self._known() and name in (declared := self._declared()):
            module = declared[name]
            try:
                with staying():
                    importlib.import_module(module)
            except (Exception, SystemExit) as error:
                raise PluginError(
                    f"{self.kind} '{name}': its module {module} {_raised(error)}"
                ) from error
            if name not in self._items:
                raise PluginError(
                    f"{self.kind} '{name}': its module {module} registers nothing of that name"
                )
        if name not in self._known():
            raise UnknownNameError(self._unknown(name))
        return self._items[name]

    def load_file(self, path: str | Path) -> list[str]:
        """Import a plug-in from one file; the names that it registered."""
        new = self.of_module(import_file(Path(path)))
        if not new:
            raise PluginError(
                f"{path}: it registers no {self.kind}; decorate the class with "
                f'@{self.kind}s.register("name")'
            )
        return new

    def of_module(self, module: str) -> list[str]:
        """The names that a module registered."""
        return [n for n, item in self._items.items() if getattr(item, "__module__", "") == module]

    def _known(self) -> dict[str, T]:
        """What is registered, less what a module left behind whose import failed later."""
        return {n: i for n, i in self._items.items() if _module(i) in sys.modules}

    def _declared(self) -> dict[str, str]:
        """The module of each name in the entry points, a radpriv plug-in package's too."""
        found: dict[str, str] = {}
        for point in entry_points(group=self.group) if self.group else ():
            if found.setdefault(point.name, point.module) != point.module:
                raise self._collision(point.name, found[point.name], point.module)
        return found

    def _collision(self, name: str, one: str, other: str) -> PluginError:
        return PluginError(f"two {self.kind}s are called '{name}': {one} and {other}; rename one")

    def _unknown(self, name: str) -> str:
        file = Path(f"{name}.py")
        beside = name.isidentifier() and file.is_file()
        hint = f"; did you mean '{file}'?" if beside else did_you_mean(name, self.names())
        return f"no {self.kind} is called '{name}'{hint} (known: {', '.join(self.names())})"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A clause that suggests the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def nearest_start(text: str, known: Sequence[str]) -> str:
    """As `did_you_mean`, for a text that may be the start of a name alone."""
    near = difflib.get_close_matches(text, known, n=3)
    if not near:
        starts = {name[: len(text)]: name for name in reversed(known)}
        near = [starts[n] for n in difflib.get_close_matches(text, [*starts], n=1, cutoff=0.75)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _module(item: object) -> str:
    return str(getattr(item, "__module__", "builtins"))


def _origin(item: object) -> str:
    return f"{_module(item)}.{getattr(item, '__qualname__', repr(item))}"


def _raised(error: BaseException) -> str:
    """What went wrong during an import, on one line."""
    return f"raised {type(error).__name__} when imported: {' '.join(str(error).split())}"


class _Bytes(SourceFileLoader):
    """Runs the bytes that were hashed: no later edit and no cached bytecode gets in between."""

    def __init__(self, name: str, path: Path, source: bytes) -> None:
        super().__init__(name, str(path))
        self.source = source

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.source, self.path)


def import_file(path: Path) -> str:
    """Import the single file `path` under a name made of its content; the module's name."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path}: cannot be read ({error.strerror}); give a .py file") from error
    name = f"{PLUGIN}{hashlib.sha256(source).hexdigest()[:16]}"
    if name in sys.modules:
        return name
    loader = _Bytes(name, path, source)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or path.suffix != ".py":
        raise PluginError(f"{path}: not a Python file; give a .py file")
    _refuse_siblings(path, source)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with staying():
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        clash = isinstance(error, PluginError)
        raise PluginError(f"{path}: {error if clash else _raised(error)}") from error
    return name


def _refuse_siblings(path: Path, source: bytes) -> None:
    """A plug-in is one file: a sibling would be missing from the snapshot that workers load."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f" line {line}" if line else ""
        why = getattr(error, "msg", error)
        raise PluginError(f"{path}{where}: not valid Python ({why})") from error
    siblings = {p.stem for p in path.parent.glob("*.py")} - {path.stem}
    siblings |= {p.parent.name for p in path.parent.glob("*/__init__.py")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." if node.level else (node.module or "")]
        else:
            continue
        for name in names:
            if name == "." or (name.split(".")[0] in siblings and not _installed(name, path)):
                raise PluginError(
                    f"{path} line {node.lineno}: a plug-in is one file, so it cannot import its "
                    f"neighbour '{name}'; move that code into the file, or install it as a package"
                )


def _installed(name: str, plugin: Path) -> bool:
    """Whether a module lies elsewhere than beside the plug-in, whose folder may be on sys.path."""
    root = name.split(".")[0]
    if root in sys.stdlib_module_names:
        return True
    spec = importlib.util.find_spec(root)
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    beside = plugin.parent.resolve()
    return bool(places) and all(Path(p).resolve().parent != beside for p in places if p)
