"""The CSV re-issue of Open-i that many users have (indiana_reports.csv): one row per report.

uid is the number of NLM's file (uid 2016 is 2016.xml), so a report has the same id in both forms.
The re-issue has 3,851 of the 3,955 reports, those with images. MeSH holds the same codes as the
XML, joined by ";" (no code contains one). Problems repeats their heads and is not read.

Its companion indiana_projections.csv has one row per image: uid, filename, projection. Images say
nothing about a report's text or labels, so it is read for one check only, whether the two files
belong together. Where somebody merged the two, every report is repeated per image, and its uid may
have become 1.0: equal rows of one uid are one report.
"""

from __future__ import annotations

import re
from pathlib import Path

from radpriv.benchmark.datasets.io.strict_csv import CsvLine, CsvTable
from radpriv.benchmark.datasets.openi.openi_xml import XmlReport
from radpriv.benchmark.datasets.texts import even_line_ends

NEEDED = ("uid", "MeSH", "findings", "impression")
COLUMNS = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")
PROJECTIONS = "indiana_projections.csv"
_EMPTY = ("", "nan", "none", "null")
_UID = re.compile(r"([0-9]{1,9})(?:\.0)?")


def read_csv(path: Path) -> list[XmlReport]:
    """All reports, by number. DataError names file, row and field, and never quotes a report."""
    table = CsvTable(path, NEEDED)
    reports: dict[int, XmlReport] = {}
    for line in table:
        number = _number(table, line)
        _, mesh, findings, impression = map(_present, line.cells)
        codes = tuple(code.strip() for code in mesh.split(";") if code.strip())
        report = XmlReport(number, codes, findings, impression)
        if reports.setdefault(number, report) != report:
            raise table.fault(
                line.number, "uid", f"{number} stands for two different reports; {table.advice}"
            )
    return [reports[number] for number in sorted(reports)]


def projections_beside(reports: Path) -> Path | None:
    """The companion in the same folder, if it is there."""
    path = reports.with_name(PROJECTIONS)
    return path if path.is_file() else None


def count_images(path: Path, reports: list[XmlReport]) -> dict[str, int]:
    """Images, reports that have none, and uids of images that are no report's."""
    table = CsvTable(
        path, ("uid",), advice="get the file again, or take it away: reports are read without it"
    )
    images = [_number(table, line) for line in table]
    numbers = {report.number for report in reports}
    return {
        "images": len(images),
        "reports_without_image": len(numbers.difference(images)),
        "image_uids_without_report": len(set(images) - numbers),
    }


def _number(table: CsvTable, line: CsvLine) -> int:
    found = _UID.fullmatch(line.cells[0])
    if found is None:
        raise table.fault(line.number, "uid", f"not a number; {table.advice}")
    return int(found[1])


def _present(cell: str) -> str:
    """A cell without what table programs write for an empty one; the loader judges the rest."""
    return "" if cell.lower() in _EMPTY else even_line_ends(cell)
