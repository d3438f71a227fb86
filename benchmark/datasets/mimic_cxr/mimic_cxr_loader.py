"""MIMIC-CXR: 227,835 chest X-ray reports under PhysioNet's credentialed licence, read as they lie.

    loader = MimicCXR()                            # data/mimic-cxr/ as downloaded
    MimicCXR(labeller="negbio", uncertain="ignore, Edema=positive", test_labels="radiologist")
    dataset = loader.load(Path("data"))

A row is a study: its text by `text` (report_sections.py), its 14 labels by `uncertain` and `blank`
(label_policy.py), its patient and split by the official file (label_tables.py). `counts` adds up:

    reports = report_without_split + report_without_labels + test_without_radiologist
              + empty_report + without_section + kept

Of all that have labels: section_not_given (findings or impression say that they are absent) and
swallowed_heading (a heading that the labels' makers read as text of an empty section above it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from radpriv.benchmark.datasets.absent_section import has_text
from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.io.sources import FoundParts
from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
from radpriv.benchmark.datasets.mimic_cxr.complete import check_complete, orphans
from radpriv.benchmark.datasets.mimic_cxr.label_policy import BLANK, Policy, canonical_uncertain
from radpriv.benchmark.datasets.mimic_cxr.label_tables import (
    States,
    StudyPlace,
    read_labels,
    read_radiologist,
    read_split,
)
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_card import CARD, card
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_reference import published
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_sources import LABELLERS, find_sources
from radpriv.benchmark.datasets.mimic_cxr.report_files import MimicReports, open_reports
from radpriv.benchmark.datasets.mimic_cxr.report_sections import (
    HEADINGS,
    TEXTS,
    chosen_text,
    read_sections,
)
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.errors import SuiteError

TEST_LABELS = ("official", "radiologist")


@datasets.register("mimic-cxr")
@dataclass(frozen=True)
class MimicCXR(StreamedLoader):
    """labeller: whose labels.

    text: what a model is shown. The default is what the labeller was shown, so that a label is a
    function of the text; with "findings+impression" the model sees more than the labeller did.
    uncertain: what -1 becomes, "positive", "negative" or "ignore" (masked), and for single labels
    another: "ignore, Edema=positive". The default takes no side where the labeller took none.
    blank: what no mention becomes, "negative" or "ignore". Reports do not list what is absent, so
    without the default most labels would have next to no negatives.
    headings: "makers" reads headings as the labels' makers did, "corrected" also one that directly
    follows an empty one; the labeller saw the makers' reading.
    test_labels: "radiologist" makes the test split the studies that radiologists labelled.
    """

    name = "mimic-cxr"
    card = CARD
    labels = CHEXPERT

    labeller: str = "chexpert"
    text: str = "labelled-section"
    uncertain: str = "ignore"
    blank: str = "negative"
    headings: str = "makers"
    test_labels: str = "official"

    def __post_init__(self) -> None:
        self.one_of(
            labeller=LABELLERS,
            text=TEXTS,
            blank=tuple(BLANK),
            headings=HEADINGS,
            test_labels=TEST_LABELS,
        )
        try:
            uncertain = canonical_uncertain(self.uncertain, CHEXPERT)
        except SuiteError as error:
            raise SuiteError(f"dataset 'mimic-cxr': {error}") from None
        object.__setattr__(self, "uncertain", uncertain)
        read = (self.test_labels, self.headings)
        shown = card(self.labeller, self.text, self.uncertain, self.blank, *read)
        object.__setattr__(self, "card", shown)

    def find(self, data: Path | None) -> Path | None:
        self._sources(data)
        return data

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        return {
            "loader": self.name,
            "options": self.options(),
            "sources_sha256": {**self._sources(data).sha256()},
        }

    def published(self) -> tuple[Published, ...]:
        if self.test_labels == "radiologist":
            return ()  # another test split, which nobody counted
        return published(Policy.of(self.uncertain, self.blank, CHEXPERT))

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        sources = self._sources(source)
        places = read_split(sources["split"])
        labels = read_labels(sources["labels"], places)
        radiologist = sources.paths.get("test_labels")
        gold = read_radiologist(radiologist) if radiologist else None
        with open_reports(sources["reports"]) as reports:
            check_complete(sources, places, labels, reports.patients)
            counts.update(orphans(places, labels, reports.patients))
            counts["misnamed_file"] = reports.misnamed
            policy = Policy.of(self.uncertain, self.blank, CHEXPERT)
            yield from self._rows(reports, places, labels, gold, policy, counts, progress)

    def told(self, source: Path | None) -> str:
        return f" ({', '.join(p.name for p in self._sources(source).paths.values())})"

    def _rows(
        self,
        reports: MimicReports,
        places: Mapping[int, StudyPlace],
        labels: Mapping[int, States],
        gold: Mapping[int, States] | None,
        policy: Policy,
        counts: Counter[str],
        progress: Callable[[int], None],
    ) -> Iterator[Row]:
        """In order of patient and study, which is the order of id and of the files."""
        for patient, study in sorted((p, s) for s, p in reports.patients.items() if s in places):
            progress(1)
            split = places[study].split
            states = labels.get(study)
            if gold is not None and split == "test":
                states = gold.get(study)
            if states is None:
                judged = gold is not None and split == "test"
                counts["test_without_radiologist" if judged else "report_without_labels"] += 1
                continue
            report = reports.text(study)
            read = read_sections(report, self.headings)
            counts["section_not_given"] += read.not_given
            counts["swallowed_heading"] += read.swallowed
            text = chosen_text(read.found, self.text)
            if not text:
                counts["without_section" if has_text(report) else "empty_report"] += 1
                continue
            counts["kept"] += 1
            counts["kept_without_any_label"] += all(state != state for state in states)
            yield Row(
                id=f"p{patient:08d}/s{study:08d}",
                patient=f"p{patient:08d}",
                split=split,
                text=text,
                y=policy.apply(states),
            )

    def _sources(self, data: Path | None) -> FoundParts:
        return find_sources(data, self.labeller, self.test_labels == "radiologist")
