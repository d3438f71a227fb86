"""The command: results on stdout, progress on stderr, and every stage again from the store."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from radpriv.benchmark.suites import job as job_module
from radpriv.cli import list as list_verb
from radpriv.errors import SuiteError

WriteSuite = Callable[..., Path]
Radpriv = Callable[..., Any]
MARKER = "zyzzyvaquux"


def report_files(store: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((store / "reports").rglob("*")) if p.is_file()}


def test_limited_run_goes_all_the_way(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """From data to page, and the page says that it is limited."""
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


def test_json_is_alone_on_stdout_and_stages_repeat(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attack and report are done again from the store, without the data."""
    suite = write_suite("dp_bow", "tfidf", "prior", seeds="2")
    first = radpriv("run", suite, "--json")
    assert first.code == 0, first.err
    summary = json.loads(first.out)
    assert summary["failed"] == {} and summary["datasets"][0]["dataset"] == "synthetic-plain"
    before = report_files(tmp_path / "store")
    assert before

    def never(*_: Any) -> None:
        raise AssertionError("the data was read")

    monkeypatch.setattr(job_module, "_load", never)
    monkeypatch.setenv("RADPRIV_DATA", str(tmp_path / "nowhere"))
    for verb in ("attack", "report"):
        again = radpriv(verb, suite, "--json")
        assert again.code == 0, again.err
        assert json.loads(again.out) == summary
        assert report_files(tmp_path / "store") == before
    monkeypatch.delenv("RADPRIV_DATA")
    hit = radpriv("run", suite, "--json")  # every cell is served: nothing reads the data
    assert hit.code == 0 and json.loads(hit.out) == summary
    assert report_files(tmp_path / "store") == before


