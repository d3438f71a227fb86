"""`radpriv check`: what a person sees of a replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.conformance.verdict import (
    CERTIFICATE,
    NO_STOP,
    UNCOMPARED,
    WAIST,
    MethodReport,
    Verdict,
)
from radpriv.cli.check import table

Radpriv = Callable[..., Any]

LEAKS = '''
from dataclasses import dataclass
from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.methods.method import methods

@methods.register("leaks")
@dataclass(frozen=True)
class Leaks(DPBagOfWords):
    """Writes the number of its records into its model."""
    size: int = 32

    def fit(self, train, encoder, budget, run):
        fitted = super().fit(train, encoder, budget, run)
        fitted.bias += train._universe.member.sum()
        return fitted
'''


@pytest.mark.parametrize("verbose", [False, True])
def test_check_folds_what_holds(radpriv: Radpriv, verbose: bool) -> None:
    """A row for each unit and ε; `--verbose` gives each check its own."""
    arguments = ["dp_bow", "--unit", "report", "--epsilon", "8", "--set", "size=32"]
    done = radpriv("check", *arguments, *(["--verbose"] if verbose else []))
    assert done.code == 0, done.err
    assert done.out.count(" ok ") == (9 if verbose else 1) and "fails" not in done.out
    assert ("9 checks" in done.out) is not verbose
    assert done.out.count("of 8 at δ = ") == 1, "the certificate is seen either way"
    assert ("goes on after a stop" in done.out) is verbose
    assert "dp_bow: every check holds" in done.out


def verdict(check: str, passed: bool = True, detail: str = "seen", epsilon: float = 8) -> Verdict:
    return Verdict("report", epsilon, check, passed, detail)


def shown(verbose: bool, *verdicts: Verdict) -> list[str]:
    """Rows of the table, the cells of each joined by bars."""
    made = table(MethodReport("mine", verdicts), verbose)
    return ["|".join(row) for row in made.rows]


def test_check_shows_failures_and_oddities_whole() -> None:
    """What fails, and what holds without having been compared in full, is never folded."""
    bad = verdict("sensitivity", False, "moves [red]x[/] by 2 times the bound")
    odd = verdict("nothing else", True, f"equal ({UNCOMPARED})")
    stop = verdict("goes on after a stop", True, NO_STOP)
    spent = verdict(CERTIFICATE, True, "ε = 7.9 of 8")
    rows = shown(False, verdict(WAIST), spent, bad, odd, stop, verdict(WAIST, epsilon=0.1))
    assert rows == [
        "report|8|2 checks|ok|hold; ε = 7.9 of 8",
        "report|8|sensitivity|fails|moves [red]x[/] by 2 times the bound",
        f"report|8|nothing else|ok|equal ({UNCOMPARED})",
        f"report|8|goes on after a stop|ok|{NO_STOP}",
        f"report|0.1|{WAIST}|ok|seen",
    ]
    assert len(shown(True, verdict(WAIST), spent, bad)) == 3


def test_leaking_plugin_ends_with_status_1(radpriv: Radpriv, tmp_path: Path) -> None:
    """It says what was seen, and what the claim may still be called."""
    plugin = tmp_path / "leaks.py"
    plugin.write_text(LEAKS)
    done = radpriv("check", plugin, "--unit", "patient", "--epsilon", "8", "--json")
    assert done.code == 1
    (report,) = json.loads(done.out)
    failed = [v for v in report["verdicts"] if not v["passed"]]
    assert [v["check"] for v in failed] == ["nothing else"]
    assert "head.safetensors differs" in failed[0]["detail"] and report["standing"] == "none"
    printed = radpriv("check", plugin, "--unit", "patient", "--epsilon", "8")
    assert "nothing else failed. Standing of its claim: none." in printed.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tfidf"], "claims no privacy"),
        (["dp_bwo"], "did you mean 'dp_bow'"),
        (["dp_bow", "--set", "sizes=3"], "no parameter 'sizes'"),
        (["dp_bow", "--set", "size"], "--set size: give NAME=VALUE"),
        (["dp_bow", "--set", "size=many"], "'size' = 'many': expected int"),
        (["dp_bow", "--unit", "image"], "no claim for the unit 'image'"),
        (["dp_bow", "--epsilon", "0"], "epsilon = 0"),
        (["dp_bow", "--epsilon", "inf"], "epsilon = inf"),
        (["dp_lora", "--encoder", "gpt"], "encoder 'gpt'"),
        (["nowhere.py"], "nowhere.py: cannot be read"),
    ],
)
def test_uncheckable_method_is_one_sentence(
    radpriv: Radpriv, arguments: list[str], words: str
) -> None:
    """So are wrong parameters, units and budgets."""
    assert words in radpriv("check", *arguments).sentence
