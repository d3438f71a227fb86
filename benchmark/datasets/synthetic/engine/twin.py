"""What both twins share: options, identity, streaming; each adds its figures, phrases and writer.

Text and labels follow from (seed, phrase books, figures) alone, on every platform, and the first n
reports are the same whatever `reports` is. A patient's reports follow from its number, so
`patient(k)` gives them without the patients before.
"""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue

from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.datasets.public_coins import hashed
from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import (
    Calibration,
    read_calibration,
)
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.identities import (
    Identities,
    faker_version,
    redacted,
)
from radpriv.benchmark.datasets.synthetic.engine.phrase_templates import Expander
from radpriv.benchmark.datasets.synthetic.engine.phrases import Phrases, read_phrases
from radpriv.benchmark.datasets.synthetic.engine.realiser import Memory, Realiser
from radpriv.benchmark.datasets.synthetic.engine.silver import Noise
from radpriv.benchmark.datasets.synthetic.engine.states import VisitStates, visits
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import SuiteError

GENERATOR = 1  # the engine's version: raise it when the same files would give other data
TEST_SHARE = 0.2
LARGEST = 1_000_000
AROUND = ("header", "signature")


@dataclass(frozen=True)
class TwinReport:
    """One report. sections: text by name, in order.

    states, clear: of the labels of the figures and of No Finding; silver ones where asked for.
    """

    visit: VisitStates
    sections: dict[str, str]
    states: tuple[int, ...]
    clear: bool


@dataclass(frozen=True)
class Twin(StreamedLoader):
    """reports: how many are made.  seed: another seed gives other patients.

    silver: labels changed at random as often as a labeller errs, in all splits. Off by default: a
    real labeller's errors follow the text, so a model can learn them, while random ones only blur
    every method's score alike. The rows are the same, so the true labels lie beside them.
    phi: made-up names, numbers and dates where else ___ stands, and before and after each text.
    """

    figures_file: ClassVar[Path]
    phrase_files: ClassVar[tuple[Path, ...]]
    texts: ClassVar[tuple[str, ...]]

    reports: int = 3000
    seed: int = 0
    text: str = "findings+impression"
    silver: bool = False
    phi: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.reports <= LARGEST:
            self._refuse("reports", self.reports, f"1 to {LARGEST}")
        if self.text not in self.texts:
            self._refuse("text", self.text, f"one of {', '.join(self.texts)}")
        if self.phi:
            faker_version()

    def _refuse(self, option: str, value: object, right: str) -> None:
        raise SuiteError(f"dataset '{self.name}': option '{option}' = {value!r}: {right}")

    @classmethod
    def figures(cls) -> Calibration:
        return read_calibration(cls.figures_file)

    @classmethod
    def phrases(cls) -> Phrases:
        return read_phrases(*cls.phrase_files)

    @property
    def root(self) -> str:
        """The path that all draws start from."""
        return f"radpriv/{self.name}/{GENERATOR}/{self.seed}"

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        return {
            "loader": self.name,
            "options": self.options(),
            "generator": GENERATOR,
            "figures_sha256": file_sha256(self.figures_file),
            "books_sha256": [file_sha256(path) for path in self.phrase_files],
            **({"faker": faker_version()} if self.phi else {}),
        }

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        patient = -1
        for number, report in enumerate(self.generate()):
            if number == self.reports:
                return
            counts["reports"] += 1
            counts["patients"] += report.visit.patient != patient
            patient = report.visit.patient
            progress(1)
            sections = dict(report.sections)
            header, signature = (sections.pop(name, "") for name in AROUND)
            text = self.chosen(sections)
            if not text:
                counts["without_text"] += 1
                continue
            name = f"P{patient:06d}"
            text = f"{header} {text} {signature}".strip()
            yield Row(f"S{number:06d}", name, self.split(name), text, self.y(report))

    def generate(self) -> Iterator[TwinReport]:
        """Reports without end, patient by patient."""
        people = Identities(self.root) if self.phi else None
        for patient in count():
            yield from self.patient(patient, people)

    def patient(self, patient: int, people: Identities | None = None) -> Iterator[TwinReport]:
        """The reports of one patient; people: who fills the marks, else they become ___."""
        figures = self.figures()
        woman = Tape(self.root, "sex", patient).chance(0.5)
        who = {"sex": "woman" if woman else "man", "gender": "F" if woman else "M"}
        memory: Memory = {}
        noise = Noise.of(figures) if self.silver else None
        for visit in visits(figures, self.root, patient):
            tape = Tape(self.root, "text", patient, visit.number)
            realiser = Realiser(self.phrases(), figures, visit, memory, tape, who)
            sections = self.write(realiser)
            if people is None:
                told = {name: redacted(text) for name, text in sections.items()}
            else:
                around = Tape(self.root, "around", patient, visit.number)
                sections |= {name: self._frame(name, around) for name in AROUND}
                values = people.values(patient, visit.number, who["sex"])
                told = {name: people.told(text, values) for name, text in sections.items()}
            states, clear = visit.states, visit.clear
            if noise is not None:
                tape = Tape(self.root, "silver", patient, visit.number)
                states, clear = noise.states(states, tape), noise.cleared(clear, tape)
            yield TwinReport(visit, told, states, clear)

    def _frame(self, name: str, draw: Tape) -> str:
        phrases = self.phrases()
        phrase = draw.pick(phrases.frames[name])
        return Expander(phrases.slots, frozenset(), draw).text(phrase, {}).strip()

    @abc.abstractmethod
    def write(self, realiser: Realiser) -> dict[str, str]:
        """The sections of one report, with marks where a person or date stands."""

    @abc.abstractmethod
    def chosen(self, sections: dict[str, str]) -> str:
        """The text of a report under option `text`; "" if it has none."""

    @abc.abstractmethod
    def y(self, report: TwinReport) -> tuple[float, ...]:
        """Its labels: 1, 0, or nan where not observed."""

    def split(self, patient: str) -> str:
        """A fixed public hash of the patient: a fifth goes to test, whatever the seed."""
        return "test" if hashed(f"radpriv/{self.name}/test/{patient}") < TEST_SHARE else "train"
