"""Small Open-i sources, made up here in the shape of the real files, and the real archive."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

WriteArchive = Callable[[Mapping[str, bytes]], Path]
MakeXml = Callable[..., bytes]


@pytest.fixture(scope="session")
def report_xml() -> MakeXml:
    """Bytes of one report: sections by name, MeSH codes (none: no MeSH element)."""

    def make(
        findings: str = "", impression: str = "", codes: tuple[str, ...] = ("normal",)
    ) -> bytes:
        majors = "".join(f"<major>{escape(code)}</major>" for code in codes)
        return (
            '<?xml version="1.0" encoding="utf-8"?><eCitation><MedlineCitation><Article><Abstract>'
            '<AbstractText Label="INDICATION">made up</AbstractText>'
            f'<AbstractText Label="FINDINGS">{escape(findings)}</AbstractText>'
            f'<AbstractText Label="IMPRESSION">{escape(impression)}</AbstractText>'
            "</Abstract></Article></MedlineCitation>"
            f"<MeSH>{majors}<automatic>pneumonia</automatic></MeSH></eCitation>"
        ).encode()

    return make


@pytest.fixture
def archive(tmp_path: Path) -> WriteArchive:
    """Writes openi/NLMCXR_reports.tgz from member name -> bytes; returns the data folder."""

    def write(members: Mapping[str, bytes]) -> Path:
        path = tmp_path / "data" / "openi" / "NLMCXR_reports.tgz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as tar:
            folder = tarfile.TarInfo("ecgen-radiology")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        return tmp_path / "data"

    return write


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The data folder with NLM's own archive; skips where there is none."""
    folder = os.environ.get("RADPRIV_DATA")
    if not folder or not (Path(folder) / "openi" / "NLMCXR_reports.tgz").is_file():
        pytest.skip("needs openi/NLMCXR_reports.tgz under the folder that RADPRIV_DATA names")
    return Path(folder)
