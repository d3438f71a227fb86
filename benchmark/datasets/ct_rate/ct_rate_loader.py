"""CT-RATE: chest CT reports with 18 labels that a text classifier gave them.

    loader = CTRate()                         # findings + impression; official validation = test
    CTRate(holdout="validation")              # to try settings: no official validation row is there
    dataset = loader.load(Path("data"))       # data/ct-rate/dataset/..., as downloaded

One row per scan: reconstructions of a scan share its report, so they are joined (scans.py).
A scan with labels and no report, a report without labels and a report without text are left out;
`counts` says how many, and adds up.

The split is the official one, by patient. The only held-out part that is published is called
"validation", and what is reported on CT-RATE is reported on it: it is "test" here. Settings are
chosen with holdout="validation", where a fifth of the training patients, drawn by a public hash,
is "test".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from radpriv.benchmark.datasets.base import Card, datasets
from radpriv.benchmark.datasets.ct_rate.ct_rate_reference import published_labels, published_texts
from radpriv.benchmark.datasets.ct_rate.ct_rate_sources import (
    find_place,
    sources_sha256,
    split_files,
)
from radpriv.benchmark.datasets.ct_rate.scans import (
    Labelled,
    Reported,
    Spool,
    read_labels,
    read_reports,
    spooled,
)
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS, SPLITS, patient_of
from radpriv.benchmark.datasets.io.streamed import MISSING, Row, StreamedLoader
from radpriv.benchmark.datasets.public_coins import hashed
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.errors import DataError

TEXTS = ("findings+impression", "findings", "impression")
HOLDOUTS = ("test", "validation")
TEST_SHARE = 0.2
FEW = 20
"""Scans without a counterpart that are counted and left out, however small the files are."""

CARD = Card(
    title="CT-RATE: chest CT reports",
    licence="CC BY-NC-SA 4.0, behind terms that each user accepts; radpriv ships none of it",
    access="gated: huggingface.co/datasets/ibrahimhamamci/CT-RATE",
    release="aggregates",
    labels_from="a text classifier (RadBERT fine-tuned on partial manual annotation by the authors "
    "of CT-RATE) that read the report: F1 here measures agreement with that classifier, not with "
    "a radiologist. Every label is observed; none is uncertain",
    unit_note="a scan, that is its one report with the rows of all its reconstructions. A patient "
    "is the official one (train_1); 1.2 scans each. Equal reports of different scans are different "
    "units",
    known_errors=(
        "labels made again with the published classifier differ in 131 of the 3,039 validation "
        "volumes (4.31%), so a dataset is named by the hash of its label files",
        "the classifier read at most 512 tokens",
        "'Not given.' stands for an absent section; the makers' training code means to blank it. "
        "Here it never becomes text (count section_not_given); whether the classifier read it is "
        "not known",
        "the reports are machine-aided translations from Turkish",
        "reports are long: median 259 tokens, 51% have more than 256 and 4.1% more than 512",
        "the files list reconstructions: 47,149 + 3,039 rows are 24,128 + 1,564 scans of "
        "20,000 + 1,304 patients",
        "a few volumes do not show the chest (listed under metadata/, which is not read): their "
        "reports have labels and count in the published figures, so they stay",
    ),
)


@datasets.register("ct-rate")
@dataclass(frozen=True)
class CTRate(StreamedLoader):
    """text: which sections make the text. Both by default: the labels are the whole report's, and
    the impression (34 words, absent in 3%) only sums up the findings (196 words). That is long: an
    encoder needs 512 tokens, or its truncation must be stated.

    holdout: "test" is the arrangement whose numbers are reported. "validation" drops the official
    validation rows and calls a fifth of the training patients "test".
    """

    name = "ct-rate"
    card = CARD
    labels = LABELS

    text: str = "findings+impression"
    holdout: str = "test"

    def __post_init__(self) -> None:
        self.one_of(text=TEXTS, holdout=HOLDOUTS)

    def find(self, data: Path | None) -> Path:
        return find_place(data)

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        return {
            "loader": self.name,
            "options": self.options(),
            "source_sha256": {**sources_sha256(find_place(data))},
        }

    def published(self) -> tuple[Published, ...]:
        if self.holdout != "test":
            return ()  # nobody published figures of this arrangement
        return published_labels() + (published_texts() if self.text == TEXTS[0] else ())

    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        assert source is not None  # `find` gives one or raises
        sections = tuple(self.text.split("+"))
        for split in SPLITS:  # ids of "train" sort before those of "valid"
            files = split_files(source)[split]
            labels = read_labels(files.labels, split, progress)
            with spooled() as spool:
                reports = read_reports(files.reports, split, sections, spool, progress)
                if not labels.keys() & reports.keys():
                    raise DataError(
                        f"{files.labels}: none of its scans is in {files.reports}; get both again"
                    )
                _check_whole(files.labels, reports.keys() - labels.keys(), len(reports))
                _check_whole(files.reports, labels.keys() - reports.keys(), len(labels))
                yield from self._joined(labels, reports, spool, counts)

    def _joined(
        self,
        labels: dict[str, Labelled],
        reports: dict[str, Reported],
        spool: Spool,
        counts: Counter[str],
    ) -> Iterator[Row]:
        """Rows of one split in order of id; `counts` goes up by what became of each scan."""
        for name in COUNTS:
            counts.setdefault(name, 0)
        last = ""
        for scan in sorted(labels.keys() | reports.keys()):
            counts["scans"] += 1
            label, report = labels.get(scan), reports.get(scan)
            counts["section_not_given"] += report is not None and report.not_given
            split = self._split(patient_of(scan))
            if label is None or report is None:
                counts["without_labels" if label is None else "without_report"] += 1
            elif report.number < 0:
                counts["without_text"] += 1
            elif split == "held back":
                counts["held_back"] += 1
            else:
                patient = patient_of(scan)
                counts["labels_differ"] += label.differ
                counts["reports_differ"] += report.differ
                counts["patients"] += patient != last
                last = patient
                text = spool.read(report.begin, report.size)
                yield Row(scan, patient, split, text, label.y)

    def _split(self, patient: str) -> str:
        official = patient.partition("_")[0]
        if self.holdout == "test":
            return "train" if official == "train" else "test"
        if official != "train":
            return "held back"
        return "test" if hashed(f"radpriv/ct-rate/validation/{patient}") < TEST_SHARE else "train"


def _check_whole(path: Path, missing: Collection[str], total: int) -> None:
    """DataError for a file that is cut short: many scans of its counterpart are not in it."""
    if len(missing) > max(FEW, MISSING * total):
        raise DataError(
            f"{path}: has no row for {len(missing):,} of the {total:,} scans of its counterpart; "
            "the file is cut short or half downloaded: get it again"
        )


COUNTS = (
    "scans",
    "without_report",
    "without_labels",
    "without_text",
    "held_back",
    "labels_differ",
    "reports_differ",
    "patients",
    "section_not_given",
)
"""Public facts of loading. Scans = kept + without_* + held_back; the rest is of those kept, but for
section_not_given, which is of all reports."""
