"""Figures that others published of a dataset, to stand beside what is measured here.

    Published("positive/Edema", 0.1147, 0.01, "MIT-LCP/mimic-cxr notebook, 222,750 train studies")

`figure` is a name among `Description.figures()` (store/description_schema.py), all shares and not
percentages:

    positive/LABEL, negative/LABEL, unobserved/LABEL     shares of all reports
    phi/LABEL/LABEL, both/LABEL/LABEL                    in either order
    reports, patients, split/NAME (share of the reports)
    no_positive, positives/mean                          labels found per report
    reports_per_patient/mean, /p50, /p95
    words/mean, /p5, /p50, /p95, /p99; sentences/…; words_per_sentence/…; tokens/… (MiniLM's)
    tokens_over/128, /256, /512                          shares of reports
    vocabulary, vocabulary_once; vocabulary/at/3927      distinct words, all or of so many reports
    unique_reports, unique_sentences; …/at/3927          shares; of so many reports at random
    negated_sentences, hedged_sentences, negated_reports, hedged_reports
    cue/CUE (share of reports), cue_rate/CUE (per 1,000 words)
    counts/KEY, counted/KEY                              what the loader counted, and per report
    duplicates/copied, duplicates/near                   shares of reports that another repeats
    duplicates/crossing                                  test reports with a near-copy in training
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from radpriv.benchmark.store.description_schema import Agreement
from radpriv.errors import DataError

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Published:
    """One figure. tolerance: how far a twin may be from it; None where nobody said (real data).

    source: where it was published, and of how many reports.
    """

    figure: str
    value: float
    tolerance: float | None
    source: str

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or (self.tolerance is not None and self.tolerance < 0):
            raise DataError(f"published figure '{self.figure}': {self.value} ± {self.tolerance}")
        if not (self.figure and self.source):
            raise DataError(f"published figure '{self.figure}': it needs a name and a source")

    def verdict(self, measured: float | None) -> Agreement:
        """How a measured value stands to it; None or NaN: there is none."""
        if measured is None or math.isnan(measured):
            return Agreement.NOT_MEASURED
        if self.tolerance is None:
            return Agreement.NO_TOLERANCE
        near = abs(measured - self.value) <= self.tolerance + _ROUNDING
        return Agreement.WITHIN if near else Agreement.OUTSIDE
