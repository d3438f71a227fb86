"""The command: `python -m tools.mutation`. Exit 0: score reached; 1: not; 2: nothing measured."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from . import runner
from .project import RADPRIV, Project, Refused, drawn, equivalents, module_of
from .report import Report
from .tree import Mutant

EQUIVALENT = Path(__file__).with_name("equivalent.toml")


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutation",
        description="Puts small faults into the privacy code, one at a time, and counts how many "
        "the tests notice. Decided mutants are kept: a second call goes on.",
    )
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--sample", type=int, default=300, metavar="N", help="at least one of every "
                      "function, N in all (default 300)")  # fmt: skip
    many.add_argument("--all", action="store_true", help="every mutant that can be made")
    many.add_argument("--id", action="append", default=[], help="this mutant only; repeatable")
    add = parser.add_argument
    add("--seed", type=int, default=0, help="of the sample (default 0)")
    add("--only", action="append", default=[], metavar="PATH", help="mutants of this module only")
    add("--jobs", type=int, default=2, help="mutants at once (default 2)")
    silent = f"default: 6 times the slowest test, at least {runner.SLACK:.0f}"
    silent = f"without a new test, then a mutant counts as killed ({silent})"
    add("--timeout", type=float, metavar="SECONDS", help=silent)
    add("--fresh", action="store_true", help="forget the mutants decided before")
    equal = "run the mutants argued equivalent too; a killed one is an error"
    add("--with-equivalent", action="store_true", help=equal)
    add("--list", action="store_true", help="show the mutants, run nothing")
    add("--report", type=Path, metavar="FILE", help="write the page there")
    results = RADPRIV.root / "build/mutation.jsonl"
    kept = "where verdicts are kept (default: build/mutation.jsonl)"
    add("--results", type=Path, default=results, metavar="FILE", help=kept)
    return parser.parse_args(given)


def choose(options: argparse.Namespace, found: list[Mutant]) -> tuple[list[Mutant], str]:
    """The mutants asked for, and how they were chosen."""
    if options.only:
        wanted = set(map(module_of, options.only))
        if missing := wanted - {m.module for m in found}:
            raise Refused(f"no mutants in {', '.join(sorted(missing))}")
        found = [m for m in found if m.module in wanted]
    if options.id:
        if missing := set(options.id) - {m.id for m in found}:
            raise Refused(f"no mutant is called {', '.join(sorted(missing))}")
        return [m for m in found if m.id in options.id], "named"
    if options.all or options.sample >= len(found):
        return found, "all"
    return drawn(found, options.sample, options.seed), f"sample, seed {options.seed}"


def main(given: list[str] | None = None, project: Project = RADPRIV) -> int:
    options = arguments(given)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # threads that a library starts are lost in a fork
    try:
        return _run(options, project, given)
    except Refused as why:
        print(f"mutation: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mutation: stopped; start again to go on", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace, project: Project, given: list[str] | None) -> int:
    begun = time.monotonic()
    found = project.all_mutants()
    equivalent = equivalents(EQUIVALENT if project is RADPRIV else project.root / EQUIVALENT.name,
                             found)  # fmt: skip
    chosen, how = choose(options, found)
    if options.list:
        for m in chosen:
            mark = "  (equivalent)" if m.id in equivalent else ""
            print(f"{m.module.replace('.', '/')}.py:{m.line}  {m.id}{mark}")
            print("".join(f"    {line}\n" for line in m.diff), end="")
        return 0
    if options.fresh:
        options.results.unlink(missing_ok=True)
    keep = runner.Results(options.results)
    tree = project.digest()
    todo = [
        m
        for m in chosen
        if (options.with_equivalent or m.id not in equivalent)
        and not keep.settled(m, runner.source_digest(project, m.module), tree)
    ]
    print(f"{len(found)} mutants, {len(chosen)} chosen ({how}), {len(todo)} to run", flush=True)
    whole, left_out = 0.0, list[str]()
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        pool = runner.Pool(project, options.jobs, Path(scratch))
        begun_with = len(todo)
        if not todo:
            todo = runner.confirm(pool, chosen, keep)
        if todo:
            whole = runner.baseline(pool)
            print(f"the tests pass without mutation, in {whole:.0f} s", flush=True)
            pool.silence = options.timeout or pool.silence
        while todo:
            runner.measure(pool, todo, project, keep, lambda line: print(line, flush=True))
            todo = runner.confirm(pool, chosen, keep)
            left_out = sorted({t for tests in pool.without.values() for t in tests})
            for test in left_out if todo else ():
                print(f"left out, for it fails without mutation: {test}", flush=True)
    report = Report(
        chosen,
        len(found),
        how,
        keep.by_id,
        equivalent,
        time.monotonic() - begun,
        begun_with,
        whole,
        left_out,
    )
    print("\n" + report.text())
    if options.report:
        words = sys.argv[1:] if given is None else given
        if "--results" in words:  # where verdicts are kept says nothing to a reader
            i = words.index("--results")
            words = words[:i] + words[i + 2 :]
        options.report.write_text(report.page(f"python -m tools.mutation {' '.join(words)}"))
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
