"""The single numbers of a description, by the names that reference_figures.py lists."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.description.cues import CUES
from radpriv.benchmark.datasets.description.text_counts import TextCounts, distinct
from radpriv.benchmark.datasets.description.token_counts import LONGEST, token_lengths
from radpriv.benchmark.store.description_schema import (
    Duplicates,
    Histogram,
    OpeniValues,
    SplitSize,
)

OPENI = 3927
"""Reports of Open-i with text: the size at which repetition is compared between datasets."""
OPENI_VALUES = OpeniValues(
    reports=OPENI,
    vocabulary=2024.0,
    unique_reports=3129 / OPENI,
    unique_sentences=8483 / 22824,
)
"""What those reports give (findings and impression, copies included), by the definitions here. With
punctuation and case 3,159 are unique."""
CURVE = (100, 200, 500, 1000, 2000, OPENI, 10_000, 20_000, 50_000, 100_000, 200_000)
QUANTILES = {"p5": 0.05, "p50": 0.50, "p95": 0.95, "p99": 0.99}
PER_PATIENT = ((1, 1), (2, 2), (3, 5), (6, 10), (11, None))
"""Groups of patients by how many reports they have; the last is open."""
BARS = 40


def values(dataset: Dataset, texts: TextCounts) -> dict[str, float]:
    """All of them; NaN where one could not be measured."""
    return {**_rows(dataset), **_words(texts), **_repetition(texts), **_tokens(dataset)}


def repeated(found: Duplicates) -> dict[str, float]:
    """Shares of the reports, and of the test reports, that another one repeats."""
    return {
        "duplicates/copied": over(found.copied, found.records),
        "duplicates/near": over(found.near, found.records),
        "duplicates/crossing": over(found.crossing, found.test),
    }


def _rows(dataset: Dataset) -> dict[str, float]:
    n = len(dataset)
    per_patient = np.array(list(Counter(dataset.patients).values()))
    positives = (dataset.y == 1).sum(axis=1)
    splits = Counter(dataset.splits)
    return {
        "reports": float(n),
        "patients": float(len(per_patient)),
        **{f"split/{name}": count / n for name, count in splits.items()},
        **_spread("reports_per_patient", per_patient),
        "positives/mean": float(positives.mean()),
        "no_positive": float((positives == 0).mean()),
    }


def _words(texts: TextCounts) -> dict[str, float]:
    n, words, sentences = len(texts), int(texts.words.sum()), int(texts.sentences.sum())
    found = {
        **_spread("words", texts.words),
        **_spread("sentences", texts.sentences),
        "words_per_sentence/mean": over(words, sentences),
        "negated_sentences": over(texts.denied[0], sentences),
        "negated_reports": texts.denied[1] / n,
        "hedged_sentences": over(texts.hedged[0], sentences),
        "hedged_reports": texts.hedged[1] / n,
    }
    for cue, reports, total in zip(CUES, texts.cue_reports, texts.cue_total):
        found[f"cue/{cue}"] = float(reports) / n
        found[f"cue_rate/{cue}"] = over(1000 * int(total), words)
    return found


def _repetition(texts: TextCounts) -> dict[str, float]:
    n, sentences = len(texts), int(texts.sentences.sum())
    words = sum(texts.vocabulary.values())
    found = {
        "vocabulary": float(words),
        "vocabulary_once": over(texts.vocabulary.get(1, 0), words),
        "unique_reports": over(sum(texts.text_reports.values()), n),
        "unique_sentences": over(sum(texts.sentence_reports.values()), sentences),
    }
    at = dict.fromkeys(("vocabulary", "unique_reports", "unique_sentences"), math.nan)
    if n >= OPENI:
        at = {
            "vocabulary": distinct(texts.word_reports, n, OPENI),
            "unique_reports": distinct(texts.text_reports, n, OPENI) / OPENI,
            "unique_sentences": over(
                distinct(texts.sentence_reports, n, OPENI), sentences * OPENI / n
            ),
        }
    return {**found, **{f"{name}/at/{OPENI}": value for name, value in at.items()}}


def _tokens(dataset: Dataset) -> dict[str, float]:
    lengths = token_lengths(dataset.texts)
    if lengths is None:
        names = ("tokens/mean", *(f"tokens/{q}" for q in QUANTILES))
        return dict.fromkeys((*names, *(f"tokens_over/{n}" for n in LONGEST)), math.nan)
    over = {f"tokens_over/{n}": float((lengths > n).mean()) for n in LONGEST}
    return {**_spread("tokens", lengths), **over}


def _spread(name: str, values: NDArray[np.int64]) -> dict[str, float]:
    """Mean and quantiles (linear between neighbours)."""
    found = {f"{name}/mean": float(values.mean())}
    for quantile, at in QUANTILES.items():
        found[f"{name}/{quantile}"] = float(np.quantile(values, at))
    return found


def splits(dataset: Dataset) -> dict[str, SplitSize]:
    splits = np.asarray(dataset.splits)
    patients = np.asarray(dataset.patients, dtype=object)
    return {
        str(name): SplitSize(
            reports=int((splits == name).sum()), patients=len(set(patients[splits == name]))
        )
        for name in np.unique(splits)
    }


def histogram(words: NDArray[np.int64]) -> Histogram:
    """Bars of one width up to the 99.5% quantile, and how many reports lie beyond."""
    most = max(float(np.quantile(words, 0.995)), 1.0)
    wide = next(w for k in range(9) for w in (10**k, 2 * 10**k, 5 * 10**k) if w * BARS >= most + 1)
    bars = math.ceil((most + 1) / wide)
    counts = np.bincount(np.minimum(words // wide, bars), minlength=bars + 1)
    return Histogram(wide, tuple(counts[:bars].tolist()), int(counts[bars]))


def curve(texts: TextCounts) -> tuple[tuple[int, float], ...]:
    n = len(texts)
    points = [*(k for k in CURVE if k < n), n]
    return tuple((k, distinct(texts.word_reports, n, k)) for k in points)


def groups(counts: Iterable[int]) -> tuple[tuple[int, int | None, int], ...]:
    each = Counter(counts)
    return tuple(
        (
            least,
            most,
            sum(many for k, many in each.items() if k >= least and (most is None or k <= most)),
        )
        for least, most in PER_PATIENT
    )


def over(count: float, total: float) -> float:
    return count / total if total else math.nan
