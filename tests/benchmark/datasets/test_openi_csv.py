"""The CSV re-issue of Open-i: one record per report, and what a faulty file says."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from radpriv.benchmark.datasets.openi import OpenI
from radpriv.benchmark.datasets.openi_csv import COLUMNS, read_csv
from radpriv.errors import DataError

SECRET = "unspeakable"


def refusal(data: Path) -> str:
    with pytest.raises(DataError) as caught:
        OpenI().load(data)
    message = str(caught.value)
    assert SECRET not in message and "\n" not in message
    return message


def write_csv(
    path: Path, rows: Iterable[Iterable[object]], header: Iterable[str] = COLUMNS
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_the_csv_reissue_gives_one_record_per_report_whatever_lies_beside_it(
    tmp_path: Path,
) -> None:
    reports = [
        (2, "Cardiomegaly/mild;Catheters, Indwelling", "p", "i", "in", "c", "", "Large heart."),
        (1, "normal", "normal", "i", "in", "c", "Clear, all of it.", "nan"),
    ]
    write_csv(tmp_path / "openi" / "indiana_reports.csv", reports)
    images = [(1, "a.png", "Frontal")] * 3 + [(2, "b.png", "Lateral")] * 2
    write_csv(
        tmp_path / "openi" / "indiana_projections.csv", images, ("uid", "filename", "projection")
    )
    data = OpenI().load(tmp_path)
    assert data.ids == ("CXR0001", "CXR0002")
    assert data.texts == ("Clear, all of it.", "Large heart.")
    assert data.counts["copies"] == 0 and data.counts["reports"] == 2
    assert [data.labels[j] for j in data.y[1].nonzero()[0]] == ["Cardiomegaly", "Support Devices"]


def test_a_csv_merged_with_its_images_still_gives_one_record_per_report(tmp_path: Path) -> None:
    header = ("", *COLUMNS, "filename", "projection")
    row = ("normal", "", "i", "in", "c", "Clear.", "Normal.")
    rows = [(k, uid, *row, f"{k}.png", "Frontal") for k, uid in enumerate((1, 1, 1, 2, 2))]
    reports = read_csv(write_csv(tmp_path / "indiana_reports.csv", rows, header))
    assert [report.number for report in reports] == [1, 2]


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([], ("uid", "MeSH", "findings"), "column impression is missing (present: uid, MeSH, find"),
        ([], COLUMNS, "holds no report"),
        ([("x", "normal", "", "", "", "", SECRET, "")], COLUMNS, "line 2, field uid: not a number"),
        ([(1, "normal", SECRET)], COLUMNS, "line 2: its number of fields"),
        (
            [(1, "normal", "", "", "", "", SECRET, ""), (1, "normal", "", "", "", "", "b", "")],
            COLUMNS,
            "line 3, field uid: 1 stands for two different reports",
        ),
    ],
)
def test_a_faulty_csv_is_refused_by_line_and_field(
    tmp_path: Path, rows: list[tuple[object, ...]], header: tuple[str, ...], said: str
) -> None:
    write_csv(tmp_path / "indiana_reports.csv", rows, header)
    assert said in refusal(tmp_path)


def test_a_csv_that_is_not_text_or_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "indiana_reports.csv"
    path.write_bytes(b"uid,MeSH,findings,impression\n1,normal,\xff\xfe,\n")
    assert "not UTF-8" in refusal(tmp_path)
    path.write_text(f'uid,MeSH,findings,impression\n1,normal,"{SECRET}')
    assert "not a whole CSV file" in refusal(tmp_path)


def test_the_archive_comes_before_the_csv(
    archive: Callable[..., Path], report_xml: Callable[..., bytes]
) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("from the archive")})
    write_csv(data / "indiana_reports.csv", [(1, "normal", "", "", "", "", "from the csv", "")])
    assert OpenI().load(data).texts == ("from the archive",)
