"""The verdict of a check as a file: read and written by one class, and true to its lines."""

from __future__ import annotations

import json

import pytest

from radpriv.benchmark.conformance.verdict import WAIST, CheckVerdict, MethodReport, Verdict
from radpriv.benchmark.store.schema import dump, parse
from radpriv.errors import StoreError


@pytest.fixture
def report() -> MethodReport:
    held = Verdict("report", 8.0, WAIST, True, "seen")
    return MethodReport("mine", (held, Verdict("patient", 0.1, "sensitivity", False, "moves")))


def test_a_verdict_is_read_as_it_was_written(report: MethodReport) -> None:
    text = json.dumps(dump(report.verdict))
    assert parse(CheckVerdict, text, "verdict.json") == report.verdict
    assert json.loads(text)["standing"] == "none" and json.loads(text)["schema"] == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"none"', '"by construction"', "standing 'by construction' is not 'none'"),
        ('"none"', '"fine"', "standing: expected 'by construction'"),
        ('"passed": false', '"passed": 0', r"verdicts\[1\].passed: expected a valid boolean"),
        ('"method"', '"methid"', "key method is missing|unknown key methid"),
        ('"schema": 1', '"schema": 2', "schema: expected 1"),
        ("8.0", "NaN", "epsilon: expected"),
    ],
)
def test_a_verdict_that_was_altered_is_refused(
    report: MethodReport, old: str, new: str, sentence: str
) -> None:
    """Also one that calls a claim better than its lines do."""
    text = json.dumps(dump(report.verdict))
    assert old in text
    with pytest.raises(StoreError, match=sentence):
        parse(CheckVerdict, text.replace(old, new), "verdict.json")
