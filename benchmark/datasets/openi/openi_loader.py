"""Open-i: the Indiana University chest X-ray reports, labelled from their human MeSH codes.

    loader = OpenI()                          # findings + impression, the official holdout
    OpenI(holdout="validation")               # to try settings: no test report is there
    dataset = loader.load(Path("data"))       # data/openi/NLMCXR_reports.tgz, read as it lies

Archive, unpacked files and the CSV re-issue give a report the same id, text and labels.
XXXX, which stands for scrubbed words, stays in the text as it was published: taking it out would
join words that never stood together, makes one more pair of copies of 3,095 texts, and moves the
weighted F1 of TF-IDF by 0.001 on the validation holdout (0.776 with, 0.775 without).

What happens to a report, in this order: no text, or only words or marks that stand for an absent
section (left out; `section_not_given` counts the reports that have such a section), nobody coded it
(left out: unlabelled is not negative), copies of one text collapsed to the lowest number, labels by
openi_labels.csv, split by a public hash of the id. `counts` says how many went which way, and adds
up.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from radpriv.benchmark.datasets.absent_section import has_text, says_absent
from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets
from radpriv.benchmark.datasets.chexpert import CHEXPERT, NO_FINDING
from radpriv.benchmark.datasets.io.sources import file_sha256
from radpriv.benchmark.datasets.io.streamed import tell_counts
from radpriv.benchmark.datasets.openi.openi_mapping import MAPPING, Mapping, read_mapping
from radpriv.benchmark.datasets.openi.openi_reference import published_labels, published_texts
from radpriv.benchmark.datasets.openi.openi_sources import (
    CSV,
    companion_sha256,
    find_source,
    read_companion,
    read_source,
    source_sha256,
)
from radpriv.benchmark.datasets.openi.openi_xml import XmlReport, other_files
from radpriv.benchmark.datasets.public_coins import hashed
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.datasets.texts import normalise

TEXTS = ("findings+impression", "findings", "impression")
HOLDOUTS = ("test", "validation")
TEST_SHARE = 0.2
XML_REPORTS, CSV_REPORTS = 3955, 3851
"""Reports of the release, as files and as rows."""

CARD = Card(
    title="Open-i: Indiana University chest X-ray reports",
    licence="CC BY-NC-ND 4.0 (stated in each file); the text is read where it lies and never "
    "redistributed, neither as it is nor adapted",
    access="open: NLMCXR_reports.tgz from NLM's Open-i service (openi.nlm.nih.gov)",
    release="open",
    labels_from="human MeSH codes (major), mapped to the 14 CheXpert names by openi_labels.csv; "
    "every label is observed. No Finding: coded 'normal' and nothing else, so here it never stands "
    "beside Support Devices, which CheXpert would allow",
    unit_note="reports with equal text (letters and digits, case ignored) are one unit: the claim "
    "for unit 'report' covers the whole group of copies. There are no patient ids: each unit "
    "counts as its own patient, and a patient with several different reports is not recognised",
    known_errors=(
        "'open' releases record numbers, labels, logits and metrics; no text",
        "XXXX stands for scrubbed words in about half of the reports and is left in the text; "
        "ordinary words went too",
        "near-duplicates that differ in a word are kept and may lie on both sides of the split",
        "codes follow the whole study, so a few labels cannot be read from the text alone",
        "Consolidation, Pneumonia, Pneumothorax, Pleural Other and Enlarged Cardiomediastinum are "
        "rare: their metrics are unstable",
    ),
)


@datasets.register("openi")
@dataclass(frozen=True)
class OpenI(Loader):
    """text: which sections make the text.

    holdout: "test" is the arrangement whose numbers are reported. "validation" drops the test rows
    and calls a fifth of the training rows "test", so that settings are chosen without them.
    """

    name = "openi"
    card = CARD
    labels = CHEXPERT

    text: str = "findings+impression"
    holdout: str = "test"

    def __post_init__(self) -> None:
        self.one_of(text=TEXTS, holdout=HOLDOUTS)

    def find(self, data: Path | None) -> Path | None:
        return find_source(data)

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        source = find_source(data)
        return {
            "loader": self.name,
            "options": self.options(),
            "source_sha256": source_sha256(source),
            "mapping_sha256": file_sha256(MAPPING),
            **companion_sha256(source),  # its counts are in the record
        }

    def published(self) -> tuple[Published, ...]:
        if (self.text, self.holdout) != (TEXTS[0], "test"):
            return ()  # nobody counted this arrangement
        return published_labels() + published_texts()

    def load(self, data: Path | None) -> Dataset:
        source = find_source(data)
        reports = read_source(source)
        dataset = self.arrange(reports, read_mapping(MAPPING))
        counts = {**dataset.counts, **read_companion(source, reports)}
        if source.is_dir() and (other := other_files(source)):
            counts["files_without_number"] = other
        whole = CSV_REPORTS if source.name == CSV else XML_REPORTS
        part = (
            ""
            if len(reports) >= whole
            else f", of a release of {whole:,}: is the download complete?"
        )
        tell_counts(self.name, f"read ({source.name}{part})", counts, source)
        return replace(dataset, counts=counts)

    def arrange(self, reports: list[XmlReport], mapping: Mapping) -> Dataset:
        """Rows from parsed reports; `load` without the files."""
        counts = dict.fromkeys(("reports", "without_text", "unlabelled", "section_not_given"), 0)
        counts["reports"] = len(reports)
        groups: dict[str, list[XmlReport]] = {}
        for report in sorted(reports, key=lambda report: report.number):
            text = self._text(report)
            counts["without_text"] += not text
            counts["section_not_given"] += any(map(says_absent, self._sections(report)))
            counts["unlabelled"] += bool(text) and not report.indexed
            if text and report.indexed:
                groups.setdefault(normalise(text), []).append(report)
        kept = list(groups.values())
        counts["copies"] = sum(len(group) - 1 for group in kept)
        counts["copies_coded_differently"] = sum(
            len({mapping.labels(report.codes) for report in group}) > 1 for group in kept
        )
        counts["with_unknown_codes"] = sum(
            any(not mapping.knows(code) for report in group for code in report.codes)
            for group in kept
        )
        rows = [(f"CXR{group[0].number:04d}", group) for group in kept]
        split = {i: self._split(i) for i, _ in rows}
        rows = [(i, group) for i, group in rows if split[i] != "held back"]
        counts["held_back"] = len(kept) - len(rows)
        return self._dataset(rows, split, mapping, counts)

    def _dataset(
        self,
        rows: list[tuple[str, list[XmlReport]]],
        split: Map[str, str],
        mapping: Mapping,
        counts: Map[str, int],
    ) -> Dataset:
        rows = sorted(rows, key=lambda row: row[0])
        ids = tuple(i for i, _ in rows)
        y = np.zeros((len(rows), len(CHEXPERT)), np.float32)
        for row, (_, group) in zip(y, rows):
            row[:] = [name in group_labels(group, mapping) for name in CHEXPERT]
        return Dataset(
            name=self.name,
            labels=CHEXPERT,
            card=CARD,
            ids=ids,
            patients=ids,
            splits=tuple(split[i] for i in ids),
            texts=tuple(self._text(group[0]) for _, group in rows),
            y=y,
            counts=dict(counts),
        )

    def _text(self, report: XmlReport) -> str:
        return " ".join(section for section in self._sections(report) if has_text(section))

    def _sections(self, report: XmlReport) -> list[str]:
        chosen = {"findings": report.findings, "impression": report.impression}
        return [chosen[name] for name in self.text.split("+")]

    def _split(self, record: str) -> str:
        if hashed(f"radpriv/openi/split/{record}") < TEST_SHARE:
            return "test" if self.holdout == "test" else "held back"
        if self.holdout == "test":
            return "train"
        return "test" if hashed(f"radpriv/openi/validation/{record}") < TEST_SHARE else "train"


def group_labels(group: list[XmlReport], mapping: Mapping) -> frozenset[str]:
    """Labels of a group of copies: what any copy has.

    No Finding says that nothing else is there, so it gives way to a finding that another copy has.
    """
    found = frozenset().union(*(mapping.labels(report.codes) for report in group))
    return found - {NO_FINDING} if found - {NO_FINDING, "Support Devices"} else found
