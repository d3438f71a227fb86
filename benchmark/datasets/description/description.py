"""A dataset described by aggregates alone: what a reader must know before trusting a number on it.

    description = describe(loader.load(data), loader.published(), loader.options())
    json.dumps(description.as_dict())         # deterministic; NaN is null
    description.figures()["positive/Edema"]   # by the names that reference_figures.py uses

All reports count, of every split, so the figures follow from private data: exact counts, covered by
no ε. Texts never leave: a vocabulary is how many words there are, never which. How the numbers are
defined: label_shares.py (shares, intervals, phi), text_counts.py (words, sentences, normal
form, distinct things among so many reports), cues.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.description.cues import KINDS
from radpriv.benchmark.datasets.description.described_values import (
    OPENI,
    OPENI_VALUES,
    curve,
    groups,
    histogram,
    over,
    repeated,
    splits,
    values,
)
from radpriv.benchmark.datasets.description.label_shares import (
    INTERVAL,
    LabelShares,
    cooccurrence,
    label_shares,
)
from radpriv.benchmark.datasets.description.text_counts import measure
from radpriv.benchmark.datasets.io.deduplicate import duplicates
from radpriv.benchmark.datasets.reference_figures import NOT_MEASURED, Published
from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import DataError

FORMAT = 1
DIGITS = 10
"""Significant digits that are kept, so that equal data give equal files everywhere."""


@dataclass(frozen=True)
class Compared:
    """A published figure with what was measured (None where it could not be), and the verdict."""

    published: Published
    measured: float | None
    verdict: str


@dataclass(frozen=True)
class Description:
    """Aggregates of one dataset.

    shares: per label.  phi, both: (labels, labels), see describe_labels.cooccurrence.
    values: everything else by its name in reference_figures.py (NaN: not measured).
    histogram: {"width", "counts", "beyond"}: reports by number of words.
    curve: [reports, distinct words expected among them].
    per_patient: [least, most or None, patients].  duplicates: see deduplicate.py.
    """

    dataset: str
    options: Mapping[str, Any]
    card: Mapping[str, Any]
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    shares: tuple[LabelShares, ...] = field(repr=False)
    phi: NDArray[np.float64] = field(repr=False)
    both: NDArray[np.int64] = field(repr=False)
    values: Mapping[str, float] = field(repr=False)
    histogram: Mapping[str, Any] = field(repr=False)
    curve: tuple[tuple[int, float], ...] = field(repr=False)
    per_patient: tuple[tuple[int, int | None, int], ...] = field(repr=False)
    duplicates: Mapping[str, Any] = field(repr=False)
    published: tuple[Compared, ...] = field(default=(), repr=False)

    def figures(self) -> dict[str, float]:
        """Every number by name; NaN where there is none."""
        found = dict(self.values)
        for s in self.shares:
            found[f"positive/{s.label}"] = s.positive.share
            found[f"negative/{s.label}"] = s.negative.share
            found[f"unobserved/{s.label}"] = s.unobserved.share
        for i, one in enumerate(self.labels):
            for j, other in enumerate(self.labels):
                if i != j:
                    found[f"phi/{one}/{other}"] = float(self.phi[i, j])
                    found[f"both/{one}/{other}"] = float(self.both[i, j])
        for key, count in self.counts.items():
            found[f"counts/{key}"] = float(count)
            found[f"counted/{key}"] = over(count, self.values["reports"])
        return found

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: floats to ten digits, NaN as None."""
        plain = {
            "format": FORMAT,
            "dataset": self.dataset,
            "options": dict(self.options),
            "card": dict(self.card),
            "labels": list(self.labels),
            "counts": dict(sorted(self.counts.items())),
            "splits": {name: dict(facts) for name, facts in sorted(self.splits.items())},
            "interval": INTERVAL,
            "shares": [asdict(s) for s in self.shares],
            "phi": self.phi.tolist(),
            "both": self.both.tolist(),
            "values": dict(sorted(self.values.items())),
            "histogram": dict(self.histogram),
            "openi": {"reports": OPENI, **OPENI_VALUES},
            "curve": [list(point) for point in self.curve],
            "reports_per_patient": [list(row) for row in self.per_patient],
            "duplicates": dict(self.duplicates),
            "cues": {kind: list(cues) for kind, cues in KINDS.items()},
            "published": [
                {**asdict(c.published), "measured": c.measured, "verdict": c.verdict}
                for c in self.published
            ],
        }
        return {key: _plain(value) for key, value in plain.items()}


def describe(
    dataset: Dataset,
    published: Sequence[Published] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Description:
    """The description of all rows. DataError: nothing to describe, or a published figure of no
    known name. progress(k): k more reports were read."""
    if not len(dataset):
        raise DataError(f"dataset {dataset.name}: it has no report to describe")
    texts = measure(dataset.texts, progress)
    phi, both = cooccurrence(dataset.y)
    copies = duplicates(dataset)
    found = Description(
        dataset=dataset.name,
        options=dict(options or {}),
        card=asdict(dataset.card),
        labels=dataset.labels,
        counts=dict(dataset.counts),
        splits=splits(dataset),
        shares=label_shares(dataset.labels, dataset.y, dataset.patients),
        phi=phi,
        both=both,
        values={**values(dataset, texts), **repeated(copies)},
        histogram=histogram(texts.words),
        curve=curve(texts),
        per_patient=groups(Counter(dataset.patients).values()),
        duplicates=copies.as_dict(),
    )
    return _compared(found, published)


def _compared(found: Description, published: Sequence[Published]) -> Description:
    known = found.figures()
    compared = []
    for figure in published:
        if figure.figure not in known:
            raise DataError(
                f"dataset {found.dataset}: it publishes '{figure.figure}', which no description "
                f"has{did_you_mean(figure.figure, list(known))}"
            )
        value = known[figure.figure]
        verdict = figure.verdict(value)
        compared.append(Compared(figure, None if verdict == NOT_MEASURED else value, verdict))
    return replace(found, published=tuple(compared))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
