"""The file format of a dataset's description (description.json): aggregates, never a word of text.

    description = read(Description, Path("description.json"))
    description.shares[0].positive.low             # a label's interval
    description.figures()["positive/Edema"]        # any number by its name

Made by benchmark/datasets/description, shown by reports/descriptions. How each number is defined
stands where it is computed: label_shares.py, text_counts.py, cues.py, deduplicate.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from radpriv.benchmark.ranges import Count, Fraction, NonNegative
from radpriv.benchmark.store.dataset_card import Card
from radpriv.benchmark.store.schema import dump, file_format

FORMAT: Literal[1] = 1


@file_format
@dataclass(frozen=True)
class Share:
    """count of n reports, with its interval. effective: reports that would say as much, were they
    of different patients."""

    count: Count
    share: Fraction
    low: float
    high: float
    effective: float


@file_format
@dataclass(frozen=True)
class LabelShares:
    """Positive, negative and not observed reports of one label; the three shares sum to 1."""

    label: str
    positive: Share
    negative: Share
    unobserved: Share


@file_format
@dataclass(frozen=True)
class SplitSize:
    """How much a split holds."""

    reports: Count
    patients: Count


@file_format
@dataclass(frozen=True)
class Histogram:
    """Reports by number of words: bars of one width from 0, and how many reports lie beyond."""

    width: Count
    counts: tuple[int, ...]
    beyond: Count


@file_format
@dataclass(frozen=True)
class Duplicates:
    """What a dataset repeats. All are counts of records unless said otherwise.

    texts: different texts after normalisation.  copies: records − texts.  copied: records whose
    text another record has.  near: records with a near-copy (a copy included) elsewhere in the
    dataset.  largest: of the largest group, chained by near-copies (single linkage).  groups:
    number of groups of two and more.  test, crossing: test records, and those of them with a
    near-copy in the training split (found exactly).
    """

    records: Count
    texts: Count
    copies: Count
    copied: Count
    near: Count
    groups: Count
    largest: Count
    test: Count
    crossing: Count
    threshold: Fraction
    recall: Fraction


@file_format
@dataclass(frozen=True)
class OpeniValues:
    """Open-i's own repetition, at whose size datasets are compared."""

    reports: Count
    vocabulary: float
    unique_reports: float
    unique_sentences: float


class Agreement(StrEnum):
    """How a measured figure stands to the published one."""

    WITHIN = "within tolerance"
    OUTSIDE = "outside tolerance"
    NO_TOLERANCE = "no tolerance given"
    NOT_MEASURED = "not measured"


@file_format
@dataclass(frozen=True)
class ComparedFigure:
    """A published figure with what was measured (None where it could not be), and the verdict.

    figure: a name among `Description.figures()`.  tolerance: None where nobody gave one.
    """

    figure: str
    value: float
    tolerance: NonNegative | None
    source: str
    measured: float | None
    verdict: Agreement


@file_format
@dataclass(frozen=True)
class Description:
    """Aggregates of one dataset.

    interval: how those of the shares are made.  shares: per label.
    phi, both: (labels, labels), see label_shares.cooccurrence; None: phi is undefined.
    values: everything else by its name in reference_figures.py; None: not measured.
    curve: (reports, distinct words expected among them).
    reports_per_patient: (least, most or None, patients).  cues: those of each kind.
    """

    format: Literal[1] = field(default=FORMAT, kw_only=True)
    dataset: str
    options: Mapping[str, JsonValue]
    card: Card
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    splits: Mapping[str, SplitSize]
    interval: str
    shares: tuple[LabelShares, ...]
    phi: tuple[tuple[float | None, ...], ...]
    both: tuple[tuple[int, ...], ...]
    values: Mapping[str, float | None]
    histogram: Histogram
    openi: OpeniValues
    curve: tuple[tuple[int, float], ...]
    reports_per_patient: tuple[tuple[int, int | None, int], ...]
    duplicates: Duplicates
    cues: Mapping[str, tuple[str, ...]]
    published: tuple[ComparedFigure, ...] = ()

    def figures(self) -> dict[str, float]:
        """Every number by name; NaN where there is none."""
        found = {name: _number(value) for name, value in self.values.items()}
        for s in self.shares:
            found[f"positive/{s.label}"] = s.positive.share
            found[f"negative/{s.label}"] = s.negative.share
            found[f"unobserved/{s.label}"] = s.unobserved.share
        for i, one in enumerate(self.labels):
            for j, other in enumerate(self.labels):
                if i != j:
                    found[f"phi/{one}/{other}"] = _number(self.phi[i][j])
                    found[f"both/{one}/{other}"] = float(self.both[i][j])
        for key, count in self.counts.items():
            found[f"counts/{key}"] = float(count)
            found[f"counted/{key}"] = count / found["reports"]
        return found

    def as_dict(self) -> dict[str, JsonValue]:
        """As its file holds it."""
        return dict(dump(self))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
