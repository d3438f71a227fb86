"""The report files: zip and tree say the same, and a zip that is hostile or damaged is refused."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.mimic_cxr.report_files import LARGEST, open_reports
from radpriv.errors import DataError

NAME = "files/p10/p10000032/s50000001.txt"
MARKER = "unspeakable"


def write_zip(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice, on purpose
        for name, content in members:
            archive.writestr(name, content)
    return path


def read(path: Path) -> dict[int, str]:
    with open_reports(path) as reports:
        return {study: reports.text(study) for study in reports.patients}


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and MARKER not in message and "\n" not in message
    return message


def test_zip_and_tree_give_the_same_reports(tmp_path: Path) -> None:
    members = {
        NAME: b"\xef\xbb\xbfone \xc3\xa9\r\n",
        "files/p19/p19999999/s50000002.txt": b"",
        "files/p10/p10000032/s50000009.txt": b"three",
        "files/p10/p10000032/index.html": b"no report",
        "files/p10/p10000032/s50000001/0a1b.jpg": b"no report",
    }
    archive = write_zip(tmp_path / "a.zip", list(members.items()))
    for name, content in members.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).with_name("s50000001").mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    expected = {50000001: "one é\r\n", 50000009: "three", 50000002: ""}
    assert read(archive) == read(tmp_path / "files") == expected
    with open_reports(archive) as zipped, open_reports(tmp_path / "files") as unpacked:
        assert zipped.patients == unpacked.patients
        assert zipped.patients[50000002] == 19999999


def linked(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../p10/p10000032/s50000002.txt", "leads out of the archive"),
        ("files/../../x.txt", "leads out of the archive"),
        ("/etc/p10/p10000032/s50000002.txt", "leads out of the archive"),
        ("C:/p10/p10000032/s50000002.txt", "leads out of the archive"),
        ("files\\..\\..\\x.txt", "leads out of the archive"),
        (linked("files/p10/p10000032/s50000002.txt"), "is a link"),
        (linked("files/elsewhere"), "is a link"),
        ("a\nb/p10/p10000032/s50000002.txt", "has a name that does not print"),
        (NAME, "is there twice"),
        ("again/p11/p11000032/s50000001.txt", "is there twice"),
        ("files/p11/p10000032/s50000002.txt", "belongs under p10/"),
    ],
)
def test_a_member_that_no_honest_archive_has_is_refused(
    tmp_path: Path, name: str | zipfile.ZipInfo, said: str
) -> None:
    path = write_zip(tmp_path / "a.zip", [(NAME, b"fine"), (name, MARKER.encode())])
    assert said in refusal(path)
    assert os.listdir(tmp_path) == ["a.zip"]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [(NAME, b"fine")])
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.find(signature) + flags] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)


def test_oversized_report_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A report too large to be one is refused before it is unpacked."""
    path = write_zip(tmp_path / "a.zip", [(NAME, bytes(LARGEST + 1))])
    assert "larger than 1 MiB" in refusal(path)
    data = bytearray(path.read_bytes())  # the same, declared small
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", data, data.find(signature) + at, 10)
    path.write_bytes(data)
    assert "damaged" in refusal(path)
    (tmp_path / "p10" / "p10000032").mkdir(parents=True)
    (tmp_path / "p10" / "p10000032" / "s50000001.txt").write_bytes(bytes(LARGEST + 1))
    with pytest.raises(DataError, match=r"s50000001\.txt: larger than 1 MiB"):
        read(tmp_path)


def test_a_report_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [(NAME, MARKER.encode() + b"\xff")])
    assert refusal(path).startswith(f"{path}: {NAME}: not UTF-8 at byte {len(MARKER) + 1}")


def test_a_zip_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "a.zip", [(NAME, MARKER.encode() * 9)] * 1).read_bytes()
    for cut in range(0, len(whole), 3):
        (tmp_path / "a.zip").write_bytes(whole[:cut])
        assert "cut short, damaged or not a zip file" in refusal(tmp_path / "a.zip")


def test_a_report_whose_checksum_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(NAME, MARKER)
    path.write_bytes(path.read_bytes().replace(MARKER.encode(), MARKER.upper().encode()))
    assert f"{NAME}: damaged" in refusal(path)


def test_tree_with_a_misplaced_patient_or_twin_study_is_refused(
    tmp_path: Path,
) -> None:
    """A tree with a patient in a foreign group, or a study twice, is refused."""
    one, two, wrong = (tmp_path / p for p in ("p10/p10000032", "p11/p11000032", "p11/p10000033"))
    for folder in (one, two):
        folder.mkdir(parents=True)
        (folder / "s50000001.txt").write_text("x")
    assert "lies under two patients" in refusal_of(tmp_path)
    wrong.mkdir()
    assert "p10000033: belongs under p10/" in refusal_of(tmp_path)


def refusal_of(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(folder)
    return str(caught.value)


def test_an_absent_zip_is_named(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal(tmp_path / "none.zip")


def small_zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, MARKER * 3)
        archive.writestr("files/p10/p10000032/s50000002.txt", "another")
    return data.getvalue()


WHOLE = small_zip()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
@example([(WHOLE.rfind(NAME.encode()), 255)])
def test_a_zip_damaged_anywhere_is_read_as_it_was_or_refused(
    tmp_path: Path, damage: list[tuple[int, Any]]
) -> None:
    data = bytearray(WHOLE)
    for at, value in damage:
        data[at] = value
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    try:
        texts = read(path)
    except DataError as error:
        assert MARKER not in str(error) and "\n" not in str(error)
    else:
        assert set(texts.values()) <= {MARKER * 3, "another"}
