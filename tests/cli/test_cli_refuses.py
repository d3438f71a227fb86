"""Bad input on the command line: one sentence, status 2, no traceback, nothing lost."""

from __future__ import annotations

import errno
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteSuite = Callable[..., Path]
Radpriv = Callable[..., Any]
MARKER = "zyzzyvaquux"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epsilons = [1.0, inf]", "epsilons = [0]", "epsilons[0] = 0: expected a positive"),
        ("epsilons = [1.0, inf]", "epsilons = [-1]", "epsilons[0] = -1: expected a positive"),
        ("epsilons = [1.0, inf]", "epsilons = [nan]", "nan"),
        ("epsilons =", "epsilon =", "did you mean 'epsilons'?"),
        ('"prior"', '"priro"', "did you mean 'prior'?"),
        ('"synthetic-plain"', '"synthetic-plane"', "did you mean 'synthetic-plain'?"),
        ("reports = 120", "reports = 0", "reports"),
        ("[[datasets]]", "[[datasets", "not valid TOML"),
        ("n_public = 90", "n_public = 0", "n_public"),
    ],
)
def test_bad_suite_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, old: str, new: str, expected: str
) -> None:
    """It names the key or the value at fault."""
    path = write_suite("prior")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert expected in radpriv("run", path).only_line


def test_unknown_name_is_one_line(radpriv: Radpriv, write_suite: WriteSuite) -> None:
    """Of a suite, method, kind or encoder; the nearest is suggested."""
    suite = write_suite("prior")
    assert "did you mean 'quickstart'" in radpriv("run", "quickstrat").only_line
    assert "did you mean 'dp_lora'" in radpriv("run", suite, "--method", "dp_lorra").only_line
    assert "suites, datasets" in radpriv("list", "metods").only_line
    assert "did you mean 'minilm'" in radpriv("run", suite, "--encoder", "minlm").only_line
    assert "cannot be read" in radpriv("run", "nowhere.toml").only_line
    assert "cannot be read" in radpriv("run", suite, "--method", "nowhere.py").only_line


def test_mistyped_suite_is_one_line_with_what_is_meant(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is compared with files beside it and with shipped names; a plan leads to its suite."""
    suite = write_suite("prior", control="false")
    assert "did you mean 'tiny.toml'?" in radpriv("run", suite.with_name("tyni.toml")).only_line
    path = suite.with_name("quickstrat.toml")
    assert "did you mean 'quickstart'?" in radpriv("run", path).only_line
    far = radpriv("run", suite.with_name("far_from_every_one.toml")).only_line
    assert "cannot be read" in far and "did you mean" not in far
    folder = suite.with_name("folder.toml")
    folder.mkdir()
    assert "did you mean" not in radpriv("run", folder).only_line

    assert "was made from" not in radpriv("report", "tiny").only_line
    assert radpriv("run", suite).code == 0
    for verb in ("run", "report"):
        assert f"was made from {suite}: give that" in radpriv(verb, "tiny").only_line
    monkeypatch.chdir(suite.parent)
    assert "did you mean 'tiny.toml'?" in radpriv("run", "tiny", "--store", "other").only_line


def test_wrong_limit_folder_or_device_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """Nothing is written before."""
    suite = write_suite("prior")
    assert "--limit 3" in radpriv("run", suite, "--limit", "3").only_line
    assert "no such folder" in radpriv("run", suite, "--data", tmp_path / "none").only_line
    assert "--device tpu" in radpriv("run", suite, "--device", "tpu").only_line
    assert not (tmp_path / "store").exists()


def test_stage_or_cell_never_run_is_one_line(radpriv: Radpriv, write_suite: WriteSuite) -> None:
    """It says what to run first."""
    suite = write_suite("prior")
    for verb in ("attack", "report"):
        assert "`radpriv run tiny` first" in radpriv(verb, suite).only_line
    assert "no cell is called 'x'" in radpriv("why", "x").only_line


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("def broken(:", "not valid Python"),
        ("x = 1", "registers no method"),
        ("import sibling", "one file"),
        ("from . import sibling", "one file"),
    ],
)
def test_broken_plugin_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path, source: str, expected: str
) -> None:
    """It names the file and what is wrong with it."""
    plugin = tmp_path / "plugins" / "mine.py"
    plugin.parent.mkdir()
    (plugin.parent / "sibling.py").write_text("y = 2\n")
    plugin.write_text(source + "\n")
    sentence = radpriv("run", write_suite("prior"), "--method", plugin).only_line
    assert expected in sentence and "mine.py" in sentence


def openi_suite(write_suite: WriteSuite) -> Path:
    path = write_suite("prior")
    text = path.read_text().replace("options = { reports = 120 }", "")
    path.write_text(text.replace("synthetic-plain", "openi"))
    return path


def archive(folder: Path, data: bytes | None = None) -> Path:
    """A made-up Open-i archive of 30 reports, or these bytes in its place."""
    path = folder / "openi" / "NLMCXR_reports.tgz"
    path.parent.mkdir(parents=True)
    if data is not None:
        path.write_bytes(data)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for number in range(1, 31):
            xml = (
                '<?xml version="1.0" encoding="utf-8"?><eCitation><MedlineCitation><Article>'
                f'<Abstract><AbstractText Label="FINDINGS">Report {number} of thirty.'
                "</AbstractText></Abstract></Article></MedlineCitation>"
                "<MeSH><major>normal</major></MeSH></eCitation>"
            ).encode()
            entry = tarfile.TarInfo(f"ecgen-radiology/{number}.xml")
            entry.size = len(xml)
            tar.addfile(entry, io.BytesIO(xml))
    return path


def test_truncated_archive_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """It names the file and quotes no report."""
    path = archive(tmp_path / "data")
    complete = path.read_bytes()
    path.write_bytes(complete[: len(complete) // 2])
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "data")
    assert "NLMCXR_reports.tgz" in result.sentence
    assert MARKER not in result.err


def test_absent_data_is_one_line_on_how_to_get_it(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """It names the file that is looked for."""
    (tmp_path / "empty").mkdir()
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "empty")
    assert "NLMCXR_reports.tgz" in result.only_line


def test_unknown_label_in_the_mapping_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the label."""
    from radpriv.benchmark.datasets.openi import openi_loader, openi_mapping

    archive(tmp_path / "data")
    original = openi_mapping.MAPPING
    broken = tmp_path / "mapping.csv"
    lines = original.read_text().splitlines()
    changed = [line.replace("Cardiomegaly", "Kardiomegaly") for line in lines]
    assert changed != lines
    broken.write_text("\n".join(changed) + "\n")
    monkeypatch.setattr(openi_loader, "MAPPING", broken)
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "data")
    assert "Kardiomegaly" in result.sentence


@pytest.mark.parametrize("fails_at", ["os.fsync", "os.replace"])
def test_full_disk_is_one_line_and_leaves_no_half_file(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails_at: str,
) -> None:
    """The next run goes through."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    suite = write_suite("prior")
    with monkeypatch.context() as patch:
        patch.setattr(fails_at, full)
        assert "no space is left" in radpriv("run", suite).sentence
    assert not list((tmp_path / "store").glob("cells/*/*"))
    assert radpriv("run", suite).code == 0
