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

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.description.cues import KINDS
from radpriv.benchmark.datasets.description.described_values import (
    OPENI_VALUES,
    curve,
    groups,
    histogram,
    repeated,
    splits,
    values,
)
from radpriv.benchmark.datasets.description.label_shares import (
    INTERVAL,
    cooccurrence,
    label_shares,
)
from radpriv.benchmark.datasets.description.text_counts import measure
from radpriv.benchmark.datasets.io.deduplicate import duplicates
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.registry import did_you_mean
from radpriv.benchmark.store.description_schema import ComparedFigure, Description
from radpriv.benchmark.store.schema import dump, parse
from radpriv.errors import DataError

DIGITS = 10
"""Significant digits that are kept, so that equal data give equal files everywhere."""


def describe(
    dataset: Dataset,
    published: Sequence[Published] = (),
    options: Mapping[str, JsonValue] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Description:
    """The description of all rows. DataError: nothing to describe, or a published figure of no
    known name. progress(k): k more reports were read."""
    if not len(dataset):
        raise DataError(f"dataset {dataset.name}: it has no report to describe")
    texts = measure(dataset.texts, progress)
    phi, both = cooccurrence(dataset.y)
    copies = duplicates(dataset)
    named = {**values(dataset, texts), **repeated(copies)}
    found = Description(
        dataset=dataset.name,
        options=json.loads(canonical(options or {})),  # lists for tuples
        card=dataset.card,
        labels=dataset.labels,
        counts=dict(sorted(dataset.counts.items())),
        splits=splits(dataset),
        interval=INTERVAL,
        shares=label_shares(dataset.labels, dataset.y, dataset.patients),
        phi=tuple(tuple(map(_finite, row)) for row in phi.tolist()),
        both=tuple(map(tuple, both.tolist())),
        values={name: _finite(named[name]) for name in sorted(named)},
        histogram=histogram(texts.words),
        openi=OPENI_VALUES,
        curve=curve(texts),
        reports_per_patient=groups(Counter(dataset.patients).values()),
        duplicates=copies,
        cues=KINDS,
    )
    compared = _compared(found, published)
    return _rounded(replace(found, published=compared))


def _compared(found: Description, published: Sequence[Published]) -> tuple[ComparedFigure, ...]:
    known = found.figures()
    compared = []
    for p in published:
        if p.figure not in known:
            raise DataError(
                f"dataset {found.dataset}: it publishes '{p.figure}', which no description "
                f"has{did_you_mean(p.figure, list(known))}"
            )
        measured = known[p.figure]
        compared.append(
            ComparedFigure(
                p.figure, p.value, p.tolerance, p.source, _finite(measured), p.verdict(measured)
            )
        )
    return tuple(compared)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _rounded(found: Description) -> Description:
    text = json.dumps(_digits(dump(found)))
    return parse(Description, text, f"description of {found.dataset}", DataError)


def _digits(value: JsonValue) -> JsonValue:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _digits(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_digits(v) for v in value]
    return value
