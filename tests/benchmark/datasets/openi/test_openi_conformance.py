"""Open-i's loader passes the dataset suite, on the archive and on unpacked files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from radpriv.benchmark.conformance.check_dataset import CHECKS, check_dataset
from radpriv.benchmark.datasets.openi.openi_loader import OpenI


@pytest.mark.parametrize("form", ["tgz", "files"])
def test_the_loader_passes_the_suite(form: str, report_xml: Callable[..., bytes]) -> None:
    codes = (("normal",), ("Cardiomegaly",), ("Pleural Effusion/left",))
    reports = {
        f"ecgen-radiology/{i}.xml": report_xml(f"Heart {i} is of usual size.", "", codes[i % 3])
        for i in range(1, 25)
    }

    def source(data: Path) -> None:
        (data / "openi" / "ecgen-radiology").mkdir(parents=True)
        if form == "files":
            for name, content in reports.items():
                (data / "openi" / name).write_bytes(content)
            return
        (data / "openi" / "ecgen-radiology").rmdir()
        with tarfile.open(data / "openi" / "NLMCXR_reports.tgz", "w:gz") as tar:
            for name, content in reports.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))

    verdicts = list(check_dataset(OpenI(), source))
    assert [v for v in verdicts if v.passed is not True] == []
    assert tuple(v.check for v in verdicts) == CHECKS
