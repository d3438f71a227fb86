"""How many of our faults a kept tool can make: `python -m tools.mutation.kept_tools TOOL`.

TOOL is mutmut (3) or cosmic-ray, which must be installed beside; mutmut asks for a setup.cfg with
`[mutmut] source_paths=.` in the folder of the call. Of the seeded sample of `--sample 300`, counted
are the faults whose module the tool writes too, equal as syntax trees, and those of which it
changes a line at all.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from .project import RADPRIV, drawn, module_of


def by_mutmut(path: Path) -> Iterator[str]:
    from mutmut.mutation import file_mutation

    module, mutations = file_mutation.create_mutations(str(path), path.read_text("utf-8"))[:2]
    for m in mutations:
        yield file_mutation.deep_replace(module, m.original_node, m.mutated_node).code


def by_cosmic_ray(path: Path) -> Iterator[str]:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    for name in operator_names():
        try:
            operator = get_operator(name)()
        except TypeError:  # it asks for a setting, so it makes none by default
            continue
        count = 0
        while (code := mutate_code(path.read_text("utf-8"), operator, count)) is not None:
            yield code
            count += 1


TOOLS = {"mutmut": by_mutmut, "cosmic-ray": by_cosmic_ray}


def written(code: str) -> str | None:
    try:
        return ast.unparse(ast.parse(code))
    except SyntaxError:
        return None


def main(tool: str, seeds: tuple[int, ...] = (0, 1)) -> None:
    made: dict[str, set[str]] = {}
    touched: dict[str, set[str]] = {}
    total = 0
    for name in RADPRIV.modules():
        module, path = module_of(name), RADPRIV.root / name
        original = written(path.read_text("utf-8")) or ""
        for code in TOOLS[tool](path):
            total += 1
            if (after := written(code)) is None or after == original:
                continue
            made.setdefault(module, set()).add(after)
            lines = difflib.unified_diff(original.splitlines(), after.splitlines(), "", "", n=0)
            touched.setdefault(module, set()).update(
                line[1:].strip() for line in lines if line[0] == "-" and line[:3] != "---"
            )
    every = RADPRIV.all_mutants()
    for seed in seeds:
        sample = drawn(every, 300, seed)
        same = [m for m in sample if written(m.source()) in made.get(m.module, ())]
        lines = [
            m
            for m in sample
            if touched.get(m.module, set()) & {d[1:].strip() for d in m.diff if d[0] == "-"}
        ]
        print(
            f"{tool}, seed {seed}: of {len(sample)} it makes {len(same)}, "
            f"and another on a line of {len(lines)}; {total} in all"
        )


if __name__ == "__main__":
    main(sys.argv[1])
