"""What is read where several files could be, and that nothing changed is served from before."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_sources import tree_sha256
from radpriv.errors import DataError


def test_the_files_that_were_chosen_are_named(
    release: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data = release.write(form="files")
    release.write()  # the zip beside the files
    newer = release.folder / "mimic-cxr-2.1.0-chexpert.csv.gz"
    shutil.copy(release.folder / "mimic-cxr-2.0.0-chexpert.csv.gz", newer)
    MimicCXR().load(data)
    said = capsys.readouterr().err
    assert "mimic-cxr-reports.zip" in said and newer.name in said and "2.0.0-split" in said


def test_report_edited_under_its_old_size_and_time_is_read_again(release: Any) -> None:
    """A report edited under its old size and time is read again."""
    folder = release.write(form="files") / "mimic-cxr" / "files"
    (report, *_) = sorted(folder.glob("p1*/*/*.txt"))
    before, times = tree_sha256(folder), report.stat()
    report.write_bytes(report.read_bytes().replace(b"acute", b"cutea"))
    os.utime(report, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert report.stat().st_size == times.st_size
    assert tree_sha256(folder) != before


def test_pipe_named_like_a_report_is_refused_and_not_waited_for(release: Any) -> None:
    """A pipe called like a report is refused and not waited for."""
    data = release.write(form="files")
    pipe = data / "mimic-cxr/files/p10/p10000032/s50999999.txt"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="no regular file"):
        MimicCXR().load(data)


@pytest.mark.parametrize("form", ["zip", "files"])
def test_text_files_that_are_called_otherwise_are_counted(release: Any, form: str) -> None:
    data = release.write(form=form)
    names = ("p10/p10000032/s5099.txt", "p10/p10000032/s50000003 findings.TXT")
    if form == "zip":
        release.zip({**_members(release.folder), **{f"files/{n}": b"x" for n in names}})
    else:
        for name in names:
            (release.folder / "files" / name).write_text("x")
    assert MimicCXR().load(data).counts["misnamed_file"] == 2


def test_missing_source_says_where_it_was_looked_for(
    release: Any,
) -> None:
    """What is missing says where it was looked for and what is there instead."""
    data: Path = release.write()
    (release.folder / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    with pytest.raises(DataError) as caught:
        MimicCXR().load(data)
    said = str(caught.value)
    assert "there is mimic-cxr-2.0.0-negbio.csv.gz: --option labeller=negbio" in said
    assert "physionet.org/files/" in said and "\n" not in said
    with pytest.raises(DataError, match="test-set-labeled"):
        MimicCXR(labeller="negbio", test_labels="radiologist").load(data)


def _members(folder: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(folder / "mimic-cxr-reports.zip") as archive:
        return {n: archive.read(n) for n in archive.namelist() if n.endswith(".txt")}
