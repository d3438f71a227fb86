"""Figures of the tree: how a stranger finds their way, in numbers.

    python tools/measure_tree.py                 # the working tree
    python tools/measure_tree.py --at COMMIT     # any commit, for a before and after

Signatures are those of functions whose parameters or result say `dict[str, Any]` or
`Mapping[str, Any]`: a format that only its writer knows.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FOLDERS = ("benchmark", "attacks", "baselines", "reports", "src")
LOOSE = re.compile(r"\b(?:dict|Mapping)\[str, Any\]")


def files(commit: str) -> Iterator[tuple[PurePosixPath, str]]:
    """Path and text of every Python file, of a commit or of the working tree."""
    listing = ["git", "ls-tree", "-r", "--name-only", commit] if commit else ["git", "ls-files"]
    names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\n")
    for name in filter(lambda n: n.endswith(".py"), names):
        if commit:
            show = subprocess.run(
                ["git", "show", f"{commit}:{name}"], check=True, capture_output=True, text=True
            )
            yield PurePosixPath(name), show.stdout
        elif Path(name).is_file():
            yield PurePosixPath(name), Path(name).read_text(encoding="utf-8")


def loose_signatures(tree: ast.AST) -> int:
    """Functions whose signature says that a dictionary of anything comes or goes."""
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            said = [a.annotation for a in every] + [node.returns]
            count += any(LOOSE.search(ast.unparse(s)) for s in said if s is not None)
    return count


def repeated(names: Counter[str]) -> list[str]:
    """Names that stand more than once, the most frequent first."""
    return [f"{name} ×{count}" for name, count in names.most_common() if count > 1]


def measure(commit: str) -> Iterator[str]:
    """Lines to print."""
    source: list[int] = []
    tests: list[int] = []
    flat: dict[str, int] = defaultdict(int)
    loose: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    long_tests = all_tests = 0
    for path, text in files(commit):
        lines = text.count("\n")
        if path.parts[0] == "tests":
            tests.append(lines)
            names = re.findall(r"^\s*def (test_\w+)", text, flags=re.MULTILINE)
            all_tests += len(names)
            long_tests += sum(len(name) > 60 for name in names)
        if path.parts[0] not in FOLDERS:
            continue
        source.append(lines)
        flat[str(path.parent)] += 1
        tree = ast.parse(text)
        loose[path.parts[0]] += loose_signatures(tree)
        if path.name != "__init__.py":
            modules[path.name] += 1
        classes.update(
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        )
    crowded = sorted(flat.items(), key=lambda item: (-item[1], item[0]))[:6]
    each = ", ".join(f"{k} {v}" for k, v in sorted(loose.items()) if v)
    yield f"signatures with dict[str, Any]   {loose.total()} ({each})"
    middle = statistics.median(source)
    yield f"files, median and longest lines  {len(source)}, {middle:g}, {max(source)}"
    yield f"lines of source, of tests        {sum(source):,}, {sum(tests):,}"
    yield f"most files in one folder         {', '.join(f'{k} {v}' for k, v in crowded)}"
    yield f"file names more than once        {', '.join(repeated(modules)) or 'none'}"
    yield f"class names more than once       {', '.join(repeated(classes)) or 'none'}"
    yield f"test names over 60 characters    {long_tests} of {all_tests}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--at", default="", metavar="COMMIT")
    print("\n".join(measure(parser.parse_args().at)))


if __name__ == "__main__":
    main()
