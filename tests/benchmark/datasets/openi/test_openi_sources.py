"""Where Open-i is looked for, and what damaged archives and reports say."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.openi.openi_loader import OpenI
from radpriv.benchmark.datasets.openi.openi_sources import find_source, source_sha256
from radpriv.benchmark.datasets.openi.openi_xml import parse_report, read_archive
from radpriv.errors import DataError

Write = Callable[..., Path]
Make = Callable[..., bytes]
SECRET = "unspeakable"
SEVERAL = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SOURCE = "openi/NLMCXR_reports.tgz"


def refusal(data: Path) -> str:
    with pytest.raises(DataError) as caught:
        OpenI().load(data)
    message = str(caught.value)
    assert SECRET not in message and "\n" not in message
    return message


def test_absent_data_says_what_to_get_and_where_to_put_it(tmp_path: Path) -> None:
    for data, said in (
        (None, "--data or RADPRIV_DATA"),
        (tmp_path / "nowhere", "nowhere does not exist"),
        (tmp_path, "holds neither openi/NLMCXR_reports.tgz"),
    ):
        with pytest.raises(DataError, match=r"openi\.nlm\.nih\.gov") as caught:
            OpenI().find(data)
        assert said in str(caught.value)


def test_the_archive_may_lie_in_the_data_folder_itself(
    archive: Write, report_xml: Make, tmp_path: Path
) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("one")})
    moved = (data / SOURCE).rename(data / "NLMCXR_reports.tgz")
    assert find_source(data) == moved
    assert OpenI().load(data).texts == ("one",)


@pytest.mark.parametrize("place", ["openi/ecgen-radiology", "ecgen-radiology"])
def test_an_unpacked_archive_gives_the_same_rows(
    archive: Write, report_xml: Make, tmp_path: Path, place: str
) -> None:
    packed = OpenI().load(
        archive({f"ecgen-radiology/{n}.xml": report_xml(f"t {n}") for n in (1, 9, 10)})
    )
    folder = tmp_path / "unpacked" / place
    folder.mkdir(parents=True)
    for n in (1, 9, 10):
        (folder / f"{n}.xml").write_bytes(report_xml(f"t {n}"))
    unpacked = OpenI().load(tmp_path / "unpacked")
    assert (unpacked.ids, unpacked.texts) == (packed.ids, packed.texts)
    before = source_sha256(folder)
    (folder / "9.xml").write_bytes(report_xml("another"))
    assert source_sha256(folder) != before
    (folder / "9.xml").write_bytes(report_xml(SECRET)[:-9])
    assert "9.xml: malformed XML at line 1" in refusal(tmp_path / "unpacked")


@given(keep=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_archive_cut_anywhere_is_refused_by_name(
    archive: Write, report_xml: Make, keep: float
) -> None:
    data = archive({f"ecgen-radiology/{n}.xml": report_xml(f"{SECRET} {n * n}") for n in range(40)})
    path = data / SOURCE
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    assert str(path) in refusal(data)


def test_a_tar_cut_before_it_was_compressed_is_refused(archive: Write, report_xml: Make) -> None:
    data = archive({f"ecgen-radiology/{n}.xml": report_xml(f"{SECRET} {n}") for n in range(9)})
    tar = gzip.decompress((data / SOURCE).read_bytes())
    for end in (512, 1024 + 200, 1024 * 5, 1024 * 5 + 17):
        (data / SOURCE).write_bytes(gzip.compress(tar[:end]))
        assert SOURCE in refusal(data)


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@SEVERAL
def test_a_changed_bit_is_refused_by_name(
    archive: Write, report_xml: Make, where: float, bit: int
) -> None:
    data = archive({f"ecgen-radiology/{n}.xml": report_xml(f"{SECRET} {n}") for n in range(9)})
    damaged = bytearray((data / SOURCE).read_bytes())
    start = damaged.index(b"\0", 10) + 1  # after the header, whose time and name change nothing
    damaged[start + int(where * (len(damaged) - start))] ^= 1 << bit
    (data / SOURCE).write_bytes(damaged)
    assert SOURCE in refusal(data)


def test_an_archive_without_reports_is_refused(archive: Write) -> None:
    assert "holds no report" in refusal(archive({"ecgen-radiology/readme.txt": b"hello"}))


def test_a_report_that_occurs_twice_is_refused(archive: Write, report_xml: Make) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("a"), "again/1.xml": report_xml("b")})
    assert "report 1 occurs twice" in refusal(data)


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "NLMCXR_reports.tgz"
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("ecgen-radiology/1.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link, io.BytesIO())
    with pytest.raises(DataError, match="holds no report"):
        read_archive(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (f"<eCitation>{SECRET}".encode(), "malformed XML at line 1"),
        (b"", "malformed XML"),
        (f"<other>{SECRET}</other>".encode(), "root element is not eCitation"),
        (f'<!DOCTYPE e [<!ENTITY a "{SECRET}">]><eCitation>&a;</eCitation>'.encode(), "DOCTYPE"),
        (
            f'<!DOCTYPE e [<!ENTITY a "{SECRET}">]><eCitation>&a;</eCitation>'.encode("utf-16"),
            "DOCTYPE",
        ),
        (b'<?xml version="1.0" encoding="no-such"?><eCitation/>', "1.xml"),
    ],
)
def test_a_bad_member_is_refused_by_name_without_its_text(
    archive: Write, data: bytes, said: str
) -> None:
    message = refusal(archive({"ecgen-radiology/1.xml": data}))
    assert said in message and "ecgen-radiology/1.xml" in message


def test_an_oversized_member_is_refused_before_it_is_parsed(archive: Write) -> None:
    bomb = b"<eCitation>" + b" " * (5 << 20) + b"</eCitation>"
    assert "larger than 4 MiB" in refusal(archive({"ecgen-radiology/1.xml": bomb}))


@given(st.text(max_size=60).filter(lambda t: t.isprintable()), st.text("ab/, ", max_size=20))
def test_any_text_survives_the_round_trip_through_xml(
    report_xml: Make, words: str, code: str
) -> None:
    report = parse_report(report_xml(words, "", (code,)), "7.xml")
    assert report.number == 7
    assert report.findings == words.strip()
    assert report.codes == ((code.strip(),) if code.strip() else ())


def test_an_archive_whose_member_leads_out_of_it_is_refused(
    archive: Write, report_xml: Make
) -> None:
    for name in ("../../evil/5.xml", "/etc/5.xml"):
        data = archive({"ecgen-radiology/1.xml": report_xml("one"), name: report_xml("five")})
        assert "leads out of it" in refusal(data)


def test_a_pipe_among_the_unpacked_files_is_refused(tmp_path: Path, report_xml: Make) -> None:
    folder = tmp_path / "openi" / "ecgen-radiology"
    folder.mkdir(parents=True)
    (folder / "1.xml").write_bytes(report_xml("one"))
    os.mkfifo(folder / "2.xml")
    assert "no regular file" in refusal(tmp_path)


def test_a_part_of_the_release_is_told(
    archive: Write, report_xml: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("one")})
    OpenI().load(data)
    said = capsys.readouterr().err
    assert (
        "NLMCXR_reports.tgz, of a release of 3,955: is the download complete?); reports 1," in said
    )
