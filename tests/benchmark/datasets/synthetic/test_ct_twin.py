"""synthetic-ct-rate: reproducible; long reports; what is told at their very end."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from itertools import islice

import numpy as np

from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS
from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import Calibration
from radpriv.benchmark.datasets.synthetic.engine.states import NEGATIVE, POSITIVE, visits
from radpriv.benchmark.datasets.synthetic.engine.twin import TwinReport

PINNED = "5a0dffe82a4b5291cde067a29230b3469037caa2f0a9f809383f1e5741a3f8f9"
PATIENT = 20610
TOKEN = re.compile(r"\w+|[^\w\s]")
"""Words and stops: no tokenizer of a model gives fewer."""


def test_the_first_fifty_reports_are_the_pinned_ones() -> None:
    rows = SyntheticCTRate(reports=50).rows(None, Counter(), lambda k: None)
    lines = [f"{r.id}\t{r.patient}\t{r.split}\t{r.text}\t{r.y}" for r in rows]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == PINNED


def test_labels_are_ct_rate_s_and_every_one_is_observed(ct: list[TwinReport]) -> None:
    loader = SyntheticCTRate()
    assert loader.labels == LABELS == tuple(label.name for label in loader.figures().labels)
    y = np.array([loader.y(r) for r in ct])
    assert set(np.unique(y)) == {0.0, 1.0}
    assert (y.mean(axis=0) > 0.03).all() and (y.mean(axis=0) < 0.6).all()


def test_a_denied_or_a_small_thing_sets_no_label(ct: list[TwinReport]) -> None:
    loader = SyntheticCTRate()
    texts = [loader.chosen(r.sections).lower() for r in ct]
    for label, name in (
        ("Pericardial effusion", "pericardial effusion"),
        ("Lymphadenopathy", "lymph"),
    ):
        j = LABELS.index(label)
        there = np.array([r.states[j] == POSITIVE for r in ct])
        named = np.array([name in text for text in texts])
        assert (named & ~there).sum() > 2 * (named & there).sum()
        denied = np.array([r.states[j] == NEGATIVE for r in ct])
        assert denied.mean() > 0.4
    for hard in (
        r"although no|there is no [\w -]+, but", r"not of pathological size|no pathological size",
        r"nodule [\w ]* in the (left|right) (thyroid lobe|lobe of the thyroid)",
        r"hypodense", r"(was|were) not (observed|detected|seen)", r"\?\)", r"recommended",
    ):  # fmt: skip
        assert sum(bool(re.search(hard, t)) for t in texts) >= 5, hard
    asked = [r.sections.get("clinical information", "") for r in ct]
    assert sum("neumonia" in a for a in asked) > 10


class Late(SyntheticCTRate):
    """Long reports, all of whose findings wait for the impression."""

    @classmethod
    def figures(cls) -> Calibration:
        figures = super().figures()
        rates = {**figures.rates, "impression_only": 1.0, "no_impression": 0.0, "typo": 0.0}
        words = {**figures.words, "findings": (6.4, 0.01), "impression": (1.5, 0.1)}
        return dataclasses.replace(figures, rates=rates, words=words)


def test_long_report_can_hold_its_finding_in_its_last_40_tokens() -> None:
    """A report of 600 tokens can tell its only finding in the last forty."""
    loader = Late()
    found = 0
    for report in islice(loader.generate(), 250):
        if sum(s == POSITIVE for s in report.states) != 1 or report.visit.number:
            continue
        label = loader.phrases().labels[report.states.index(POSITIVE)]
        tokens = TOKEN.findall(loader.chosen(report.sections).lower())
        word = re.compile("|".join(label.lexicon))
        at = [i for i, token in enumerate(tokens) if word.match(token)]
        found += len(tokens) >= 600 and bool(at) and min(at) >= len(tokens) - 40
    assert found >= 3


def test_such_a_report_is_among_those_of_the_default_options() -> None:
    loader = SyntheticCTRate()
    assert (
        sum(s == POSITIVE for s in next(visits(loader.figures(), loader.root, PATIENT)).states) == 1
    )
    report = next(loader.patient(PATIENT))
    tokens = TOKEN.findall(loader.chosen(report.sections))
    late = TOKEN.findall(report.sections["impression"])
    name = loader.phrases().labels[report.states.index(POSITIVE)]
    word = re.compile("|".join(name.lexicon))
    assert len(tokens) >= 600 and len(late) <= 40
    assert word.search(report.sections["impression"].lower())
    assert not word.search(report.sections["findings"].lower())
