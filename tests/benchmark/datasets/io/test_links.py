"""Links: a folder, an archive or a table that was named is followed to a disk elsewhere; a link
among reports that leads out of them is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from radpriv.benchmark.datasets.io.links import inside
from radpriv.benchmark.datasets.mimic_cxr.report_files import open_reports, scan
from radpriv.benchmark.datasets.openi.openi_loader import OpenI
from radpriv.errors import DataError

PATIENT = "p10/p10000032"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A big disk, mounted elsewhere."""
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def mimic(folder: Path) -> Path:
    for study in (50000003, 50000007):
        file = folder / PATIENT / f"s{study}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"IMPRESSION: study {study}.")
    return folder


def test_a_tree_of_reports_may_lie_behind_a_link(disk: Path, tmp_path: Path) -> None:
    mimic(disk / "mimic" / "files")
    (tmp_path / "mimic-cxr").symlink_to(disk / "mimic")
    whole = tmp_path / "mimic-cxr" / "files"
    assert [f.name for _, f in scan(whole)] == ["s50000003.txt", "s50000007.txt"]
    (tmp_path / "files").symlink_to(disk / "mimic" / "files")
    with open_reports(tmp_path / "files") as reports:
        assert "50000007" in reports.text(50000007)


@pytest.mark.parametrize("name", [f"{PATIENT}/s50000009.txt", "p10/p10000048", "p11"])
def test_link_that_leads_out_of_a_tree_is_refused_by_its_name(
    disk: Path, tmp_path: Path, name: str
) -> None:
    """A link inside a tree that leads out is refused by its name."""
    folder = mimic(tmp_path / "files")
    target = mimic(disk) / (f"{PATIENT}/s50000003.txt" if name.endswith(".txt") else PATIENT)
    (folder / name).symlink_to(target)
    with pytest.raises(DataError) as caught:
        list(scan(folder))
    assert str(folder / name) in str(caught.value) and "leads out of" in str(caught.value)


def test_a_link_inside_a_tree_that_stays_inside_is_followed(tmp_path: Path) -> None:
    folder = mimic(tmp_path / "files")
    moved = folder / PATIENT / "kept" / "s50000003.txt"
    moved.parent.mkdir()
    (folder / PATIENT / "s50000003.txt").rename(moved)
    (folder / PATIENT / "s50000003.txt").symlink_to("kept/s50000003.txt")
    assert [f.name for _, f in scan(folder)] == ["s50000003.txt", "s50000007.txt"]


def test_a_folder_with_the_same_beginning_is_not_inside(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files2").mkdir()
    (tmp_path / "files" / "link").symlink_to(tmp_path / "files2")
    with pytest.raises(DataError, match="leads out of"):
        inside(tmp_path / "files" / "link", tmp_path / "files")


def test_openi_behind_a_link_is_read_and_linked_report_refused(
    disk: Path, tmp_path: Path, report_xml: Callable[..., bytes]
) -> None:
    """Open-i behind a link is read; a link among its reports is refused."""
    (disk / "ecgen-radiology").mkdir()
    for n in (1, 2):
        (disk / "ecgen-radiology" / f"{n}.xml").write_bytes(report_xml(f"text {n}"))
    data = tmp_path / "data"
    (data / "openi").mkdir(parents=True)
    place = data / "openi" / "ecgen-radiology"
    place.symlink_to(disk / "ecgen-radiology")
    assert len(OpenI().load(data)) == 2
    (disk / "3.xml").write_bytes(report_xml("text 3"))
    (disk / "ecgen-radiology" / "3.xml").symlink_to(disk / "3.xml")
    with pytest.raises(DataError) as caught:
        OpenI().load(data)
    assert str(place / "3.xml") in str(caught.value) and "leads out of" in str(caught.value)


def test_open_is_archive_may_be_a_link(
    archive: Callable[[Mapping[str, bytes]], Path],
    report_xml: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    packed = archive({"ecgen-radiology/1.xml": report_xml("text")}) / "openi/NLMCXR_reports.tgz"
    linked = tmp_path / "elsewhere" / "openi" / packed.name
    linked.parent.mkdir(parents=True)
    linked.symlink_to(packed)
    assert len(OpenI().load(tmp_path / "elsewhere")) == 1
