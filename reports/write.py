"""Writes a report from a store: the one call that the command line makes.

    report = write_report(Path("store"), "quickstart")
    for table in report.terminal_tables(): console.print(terminal(table))
    print(report.page)

Each file is written whole or not at all, and equal results give equal bytes. Where a dataset's
release policy is "nothing", files have mode 600 and a folder made for them 700, whatever the umask.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radpriv.errors import ReportError
from radpriv.reports.build import DatasetReport, build, marks
from radpriv.reports.figures.epsilon_figure import epsilon_figure
from radpriv.reports.figures.f1_figure import f1_figure
from radpriv.reports.figures.figure_data import epsilon_points, roc_lines
from radpriv.reports.figures.roc_figure import roc_figure
from radpriv.reports.page import page
from radpriv.reports.render.images import png, svg
from radpriv.reports.render.renderers import escaped, markdown, to_csv
from radpriv.reports.render.table import Table
from radpriv.reports.results.load import Results, load
from radpriv.reports.tables.overview import compact

LEAKAGE = "leakage:"
"""How the keys of the tables begin that tell of one attack each."""
ORDER = (
    "weighted",
    "macro",
    "home",
    "leakage",
    "audit",
    "canaries",
    "extracted",
    "groups",
    "label_leakage",
    "strata",
    LEAKAGE,
    "missing",
    "differences",
    "privacy",
    "trivial",
    "labels",
)


@dataclass(frozen=True)
class Report:
    """A written report. folder holds report.md, f1.csv, leakage.csv, index.html and, where there is
    something to draw, f1, roc and epsilon as .png and .svg (named by dataset if there are
    several)."""

    suite: str
    folder: Path
    page: Path
    files: tuple[Path, ...]
    datasets: tuple[DatasetReport, ...] = field(repr=False)

    def terminal_tables(self) -> list[Table]:
        """The F1 and leakage tables of each dataset, titled with its name; and what crossing from
        one dataset to another costs."""
        shown = []
        for d in self.datasets:
            for key in ("weighted", "home", "leakage", "canaries"):
                table = d.tables.get(key)
                if table is not None and table.rows:
                    narrow = compact(table) if key == "leakage" else table
                    shown.append(_renamed(narrow, d.dataset))
        return shown

    def as_dict(self) -> dict[str, Any]:
        """For --json: every table with its records; infinity is the string "inf"."""
        return {
            "suite": self.suite,
            "page": str(self.page),
            "files": [str(p) for p in self.files],
            "datasets": [
                {
                    "dataset": d.dataset,
                    "headline": d.headline,
                    "claim": list(d.claim),
                    "tables": {k: _jsonable(d.tables[k].as_dict()) for k in ordered(d.tables)},
                }
                for d in self.datasets
            ],
        }


def write_report(
    store: Path,
    suite: str,
    out: Path | None = None,
    allow_mixed: bool = False,
    attack_ids: Collection[str] | None = None,
) -> Report:
    """Load, compute, write. out: default store/reports/<suite>/. attack_ids: see load.load."""
    results = load(store, suite, allow_mixed, attack_ids)
    reports = build(results)
    folder = store / "reports" / suite if out is None else out
    contents: dict[str, bytes] = {
        "report.md": _markdown(results, reports).encode(),
        "f1.csv": _csv(reports, "weighted"),
        "leakage.csv": _csv(reports, LEAKAGE),
    }
    drawn = [(r.scores, r.title) for r in reports if r.scores is not None]
    if drawn:
        contents["f1.png"] = png(f1_figure(drawn))
        contents["f1.svg"] = svg(f1_figure(drawn)).encode()
    for r in reports:
        end = f".{_plain(r.dataset)}" if len(reports) > 1 else ""
        if lines := roc_lines(results, r.dataset):
            contents[f"roc{end}.png"] = png(roc_figure(lines, r.title))
            contents[f"roc{end}.svg"] = svg(roc_figure(lines, r.title)).encode()
        if points := epsilon_points(results, r.dataset):
            contents[f"epsilon{end}.png"] = png(epsilon_figure(points, r.title))
            contents[f"epsilon{end}.svg"] = svg(epsilon_figure(points, r.title)).encode()
    contents["index.html"] = page(results, reports).encode()
    private = any(d.record["card"]["release"] == "nothing" for d in results.done.values())
    files = tuple(_write(folder / name, data, private) for name, data in contents.items())
    return Report(results.suite, folder, folder / "index.html", files, reports)


def _plain(name: str) -> str:
    """A dataset's label as part of a file name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)


def _csv(reports: tuple[DatasetReport, ...], key: str) -> bytes:
    """The records of one table, or of all whose key begins so."""
    own = [d.tables[k] for d in reports for k in ordered(d.tables) if k.startswith(key)]
    return to_csv(r for table in own for r in table.records).encode()


def ordered(tables: Mapping[str, Table]) -> list[str]:
    """Keys in the order of a report."""
    found = []
    for key in ORDER:
        each = key == LEAKAGE
        found += [k for k in tables if (k.startswith(LEAKAGE) if each else k == key)]
    return found


def _markdown(results: Results, reports: tuple[DatasetReport, ...]) -> str:
    def items(pairs: Iterable[tuple[str, str]]) -> list[str]:
        return [f"- {escaped(name)}: {escaped(value)}" for name, value in pairs]

    lines = [f"# radpriv report: {escaped(results.suite + marks(results))}", ""]
    lines += [escaped(results.note), ""] if results.note else []
    if any(d.scores for d in reports):
        lines += ["![Weighted F1 against ε](f1.png)", ""]
    for d in reports:
        lines += [f"## {escaped(d.dataset)}", "", escaped(d.headline), "", *items(d.facts), ""]
        lines += ["### What is claimed", "", *(f"- {escaped(s)}" for s in d.claim), ""]
        shown = [d.tables[k] for k in ordered(d.tables)]
        # A heading over nothing would read as if something had been lost: as on the page, it goes.
        lines += [markdown(table) for table in shown if table.rows or table.findings]
        lines += ["### Provenance", "", *items(d.provenance)]
        lines += items(("mixed", sentence) for sentence in results.mixed)
        lines += items((cell, f"{status}, {code[:16]}") for cell, status, code in d.cells)
        lines.append("")
    return "\n".join(lines)


def _renamed(table: Table, dataset: str) -> Table:
    return replace(table, title=f"{table.title}: {dataset}")


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {k: _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    return value


def _write(path: Path, data: bytes, private: bool) -> Path:
    """Through a temporary file of its own name (mode 600), renamed into place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            if not private:
                os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path
