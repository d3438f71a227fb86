"""A dataset described by aggregates alone: what a reader must know before trusting a number on it.

    description = describe(loader.load(data), loader.published(), loader.options())
    json.dumps(description.as_dict())         # deterministic; NaN is null
    description.figures()["positive/Edema"]   # every number by the name that published.py uses

All reports count, of every split, so the figures follow from private data: exact counts, covered by
no ε. Texts never leave: a vocabulary is how many words there are, never which. How the numbers are
defined: describe_labels.py (shares, intervals, phi), describe_texts.py (words, sentences, normal
form, distinct things among so many reports), describe_cues.py.
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
from radpriv.benchmark.datasets.describe_cues import CUES, KINDS
from radpriv.benchmark.datasets.describe_labels import (
    INTERVAL,
    LabelShares,
    cooccurrence,
    label_shares,
)
from radpriv.benchmark.datasets.describe_texts import Measured, distinct, measure
from radpriv.benchmark.datasets.describe_tokens import LONGEST, token_lengths
from radpriv.benchmark.datasets.published import NOT_MEASURED, Published
from radpriv.benchmark.results import did_you_mean
from radpriv.errors import DataError

FORMAT = 1
OPENI = 3927
"""Reports of Open-i with text: the size at which repetition is compared between datasets."""
CURVE = (100, 200, 500, 1000, 2000, OPENI, 10_000, 20_000, 50_000, 100_000, 200_000)
QUANTILES = {"p5": 0.05, "p50": 0.50, "p95": 0.95, "p99": 0.99}
PER_PATIENT = ((1, 1), (2, 2), (3, 5), (6, 10), (11, None))
"""Groups of patients by how many reports they have; the last is open."""
BARS = 40
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
    values: everything else by its name in published.py (NaN: not measured).
    histogram: {"width", "counts", "beyond"}: reports by number of words.
    curve: [reports, distinct words expected among them].
    per_patient: [least, most or None, patients].
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
            found[f"counted/{key}"] = _over(count, self.values["reports"])
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
            "curve": [list(point) for point in self.curve],
            "reports_per_patient": [list(row) for row in self.per_patient],
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
    found = Description(
        dataset=dataset.name,
        options=dict(options or {}),
        card=dataset.card.as_dict(),
        labels=dataset.labels,
        counts=dict(dataset.counts),
        splits=_splits(dataset),
        shares=label_shares(dataset.labels, dataset.y, dataset.patients),
        phi=phi,
        both=both,
        values={**_rows(dataset), **_words(texts), **_repetition(texts), **_tokens(dataset)},
        histogram=_histogram(texts.words),
        curve=_curve(texts),
        per_patient=_groups(Counter(dataset.patients).values()),
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


def _words(texts: Measured) -> dict[str, float]:
    n, words, sentences = len(texts), int(texts.words.sum()), int(texts.sentences.sum())
    found = {
        **_spread("words", texts.words),
        **_spread("sentences", texts.sentences),
        "words_per_sentence/mean": _over(words, sentences),
        "negated_sentences": _over(texts.denied[0], sentences),
        "negated_reports": texts.denied[1] / n,
        "hedged_sentences": _over(texts.hedged[0], sentences),
        "hedged_reports": texts.hedged[1] / n,
    }
    for cue, reports, total in zip(CUES, texts.cue_reports, texts.cue_total):
        found[f"cue/{cue}"] = float(reports) / n
        found[f"cue_rate/{cue}"] = _over(1000 * int(total), words)
    return found


def _repetition(texts: Measured) -> dict[str, float]:
    n, sentences = len(texts), int(texts.sentences.sum())
    words = sum(texts.vocabulary.values())
    found = {
        "vocabulary": float(words),
        "vocabulary_once": _over(texts.vocabulary.get(1, 0), words),
        "unique_reports": _over(sum(texts.text_reports.values()), n),
        "unique_sentences": _over(sum(texts.sentence_reports.values()), sentences),
    }
    at = dict.fromkeys(("vocabulary", "unique_reports", "unique_sentences"), math.nan)
    if n >= OPENI:
        at = {
            "vocabulary": distinct(texts.word_reports, n, OPENI),
            "unique_reports": distinct(texts.text_reports, n, OPENI) / OPENI,
            "unique_sentences": _over(
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


def _splits(dataset: Dataset) -> dict[str, dict[str, int]]:
    splits = np.asarray(dataset.splits)
    patients = np.asarray(dataset.patients, dtype=object)
    return {
        str(name): {
            "reports": int((splits == name).sum()),
            "patients": len(set(patients[splits == name])),
        }
        for name in np.unique(splits)
    }


def _histogram(words: NDArray[np.int64]) -> dict[str, Any]:
    """Bars of one width up to the 99.5% quantile, and how many reports lie beyond."""
    most = max(float(np.quantile(words, 0.995)), 1.0)
    wide = next(w for k in range(9) for w in (10**k, 2 * 10**k, 5 * 10**k) if w * BARS >= most + 1)
    bars = math.ceil((most + 1) / wide)
    counts = np.bincount(np.minimum(words // wide, bars), minlength=bars + 1)
    return {"width": wide, "counts": counts[:bars].tolist(), "beyond": int(counts[bars])}


def _curve(texts: Measured) -> tuple[tuple[int, float], ...]:
    n = len(texts)
    points = [*(k for k in CURVE if k < n), n]
    return tuple((k, distinct(texts.word_reports, n, k)) for k in points)


def _groups(counts: Any) -> tuple[tuple[int, int | None, int], ...]:
    each = Counter(counts)
    return tuple(
        (
            least,
            most,
            sum(many for k, many in each.items() if k >= least and (most is None or k <= most)),
        )
        for least, most in PER_PATIENT
    )


def _over(count: float, total: float) -> float:
    return count / total if total else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
