"""What is mutated, what is run against it, and which mutants are drawn."""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .tree import Mutant, mutants, variadic


class Refused(Exception):
    """Nothing can be measured; the sentence says why."""


def module_of(path: str) -> str:
    """benchmark.privacy.pld of privacy/accounting/pld.py."""
    return path.removesuffix(".py").replace("/", ".")


@dataclass(frozen=True)
class Project:
    """places: folder by import name. targets: globs of mutated modules. tests: folders and globs of
    test files, in the order in which they are tried. settings: folders whose class constants are
    settings of a method, any value of which is right.
    """

    root: Path
    places: Mapping[str, str]
    targets: tuple[str, ...]
    tests: tuple[str, ...]
    settings: tuple[str, ...] = ()

    def modules(self) -> list[str]:
        """Paths of the mutated modules, from the root."""
        found = {p for t in self.targets for p in self.root.glob(t) if p.name != "__init__.py"}
        return sorted(p.relative_to(self.root).as_posix() for p in found)

    def import_name(self, path: str) -> str:
        for name, folder in sorted(self.places.items(), key=lambda item: -len(item[1])):
            if path.startswith(folder + "/"):
                return name + "." + module_of(path[len(folder) + 1 :])
        raise Refused(f"{path} belongs to no package")

    def all_mutants(self) -> list[Mutant]:
        sources = {p: (self.root / p).read_text(encoding="utf-8") for p in self.modules()}
        if not sources:
            raise Refused(f"no module matches {', '.join(self.targets)}")
        takers = variadic(ast.parse(s) for s in sources.values())
        return [
            mutant
            for path, source in sources.items()
            for mutant in mutants(
                module_of(path),
                source,
                takers,
                settings=path.startswith(self.settings) if self.settings else False,
            )
        ]

    def test_files(self, module: str = "") -> list[str]:
        """Test files from the root, for a mutated module nearest first."""
        found: dict[str, int] = {}
        for i, pattern in enumerate(self.tests):
            glob = pattern if pattern.endswith(".py") else f"{pattern}/**/test_*.py"
            for p in sorted(self.root.glob(glob)):
                found.setdefault(p.relative_to(self.root).as_posix(), i)
        if not module:
            return list(found)
        return sorted(found, key=lambda f: (self.distance(f, module), found[f], f))

    def distance(self, test_file: str, module: str) -> int:
        """0: named after the module; 1: imports it; 2: neither."""
        stem = module.rpartition(".")[2]
        if re.fullmatch(rf"test_{stem}(_\w+)?\.py", test_file.rpartition("/")[2]):
            return 0
        name = self.import_name(module.replace(".", "/") + ".py")
        package, _, stem = name.rpartition(".")
        imports = (
            rf"(from|import) {re.escape(name)}\b|from {re.escape(package)} import .*\b{stem}\b"
        )
        return 1 if re.search(imports, (self.root / test_file).read_text(encoding="utf-8")) else 2

    def digest(self) -> str:
        """SHA-256 over all sources and tests but those of this tool."""
        h = hashlib.sha256()
        for folder in (*self.places.values(), "tests"):
            for path in sorted((self.root / folder).rglob("*.py")):
                inside = path.relative_to(self.root).as_posix()
                if not inside.startswith("tests/tools/test_mutation"):
                    h.update(inside.encode() + b"\0" + path.read_bytes() + b"\0")
        return h.hexdigest()


RADPRIV = Project(
    root=Path(__file__).resolve().parents[2],
    places={
        "radpriv": "src/radpriv",
        **{f"radpriv.{f}": f for f in ("benchmark", "attacks", "baselines", "reports")},
    },
    targets=(
        "benchmark/privacy/*.py",
        "benchmark/privacy/accounting/*.py",
        "baselines/dp_*.py",
        "baselines/solvers/linear.py",
    ),
    tests=(
        "tests/benchmark/privacy",
        "tests/baselines/test_*.py",  # the keyword labeller learns nothing
        "tests/baselines/solvers",
        "tests/benchmark/runs/test_runner*.py",
        "tests/benchmark/conformance",
    ),
    settings=("baselines/",),
)


def drawn(found: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """At least one mutant of every function, then others up to `size`, in the order of `found`.

    Each mutant's rank is a hash of seed and id: an edit elsewhere does not move the draw.
    """

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}/{mutant.id}".encode()).digest()

    ranked = sorted(found, key=rank)
    first: dict[tuple[str, str], str] = {}
    for mutant in ranked:
        first.setdefault((mutant.module, mutant.function), mutant.id)
    covering = set(first.values())
    others = [m.id for m in ranked if m.id not in covering]
    chosen = covering | set(others[: max(0, size - len(covering))])
    return [m for m in found if m.id in chosen]


def equivalents(path: Path, found: Iterable[Mutant]) -> dict[str, str]:
    """Reason by id, of mutants that no test can tell from the original; Refused if one is stale."""
    if not path.exists():
        return {}
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])
    known = {m.id for m in found}
    reasons: dict[str, str] = {}
    for entry in entries:
        if set(entry) != {"id", "reason"} or len(str(entry.get("reason")).split()) < 4:
            raise Refused(f"{path.name}: give an entry an id and a reason of some words: {entry}")
        if entry["id"] not in known:
            raise Refused(f"{path.name}: no mutant is called {entry['id']}; see --list")
        if entry["id"] in reasons:
            raise Refused(f"{path.name}: {entry['id']} stands there twice")
        reasons[entry["id"]] = entry["reason"]
    return reasons
