"""Writes a report from a store: the one call that the command line makes.

    report = write_report(Path("store"), "quickstart")
    for table in report.terminal_tables(): console.print(terminal(table))
    print(report.page)

Each file is written whole or not at all, and equal results give equal bytes. Where a dataset's
release policy is "nothing", files have mode 600 and a folder made for them 700, whatever the umask.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from radpriv.errors import ReportError
from radpriv.reports.build import DatasetReport, build
from radpriv.reports.markdown import markdown_report
from radpriv.reports.page import page
from radpriv.reports.render.images import png, svg
from radpriv.reports.render.renderers import to_csv
from radpriv.reports.render.table import Table
from radpriv.reports.render.theme import LIGHT
from radpriv.reports.render.written_file import write_file
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.load import load
from radpriv.reports.sections import FigureEntry, Format, sections


@dataclass(frozen=True)
class Report:
    """A written report. folder holds report.md, f1.csv, leakage.csv, index.html and, where there is
    something to draw, f1, roc and epsilon as .png and .svg (named by dataset if there are
    several). damaged: a line for each cell that had to be left out."""

    suite: str
    folder: Path
    page: Path
    files: tuple[Path, ...]
    datasets: tuple[DatasetReport, ...] = field(repr=False)
    damaged: tuple[str, ...] = ()

    def terminal_tables(self, only: Collection[str] | None = None) -> list[Table]:
        """The F1 and leakage tables of each dataset, or of these, titled with its name; and what
        crossing from one dataset to another costs."""
        return [
            _renamed(entry.narrow(table), d.dataset)
            for d in self.datasets
            if only is None or d.dataset in only
            for entry in sections.tables(Format.TERMINAL)
            for table in entry.of(d.tables)
            if table.rows
        ]

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
                    "tables": {
                        table.key: _jsonable(table.as_dict())
                        for table in sections.shown(d.tables, Format.JSON)
                    },
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
    apart: Mapping[str, int] | None = None,
) -> Report:
    """Load, compute, write. out: default store/reports/<suite>/. Others: see load.load."""
    results = load(store, suite, allow_mixed, attack_ids, apart)
    reports = build(results)
    folder = store / "reports" / suite if out is None else out
    images = _images(reports)
    contents = {"report.md": markdown_report(results, reports, images).encode()}
    contents |= _csvs(reports) | images
    contents["index.html"] = page(results, reports).encode()
    private = any(d.record.card.release == "nothing" for d in results.done.values())
    files = tuple(_write(folder / name, data, private) for name, data in contents.items())
    return Report(results.suite, folder, folder / "index.html", files, reports, results.damaged)


def _file_names(labels: Sequence[str]) -> list[str]:
    """Labels of datasets as parts of file names; two that would come out alike get numbers."""
    plain = [re.sub(r"[^A-Za-z0-9_-]+", "_", label) for label in labels]
    alike = [[p.lower() for p in plain[:i]].count(p.lower()) for i, p in enumerate(plain)]
    return [f"{p}.{n + 1}" if n else p for p, n in zip(plain, alike)]


def _csvs(reports: Sequence[DatasetReport]) -> dict[str, bytes]:
    """Files of the records of all datasets, by name."""
    return {
        entry.csv: to_csv(
            record for d in reports for table in entry.of(d.tables) for record in table.records
        ).encode()
        for entry in sections.tables()
        if entry.csv
    }


def _images(reports: Sequence[DatasetReport]) -> dict[str, bytes]:
    """Each figure that has something to draw as PNG and SVG: those of all datasets first."""
    every = [r.of for r in reports]
    figures = sections.figures()
    found: dict[str, bytes] = {}
    for entry in (e for e in figures if e.together):
        found |= _image(entry, every, entry.key)
    for of, name in zip(every, _file_names([of.dataset for of in every])):
        end = f".{name}" if len(every) > 1 else ""
        for entry in (e for e in figures if not e.together):
            found |= _image(entry, [of], f"{entry.key}{end}")
    return found


def _image(entry: FigureEntry, datasets: Sequence[DatasetResults], name: str) -> dict[str, bytes]:
    """Drawn anew for each kind, as saving may leave something on a figure."""
    found = {}
    for kind, saved in ((".png", png), (".svg", lambda figure: svg(figure).encode())):
        if (figure := entry.draw(datasets, LIGHT)) is not None:
            found[name + kind] = saved(figure)
    return found


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
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        return write_file(path, data, private)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror or error})") from error
