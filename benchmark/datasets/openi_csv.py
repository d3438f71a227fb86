"""The CSV re-issue of Open-i that many users have (indiana_reports.csv): one row per report.

Its companion indiana_projections.csv has one row per image and is not read. Where somebody merged
the two, every report is repeated per image: equal rows of one uid are one report.
"""

from __future__ import annotations

import csv
from pathlib import Path

from radpriv.benchmark.datasets.openi_xml import Report
from radpriv.errors import DataError

NEEDED = ("uid", "MeSH", "findings", "impression")
COLUMNS = ("uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression")
_ABSENT = ("", "nan", "none", "null")  # how table programs write an empty cell


def read_csv(path: Path) -> list[Report]:
    """All reports, by number. DataError names file, row and field, and never quotes a report."""
    reports: dict[int, Report] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(path, list(reader.fieldnames or ()))
            for row in reader:
                report = _report(f"{path} line {reader.line_num}", row)
                known = reports.setdefault(report.number, report)
                if known != report:
                    raise DataError(
                        f"{path} line {reader.line_num}, field uid: {report.number} stands for two "
                        "different reports; get the file again"
                    )
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}; get the file again") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a whole CSV file ({error}); get the file again") from error
    if not reports:
        raise DataError(f"{path}: holds no report; get the file again")
    return [reports[number] for number in sorted(reports)]


def _check_header(path: Path, present: list[str]) -> None:
    missing = [column for column in NEEDED if column not in present]
    if missing:
        raise DataError(
            f"{path}: column {', '.join(missing)} is missing (present: {', '.join(present)}); the "
            f"file that is read has the columns {', '.join(COLUMNS)}"
        )


def _report(where: str, row: dict[str, str | None]) -> Report:
    if None in row or None in row.values():
        raise DataError(f"{where}: its number of fields is not the header's; get the file again")
    cells = {name: (value or "").strip() for name, value in row.items()}
    uid = cells["uid"]
    if not (uid.isascii() and uid.isdigit() and len(uid) < 10):
        raise DataError(f"{where}, field uid: not a number")
    codes = tuple(code.strip() for code in _present(cells["MeSH"]).split(";") if code.strip())
    return Report(int(uid), codes, _present(cells["findings"]), _present(cells["impression"]))


def _present(cell: str) -> str:
    return "" if cell.lower() in _ABSENT else cell