SOURCE = '''
from dataclasses import dataclass
import numpy as np
from radpriv.baselines.prior import PriorFitted
from radpriv.benchmark.methods.method import Method, methods

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


def test_why_follows_what_was_edited_in_a_plugin(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """A docstring changes nothing; code does."""
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
    reason = radpriv("why", cell)
    assert reason.out.startswith("miss: ") and "module" in reason.out and "mine" in reason.out


def test_why_names_the_changed_parameter(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """With its value before and after."""
    suite = write_suite("dp_bow", control="false")
    assert radpriv("run", suite).code == 0
    suite.write_text(suite.read_text().replace("size = 128", "size = 256"))
    reason = radpriv("why", "synthetic-plain.dp_bow").out
    assert "params.size: 128 → 256" in reason and "miss" in reason


SCORING = """
        class Scores(PriorFitted):
            def logits(self, texts): raise {error}(text)
        return Scores(train.labels, np.zeros(len(train.labels)))"""
CELL_FAILED = "__import__('radpriv.errors').errors.CellFailed"


@pytest.mark.parametrize(
    ("raising", "expected"),
    [
        ("raise ValueError(text)", "ValueError at quotes.py"),
        (f"raise {CELL_FAILED}(text)", "CellFailed raised by the plug-in"),
        (SCORING.format(error="ValueError"), "ValueError at quotes.py"),
        (SCORING.format(error=CELL_FAILED), "CellFailed raised by the plug-in"),
    ],
    ids=["foreign", "ours", "foreign, scoring", "ours, scoring"],
)
def test_failing_method_is_named_without_its_words(
    radpriv: Radpriv,
    write_suite: WriteSuite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    raising: str,
    expected: str,
) -> None:
    """They may quote a report; the other cells are run."""
    loaded = job_module._load

    def marked(*args: Any) -> Any:
        dataset = loaded(*args)
        return replace(dataset, texts=tuple(f"{t} {MARKER}" for t in dataset.texts))

    monkeypatch.setattr(job_module, "_load", marked)
    body = f"text = train.raw().texts[0]; assert '{MARKER}' in text; {raising}"
    plugin = write_plugin(tmp_path / "quotes.py", "quotes_a_report", body)
    done = radpriv("run", write_suite("prior"), "--method", plugin, "--method", "prior")
    assert done.code == 1, done.err
    assert expected in done.err and "1 cell without a result" in done.err
    source = plugin.read_bytes()
    assert MARKER not in done.out + done.err
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file() and path.read_bytes() != source:
            assert MARKER.encode() not in path.read_bytes(), path
    reason = radpriv("why", "synthetic-plain.quotes_a_report")
    assert expected in reason.out and MARKER not in reason.out


def test_run_without_a_finished_cell_is_one_sentence(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """With the first reason."""
    plugin = write_plugin(tmp_path / "bad.py", "never_finishes", "raise KeyError('x')")
    suite = write_suite("prior", control="false")
    sentence = radpriv("run", suite, "--method", plugin).sentence
    assert "no cell finished" in sentence and "KeyError at bad.py" in sentence


def test_wrong_attribute_names_the_doors(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """The sentence reaches the terminal whole, and never with the name that was asked for."""
    suite = write_suite("prior", control="false")
    body = "return train.texts"
    plugin = write_plugin(tmp_path / "looks.py", "looks_for_texts", body)
    sentence = radpriv("run", suite, "--method", plugin).sentence
    assert "`train` has no 'texts': train.map(name, f) takes" in sentence
    body = f"return getattr(run, 'words of a report with {MARKER}')"
    plugin = write_plugin(tmp_path / "asks.py", "asks_by_a_report", body)
    done = radpriv("run", suite, "--method", plugin)
    assert "`run` has no such attribute" in done.sentence and "calibrate" in done.sentence
    assert MARKER not in done.err


def test_list_knows_every_kind(radpriv: Radpriv) -> None:
    """All of them, or one, as text and as JSON."""
    names = json.loads(radpriv("list", "--json").out)
    assert set(names) == {"suites", "datasets", "encoders", "methods", "attacks"}
    assert "quickstart" in names["suites"] and "minilm" in names["encoders"]
    assert {"openi", "synthetic-plain"} <= set(names["datasets"]) and "loss" in names["attacks"]
    assert {"dp_lora", "lora", "prior", "tfidf"} <= set(names["methods"])
    assert all(line for entries in names.values() for line in entries.values())
    plain = radpriv("list").out
    assert all(name in plain for entries in names.values() for name in entries)
    for kind in names:
        assert set(json.loads(radpriv("list", kind, "--json").out)) == {kind}


def test_list_wraps_sentences_on_a_terminal(
    radpriv: Radpriv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cuts none."""
    names = json.loads(radpriv("list", "--json").out)
    assert (
        names["attacks"]["lira"].startswith("Likelihood-ratio")
        and "did not?" in (names["attacks"]["lira"])
    )
    assert not radpriv("list").out.count("\x1b")
    screen = io.StringIO()
    monkeypatch.setattr(list_verb, "out", Console(file=screen, width=60, force_terminal=True))
    radpriv("list")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert max(map(len, lines)) <= 60
    seen = " ".join(" ".join(lines).split())
    for entries in names.values():
        for name, line in entries.items():
            assert f"{name} {line}" in seen


def test_debug_shows_the_traceback(radpriv: Radpriv, write_suite: WriteSuite) -> None:
    """In place of the sentence."""
    with pytest.raises(SuiteError, match="limit 3"):
        radpriv("run", write_suite("prior"), "--limit", "3", "--debug")


def test_interrupt_ends_with_its_own_status(
    radpriv: Radpriv, write_suite: WriteSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """130, after one line."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_module, "_load", interrupt)
    result = radpriv("run", write_suite("prior"))
    assert result.code == 130 and "finished cells are kept" in result.err


def test_edited_suite_is_not_reported_from_its_old_plan(
    radpriv: Radpriv, write_suite: WriteSuite
) -> None:
    """It asks for other cells now."""
    suite = write_suite("prior")
    assert radpriv("run", suite).code == 0
    assert radpriv("report", suite).code == 0
    suite.write_text(suite.read_text().replace("[[datasets]]", "delta = 1e-6\n[[datasets]]", 1))
    for verb in ("report", "attack"):
        assert "another version of this suite" in radpriv(verb, suite).sentence
