"""`radpriv check`: what a person sees of a replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_a_sound_method_is_said_to_hold(radpriv: Radpriv) -> None:
    done = radpriv("check", "dp_bow", "--unit", "report", "--epsilon", "8", "--set", "size=32")
    assert done.code == 0, done.err
    assert done.out.count(" ok ") == 7 and "fails" not in done.out
    assert "dp_bow: every check holds" in done.out


def test_a_leaking_plugin_ends_with_status_1_and_says_what_was_seen(
    radpriv: Radpriv, tmp_path: Path
) -> None:
    plugin = tmp_path / "leaks.py"
    plugin.write_text(LEAKS)
    done = radpriv("check", plugin, "--unit", "patient", "--epsilon", "8", "--json")
    assert done.code == 1
    (report,) = json.loads(done.out)
    failed = [v for v in report["verdicts"] if not v["passed"]]
    assert [v["check"] for v in failed] == ["nothing else"]
    assert "head.safetensors differs" in failed[0]["detail"] and report["standing"] == "none"
    told = radpriv("check", plugin, "--unit", "patient", "--epsilon", "8")
    assert "nothing else failed. Standing of its claim: none." in told.out


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
def test_what_cannot_be_checked_is_one_sentence(
    radpriv: Radpriv, arguments: list[str], words: str
) -> None:
    assert words in radpriv("check", *arguments).sentence
