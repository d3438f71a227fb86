"""The command: one sentence and status 2 for bad input, results on stdout, progress on stderr."""

from __future__ import annotations

import errno
import io
import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from radpriv import cli
from radpriv.benchmark import job as job_module
from radpriv.benchmark.registry import PLUGIN
from radpriv.errors import SuiteError

WriteSuite = Callable[..., Path]
MARKER = "zyzzyvaquux"


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line of a refused command."""
        assert self.code == 2, (self.out, self.err)
        lines = self.err.strip().split("\n")
        assert lines[-1].startswith("radpriv: "), self.err
        assert not [line for line in lines[:-1] if line.startswith("radpriv:")]
        assert "Traceback" not in self.err + self.out and self.out == ""
        return lines[-1]

    @property
    def only_line(self) -> str:
        """The same, where nothing else may be on stderr."""
        assert len(self.err.strip().split("\n")) == 1, self.err
        return self.sentence


Radpriv = Callable[..., Result]


@pytest.fixture
def radpriv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radpriv:
    """Runs the command in this process, with a store and a cache of its own and no data."""
    for name in ("RADPRIV_DATA", "RADPRIV_ENCODERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RADPRIV_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "400")

    def call(*args: str | Path) -> Result:
        capsys.readouterr()
        for module in [m for m in sys.modules if m.startswith(PLUGIN)]:
            del sys.modules[module]  # a process of its own would not know them
        monkeypatch.setattr(sys, "argv", ["radpriv", *map(str, args)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call


# Bad input.


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("epsilons = [1.0, inf]", "epsilons = [0]", "epsilon = 0"),
        ("epsilons = [1.0, inf]", "epsilons = [-1]", "epsilon = -1"),
        ("epsilons = [1.0, inf]", "epsilons = [nan]", "nan"),
        ("epsilons =", "epsilon =", "did you mean 'epsilons'?"),
        ('"prior"', '"priro"', "did you mean 'prior'?"),
        ('"synthetic-plain"', '"synthetic-plane"', "did you mean 'synthetic-plain'?"),
        ("reports = 120", "reports = 0", "reports"),
        ("[[datasets]]", "[[datasets", "not valid TOML"),
        ("n_public = 90", "n_public = 0", "n_public"),
    ],
)
def test_a_bad_suite_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, old: str, new: str, expected: str
) -> None:
    path = write_suite("prior")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert expected in radpriv("run", path).only_line


def test_an_unknown_suite_method_kind_or_encoder_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite
) -> None:
    suite = write_suite("prior")
    assert "did you mean 'quickstart'" in radpriv("run", "quickstrat").only_line
    assert "did you mean 'dp_lora'" in radpriv("run", suite, "--method", "dp_lorra").only_line
    assert "suites, datasets" in radpriv("list", "metods").only_line
    assert "did you mean 'minilm'" in radpriv("run", suite, "--encoder", "minlm").only_line
    assert "cannot be read" in radpriv("run", "nowhere.toml").only_line
    assert "cannot be read" in radpriv("run", suite, "--method", "nowhere.py").only_line


def test_a_small_limit_a_missing_folder_and_a_missing_device_are_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    suite = write_suite("prior")
    assert "--limit 3" in radpriv("run", suite, "--limit", "3").only_line
    assert "no such folder" in radpriv("run", suite, "--data", tmp_path / "none").only_line
    assert "--device tpu" in radpriv("run", suite, "--device", "tpu").only_line
    assert not (tmp_path / "store").exists()


def test_a_stage_or_a_cell_that_was_never_run_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite
) -> None:
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
def test_a_broken_plugin_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path, source: str, expected: str
) -> None:
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


def test_a_truncated_archive_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    path = archive(tmp_path / "data")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "data")
    assert "NLMCXR_reports.tgz" in result.sentence
    assert MARKER not in result.err


def test_data_that_is_absent_is_one_line_that_says_how_to_get_it(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "empty")
    assert "NLMCXR_reports.tgz" in result.only_line


def test_an_unknown_label_in_the_mapping_is_one_line(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from radpriv.benchmark.datasets import openi, openi_mapping

    archive(tmp_path / "data")
    original = openi_mapping.MAPPING
    broken = tmp_path / "mapping.csv"
    lines = original.read_text().splitlines()
    changed = [line.replace("Cardiomegaly", "Kardiomegaly") for line in lines]
    assert changed != lines
    broken.write_text("\n".join(changed) + "\n")
    monkeypatch.setattr(openi, "MAPPING", broken)
    result = radpriv("run", openi_suite(write_suite), "--data", tmp_path / "data")
    assert "Kardiomegaly" in result.sentence


@pytest.mark.parametrize("fails_at", ["os.fsync", "os.replace"])
def test_a_full_disk_is_one_line_and_nothing_half_written_is_left(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails_at: str,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    suite = write_suite("prior")
    with monkeypatch.context() as patch:
        patch.setattr(fails_at, full)
        assert "no space is left" in radpriv("run", suite).sentence
    assert not list((tmp_path / "store").glob("cells/*/*"))
    assert radpriv("run", suite).code == 0


# The arc.


def report_files(store: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((store / "reports").rglob("*")) if p.is_file()}


def test_a_limited_run_goes_all_the_way(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    suite = write_suite("dp_lora", "dp_bow", "tfidf", "prior", seeds="2")
    done = radpriv("run", suite, "--limit", "60")
    assert done.code == 0, done.err
    assert "report: " in done.out and "Traceback" not in done.err
    assert "cells" in done.err and "5/5" in done.err
    written = report_files(tmp_path / "store")
    assert {"index.html", "report.md", "f1.csv", "leakage.csv", "f1.png", "f1.svg"} <= set(written)
    assert b"limited" in written["report.md"].lower()
    plans = list((tmp_path / "store" / "plans").glob("*.json"))
    plan = json.loads(plans[0].read_text())
    assert len(plans) == 1 and plan["limited"] == 60
    assert {c["status"] for c in plan["cells"]} == {"done"} and len(plan["cells"]) == 5
    assert {c["axes"]["seed"] for c in plan["cells"]} == {0}


def test_json_is_on_stdout_alone_and_stages_are_redone_without_the_data(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite = write_suite("dp_bow", "tfidf", "prior", seeds="2")
    first = radpriv("run", suite, "--json")
    assert first.code == 0, first.err
    told = json.loads(first.out)
    assert told["failed"] == {} and told["datasets"][0]["dataset"] == "synthetic-plain"
    before = report_files(tmp_path / "store")
    assert before

    def never(*_: Any) -> None:
        raise AssertionError("the data was read")

    monkeypatch.setattr(job_module, "_load", never)
    monkeypatch.setenv("RADPRIV_DATA", str(tmp_path / "nowhere"))
    for verb in ("attack", "report"):
        again = radpriv(verb, suite, "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out) == told
        assert report_files(tmp_path / "store") == before
    monkeypatch.delenv("RADPRIV_DATA")
    hit = radpriv("run", suite, "--json")  # every cell is served: nothing reads the data
    assert hit.code == 0 and json.loads(hit.out) == told
    assert report_files(tmp_path / "store") == before


SOURCE = '''
from dataclasses import dataclass
import numpy as np
from radpriv.baselines.prior import PriorFitted
from radpriv.benchmark.method import Method, methods

@methods.register("{name}")
@dataclass(frozen=True)
class Mine(Method):
    """A docstring."""
    level: float = 0.5
    private = False
    uses_encoder = False

    def fit(self, train, encoder, budget, run):
        {body}
        return PriorFitted(train.labels, np.full(len(train.labels), self.level))
'''


def write_plugin(path: Path, name: str, body: str = "pass") -> Path:
    path.write_text(SOURCE.format(name=name, body=body))
    return path


def test_a_plugin_runs_and_why_follows_what_was_edited(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    suite = write_suite("prior")
    plugin = write_plugin(tmp_path / "mine.py", "constant_of_mine")
    done = radpriv("run", suite, "--method", plugin)
    assert done.code == 0, done.err
    assert "constant_of_mine" in done.out + done.err
    kept = list((tmp_path / "store" / "sources").rglob("mine.py"))
    assert len(kept) == 1 and kept[0].read_bytes() == plugin.read_bytes()
    cell = "synthetic-plain.constant_of_mine"
    assert radpriv("why", cell).out.startswith("hit: ")
    assert json.loads(radpriv("why", cell, "--json").out)[0].startswith("hit: ")

    plugin.write_text(plugin.read_text().replace("A docstring.", "Another docstring."))
    assert radpriv("why", cell).out.startswith("hit: ")
    write_plugin(plugin, "constant_of_mine", "self.level + 1")
    told = radpriv("why", cell)
    assert told.out.startswith("miss: ") and "module" in told.out and "mine" in told.out


def test_why_names_the_axis_that_was_changed(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    suite = write_suite("dp_bow", control="false")
    assert radpriv("run", suite).code == 0
    suite.write_text(suite.read_text().replace("size = 128", "size = 256"))
    told = radpriv("why", "synthetic-plain.dp_bow").out
    assert "params.size: 128 → 256" in told and "miss" in told


def test_a_method_that_raises_is_named_without_its_words_and_the_rest_goes_on(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = job_module._load

    def marked(*args: Any) -> Any:
        dataset = loaded(*args)
        return replace(dataset, texts=tuple(f"{t} {MARKER}" for t in dataset.texts))

    monkeypatch.setattr(job_module, "_load", marked)
    body = f"text = train.raw().texts[0]; assert '{MARKER}' in text; raise ValueError(text)"
    plugin = write_plugin(tmp_path / "quotes.py", "quotes_a_report", body)
    done = radpriv("run", write_suite("prior"), "--method", plugin, "--method", "prior")
    assert done.code == 1, done.err
    assert "ValueError at quotes.py" in done.err and "1 cells did not finish" in done.err
    source = plugin.read_bytes()
    assert MARKER not in done.out + done.err
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file() and path.read_bytes() != source:
            assert MARKER.encode() not in path.read_bytes(), path
    told = radpriv("why", "synthetic-plain.quotes_a_report")
    assert "ValueError at quotes.py" in told.out and MARKER not in told.out


def test_a_run_in_which_nothing_finishes_is_one_sentence(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    plugin = write_plugin(tmp_path / "bad.py", "never_finishes", "raise KeyError('x')")
    suite = write_suite("prior", control="false")
    sentence = radpriv("run", suite, "--method", plugin).sentence
    assert "no cell finished" in sentence and "KeyError at bad.py" in sentence


def test_list_knows_every_kind(radpriv: Radpriv) -> None:
    told = json.loads(radpriv("list", "--json").out)
    assert set(told) == {"suites", "datasets", "encoders", "methods", "attacks"}
    assert "quickstart" in told["suites"] and "minilm" in told["encoders"]
    assert {"openi", "synthetic-plain"} <= set(told["datasets"]) and "loss" in told["attacks"]
    assert {"dp_lora", "lora", "prior", "tfidf"} <= set(told["methods"])
    assert all(line for entries in told.values() for line in entries.values())
    plain = radpriv("list").out
    assert all(name in plain for entries in told.values() for name in entries)
    for kind in told:
        assert set(json.loads(radpriv("list", kind, "--json").out)) == {kind}


def test_debug_shows_the_traceback(radpriv: Radpriv, write_suite: WriteSuite) -> None:
    with pytest.raises(SuiteError, match="limit 3"):
        radpriv("run", write_suite("prior"), "--limit", "3", "--debug")


def test_an_interrupt_ends_with_its_own_status(
    radpriv: Radpriv, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_module, "_load", interrupt)
    result = radpriv("run", write_suite("prior"))
    assert result.code == 130 and "finished cells are kept" in result.err
