"""The CSV re-issue of Open-i: one record per report, and what a faulty file says."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.openi.openi_csv import COLUMNS, read_csv
from radpriv.benchmark.datasets.openi.openi_loader import OpenI
from radpriv.errors import DataError

SECRET = "unspeakable"
IMAGES = ("uid", "filename", "projection")


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


def write_images(folder: Path, uids: Iterable[object], header: Iterable[str] = IMAGES) -> Path:
    rows = [(uid, f"{k}.png", "Frontal") for k, uid in enumerate(uids)]
    return write_csv(folder / "indiana_projections.csv", rows, header)


def test_csv_reissue_gives_one_record_per_report(
    tmp_path: Path,
) -> None:
    """The CSV reissue gives one record per report, whatever lies beside it."""
    reports = [
        (2, "Cardiomegaly/mild;Catheters, Indwelling", "p", "i", "in", "c", "", "Large heart."),
        (1, "normal", "normal", "i", "in", "c", "Clear, all of it.", "nan"),
    ]
    write_csv(tmp_path / "openi" / "indiana_reports.csv", reports)
    alone = OpenI().load(tmp_path)
    write_images(tmp_path / "openi", (1, 1, 1, 2, 2))
    data = OpenI().load(tmp_path)
    assert data.ids == ("CXR0001", "CXR0002")
    assert data.texts == ("Clear, all of it.", "Large heart.")
    assert data.counts["copies"] == 0 and data.counts["reports"] == 2
    assert data.counts["images"] == 5
    assert [data.labels[j] for j in data.y[1].nonzero()[0]] == ["Cardiomegaly", "Support Devices"]
    assert (alone.ids, alone.texts, alone.splits) == (data.ids, data.texts, data.splits)
    assert (alone.y == data.y).all() and "images" not in alone.counts


@pytest.mark.parametrize("uid", ["{}", "{}.0"])
def test_csv_merged_with_its_images_gives_one_record_per_report(tmp_path: Path, uid: str) -> None:
    """A CSV merged with its images still gives one record per report."""
    header = ("", *COLUMNS, "filename", "projection")
    row = ("normal", "", "i", "in", "c", "Clear.", "Normal.")
    images = [(k, uid.format(n), *row, f"{k}.png", "F") for k, n in enumerate((1, 1, 1, 2, 2))]
    reports = read_csv(write_csv(tmp_path / "indiana_reports.csv", images, header))
    assert [report.number for report in reports] == [1, 2]


def test_images_and_reports_that_have_no_partner_are_counted(tmp_path: Path) -> None:
    rows = [(n, "normal", "", "", "", "", f"Text {n}.", "") for n in (1, 2, 3)]
    write_csv(tmp_path / "indiana_reports.csv", rows)
    write_images(tmp_path, (1, 1, 3, "3.0", 8, 9, 9))
    counts = OpenI().load(tmp_path).counts
    assert (counts["images"], counts["reports"]) == (7, 3)
    assert (counts["reports_without_image"], counts["image_uids_without_report"]) == (1, 2)


def test_companion_is_in_the_identity_only_where_it_is_read(
    tmp_path: Path, archive: Callable[..., Path], report_xml: Callable[..., bytes]
) -> None:
    """The companion is named in the identity only where it is read."""
    write_csv(tmp_path / "indiana_reports.csv", [(1, "normal", "", "", "", "", "Text.", "")])
    alone = OpenI().identity(tmp_path)
    write_images(tmp_path, (1,))
    first = OpenI().identity(tmp_path)
    write_images(tmp_path, (1, 1))
    assert "projections_sha256" not in alone
    assert OpenI().identity(tmp_path)["projections_sha256"] != first["projections_sha256"]
    data = archive({"ecgen-radiology/1.xml": report_xml("from the archive")})
    write_images(data / "openi", (1,))
    assert "projections_sha256" not in OpenI().identity(data)
    assert "images" not in OpenI().load(data).counts


def test_a_damaged_companion_is_refused_with_the_way_round_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "indiana_reports.csv", [(1, "normal", "", "", "", "", SECRET, "")])
    path = write_images(tmp_path, (1, "x"))
    message = refusal(tmp_path)
    assert f"{path} line 3, column uid: not a number" in message and "take it away" in message
    write_images(tmp_path, (1,), ("id", "filename", "projection"))
    assert "column" in refusal(tmp_path) and "take it away" in refusal(tmp_path)


def test_images_without_their_reports_are_half_a_download(tmp_path: Path) -> None:
    path = write_images(tmp_path, (1,))
    message = refusal(tmp_path)
    assert str(path) in message and "Put indiana_reports.csv beside it" in message


@given(
    st.dictionaries(
        st.integers(1, 3999),
        st.tuples(
            st.lists(st.sampled_from(("normal", "Cardiomegaly/mild", "Catheters, Indwelling"))),
            st.sampled_from(("", "XXXX is clear.", 'A "quoted", long\nfinding', "No XXXX.")),
            st.sampled_from(("", "None seen.", "Stable\r\nchest")),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_xml_and_csv_of_the_same_reports_give_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory,
    report_xml: Callable[..., bytes],
    reports: dict[int, tuple[list[str], str, str]],
) -> None:
    """The XML and the CSV form of the same reports give the same rows."""
    xml, table = tmp_path_factory.mktemp("xml"), tmp_path_factory.mktemp("csv")
    (xml / "ecgen-radiology").mkdir()
    rows = []
    for number, (codes, findings, impression) in reports.items():
        findings, impression = findings.replace("\r\n", "\n"), impression.replace("\r\n", "\n")
        content = report_xml(findings, impression, tuple(codes))
        (xml / "ecgen-radiology" / f"{number}.xml").write_bytes(content)
        cells = (codes and ";".join(codes), "", "", "", "", findings, impression or "nan")
        rows.append((number, *(cell or "" for cell in cells)))
    write_csv(table / "indiana_reports.csv", rows)
    one, two = OpenI().load(xml), OpenI().load(table)
    assert (one.ids, one.texts, one.splits, one.counts) == (
        two.ids,
        two.texts,
        two.splits,
        two.counts,
    )
    assert (one.y == two.y).all()


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([], ("uid", "MeSH", "findings"), "column impression: missing (present: uid, MeSH, find"),
        ([(SECRET, SECRET, SECRET)], (1, "normal", SECRET), "none of the columns uid, MeSH"),
        ([], COLUMNS, "holds no row"),
        ([("x", "normal", "", "", "", "", SECRET, "")], COLUMNS, "line 2, column uid: not a num"),
        ([("-1", "normal", "", "", "", "", SECRET, "")], COLUMNS, "line 2, column uid: not a num"),
        ([(1.5, "normal", "", "", "", "", SECRET, "")], COLUMNS, "line 2, column uid: not a num"),
        ([(1, "normal", SECRET)], COLUMNS, "line 2: 3 fields where the header has 8"),
        (
            [(1, "normal", "", "", "", "", SECRET, ""), (1, "normal", "", "", "", "", "b", "")],
            COLUMNS,
            "line 3, column uid: 1 stands for two different reports",
        ),
    ],
)
def test_a_faulty_csv_is_refused_by_line_and_column(
    tmp_path: Path, rows: list[tuple[object, ...]], header: tuple[str, ...], said: str
) -> None:
    write_csv(tmp_path / "indiana_reports.csv", rows, header)
    assert said in refusal(tmp_path)


def test_a_csv_that_is_not_text_or_is_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "indiana_reports.csv"
    path.write_bytes(b"uid,MeSH,findings,impression\n1,normal,\xff\xfe,\n")
    assert "not UTF-8" in refusal(tmp_path)
    path.write_text(f'uid,MeSH,findings,impression\n1,normal,"{SECRET}')
    assert "no whole row" in refusal(tmp_path)


def test_the_archive_comes_before_the_csv(
    archive: Callable[..., Path], report_xml: Callable[..., bytes]
) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("from the archive")})
    write_csv(data / "indiana_reports.csv", [(1, "normal", "", "", "", "", "from the csv", "")])
    assert OpenI().load(data).texts == ("from the archive",)
