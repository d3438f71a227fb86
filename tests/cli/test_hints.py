"""What a refusal tells beside the fault: the place in the file, and what may have been meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteSuite = Callable[..., Path]
Radpriv = Callable[..., Any]
QUICK = {"control": "false", "attacks": "[]"}


@pytest.mark.parametrize(
    ("old", "new", "place", "expected"),
    [
        ('"prior"', '"priro"', "methods[1]: ", "did you mean 'prior'?"),
        ("params = {  }", "params = { steep = 1 }", "methods[1]: ", "no parameter 'steep'"),
        ('"synthetic-plain"', '"synthetic-plane"', "datasets[0]: ", "'synthetic-plain'?"),
        ("reports = 120", "reprots = 120", "datasets[0]: ", "no option 'reprots'"),
        ("epsilons = [1.0", "epsilons = [1e400", "epsilons[0] = ", "too large for a number"),
        ("reports = 120", "reports = 1e400", "datasets[0].options.reports = ", "too large"),
        ("epsilons =", 'attacks = ["losss"]\nepsilons =', "attacks: ", "did you mean 'loss'?"),
    ],
)
def test_fault_in_a_suite_is_told_with_its_place(
    radpriv: Radpriv, write_suite: WriteSuite, old: str, new: str, place: str, expected: str
) -> None:
    path = write_suite("tfidf", "prior")
    before, mark, after = path.read_text().rpartition(old)
    assert mark
    path.write_text(before + new + after)
    sentence = radpriv("run", path).sentence
    assert sentence.startswith(f"radpriv: {path}: {place}") and expected in sentence


def test_infinity_that_is_written_as_such_stays(radpriv: Radpriv, write_suite: WriteSuite) -> None:
    path = write_suite("prior", epsilons="[inf]", **QUICK)
    assert radpriv("run", path, "--limit", "40").code == 0
    assert "too large for a number" in radpriv("check", "dp_bow", "--set", "rate=1e400").sentence


def test_mistyped_words_lead_to_what_is_meant(
    radpriv: Radpriv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_method.py").touch()
    assert "did you mean 'methods'?" in radpriv("list", "methds").sentence
    assert "did you mean 'my_method.py'?" in radpriv("check", "my_method").sentence
    assert "did you mean 'patient'?" in radpriv("check", "dp_bow", "--unit", "pateint").sentence
    options = ["file=a.csv", "text=t", 'labels=["y"]', "release=nothin"]
    words = [word for option in options for word in ("--option", option)]
    described = radpriv("data", "describe", "table", "--data", tmp_path, *words)
    assert "did you mean 'nothing'?" in described.sentence
    text = radpriv("data", "describe", "openi", "--data", tmp_path, "--option", "text=findngs")
    assert "did you mean 'findings'?" in text.sentence
    assert "nope: cannot be read (no such file)" in radpriv("account", "nope").sentence


@pytest.mark.parametrize(
    "words",
    [
        ("why", "x"),
        ("predict", "x", "{file}"),
        ("export", "x", "{new}"),
        ("attack", "quickstart"),
        ("attack", "x"),
        ("report", "quickstart"),
    ],
)
def test_absent_store_is_said_and_not_made(
    radpriv: Radpriv, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "reports.txt").write_text("Lungs are clear.\n")
    nowhere = tmp_path / "nowhere"
    places = {"{file}": str(tmp_path / "reports.txt"), "{new}": str(tmp_path / "new")}
    done = radpriv(*(places.get(word, word) for word in words), "--store", nowhere)
    assert f"{nowhere}: no store is there" in done.sentence and not nowhere.exists()


def test_finished_run_tells_what_else_was_meant(
    radpriv: Radpriv, write_suite: WriteSuite, tmp_path: Path
) -> None:
    """Of a report the options of its run, of a cell the id; a cell's attack prints its rows."""
    path = write_suite("tfidf", "prior", control="false", attacks='["loss"]')
    assert radpriv("run", path, "--limit", "40").code == 0
    missed = radpriv("report", path).sentence
    assert "was not run there; it was run with --limit 40: give the same options" in missed
    assert radpriv("report", path, "--limit", "40").code == 0
    why = radpriv("why", "synthetic-plian.tfidf").sentence
    assert "did you mean synthetic-plain.tfidf." in why
    shown = radpriv("attack", "synthetic-plain.tfidf", "--attack", "loss")
    assert shown.code == 0 and "Leakage" in shown.out and "Weighted F1" not in shown.out
    names = [line.split()[0] for line in shown.out.splitlines() if line.strip()]
    assert "tfidf" in names and "prior" not in names and "null" in names
