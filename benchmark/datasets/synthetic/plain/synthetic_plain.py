"""synthetic-plain: labelled reports from a hand-written grammar, calibrated on no dataset.

    SyntheticPlain(reports=3000, seed=0).load(None)

Text and labels follow from (seed, reports, phrase book) alone, on every platform; the first n
reports are the same whatever `reports` is. Every label can be told from the text: what is there is
always said, by one of many wordings or a leaning hedge; names also occur in negation lists, beside
a finding in one sentence, as resolved, in remote hedges and in the indication, where they set no
label. So counting words goes far, and reading goes further.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets
from radpriv.benchmark.datasets.chexpert import NO_FINDING
from radpriv.benchmark.datasets.synthetic.engine.stream import Stream
from radpriv.benchmark.datasets.synthetic.plain.grammar import Grammar, read_grammar
from radpriv.benchmark.datasets.synthetic.plain.plain_writer import Writer
from radpriv.benchmark.datasets.synthetic.plain.truth import Visit, visits
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import SuiteError

GRAMMAR = Path(__file__).with_name("plain.toml")
GENERATOR = 1  # the engine's version: raise it when the same phrase book would give other data
TEST_SHARE = 0.2
LARGEST = 1_000_000


@lru_cache(maxsize=1)
def phrase_book() -> Grammar:
    return read_grammar(GRAMMAR)


@datasets.register("synthetic-plain")
@dataclass(frozen=True)
class SyntheticPlain(Loader):
    """reports: how many.  seed: another seed gives other patients under the same grammar."""

    name = "synthetic-plain"
    labels = (NO_FINDING, *(label.name for label in phrase_book().labels))
    card = Card(
        title="synthetic-plain: chest-radiograph-like reports from a hand-written grammar",
        licence="Apache-2.0, part of radpriv",
        access="generated on the spot; no download",
        release="open",
        labels_from="known by construction. Leaning hedges (probable, suggests) are written for "
        "what is there, remote ones (unlikely, cannot be excluded) for what is not. No Finding: "
        "nothing is there but a device",
        unit_note="texts are unique; a patient has one to seven reports, all on one side of the "
        "split",
        known_errors=(
            "wordings are a few hundred, so a model meets each many times: easier than real text",
            "rates, co-occurrence and wording were set by hand and describe no population",
        ),
        calibrated_on=(),
    )

    reports: int = 3000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.reports <= LARGEST:
            raise SuiteError(
                f"dataset 'synthetic-plain': option 'reports' = {self.reports}: 1 to {LARGEST}"
            )

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        return {
            "loader": self.name,
            "options": self.options(),
            "generator": GENERATOR,
            "grammar_sha256": file_sha256(GRAMMAR),
        }

    def load(self, data: Path | None) -> Dataset:
        grammar = phrase_book()
        root = f"radpriv/synthetic-plain/{GENERATOR}/{self.seed}"
        drawn = [visit for visit, _ in zip(visits(grammar, root), range(self.reports))]
        texts: dict[str, str] = {}  # normalised -> text, in order of report
        for visit in drawn:
            _write(grammar, visit, root, texts)
        patients = tuple(f"P{visit.patient:06d}" for visit in drawn)
        return Dataset(
            name=self.name,
            labels=self.labels,
            card=self.card,
            ids=tuple(f"S{number:06d}" for number in range(self.reports)),
            patients=patients,
            splits=tuple(split(patient) for patient in patients),
            texts=tuple(texts.values()),
            y=np.array([_row(grammar, visit) for visit in drawn], np.float32),
            counts={"reports": self.reports, "patients": len(set(patients))},
        )


def _write(grammar: Grammar, visit: Visit, root: str, texts: dict[str, str]) -> None:
    """Add the visit's report; worded anew if an earlier one happens to have the same text."""
    attempt = 0
    while True:
        draw = Stream(root, "text", visit.patient, visit.visit, attempt)
        text = Writer(grammar, visit, draw).text()
        normal = re.sub(r"\W+", " ", text.lower()).strip()
        if normal not in texts:
            texts[normal] = text
            return
        attempt += 1


def _row(grammar: Grammar, visit: Visit) -> list[bool]:
    there = [label.name in visit.now for label in grammar.labels]
    ill = any(label.finding and label.name in visit.now for label in grammar.labels)
    return [not ill, *there]


def split(patient: str) -> str:
    """A fixed public hash of the patient: a fifth goes to test, whatever the seed."""
    word = hashlib.sha256(f"radpriv/synthetic-plain/test/{patient}".encode()).digest()[:8]
    return "test" if int.from_bytes(word, "big") < int(TEST_SHARE * 2**64) else "train"
