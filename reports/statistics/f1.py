"""F1 scores and their patient bootstrap, on NumPy arrays; nothing here reads a file.

Weighted F1 is scikit-learn's `average="weighted"` over labels: each label's F1 of its positive
class, weighted by the label's observed positives. A row whose label is NaN is left out of that
label. An F1 without positives and without predictions is *undefined*: it is NaN here, it is counted
by the callers, and it is never taken as 0 or 1.

Counts are kept per patient, so one matrix product scores every resample:

    counts = count(y, pred, groups)                       # (patients, labels) each
    weights = bootstrap_weights("openi", counts.patients)  # (resamples, patients)
    weighted_f1(resampled(counts, weights))                # (resamples,)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.cell import canonical

Floats = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class LabelCounts:
    """True positives, false positives, false negatives, observed rows: each (..., labels)."""

    tp: Floats
    fp: Floats
    fn: Floats
    observed: Floats

    @property
    def patients(self) -> int:
        """Rows of a per-patient count."""
        return self.tp.shape[0]

    @property
    def support(self) -> Floats:
        """Observed positives, (..., labels)."""
        return self.tp + self.fn

    def total(self) -> LabelCounts:
        """Summed over patients, (labels,)."""
        return LabelCounts(*(x.sum(axis=0) for x in (self.tp, self.fp, self.fn, self.observed)))


def count(
    y: NDArray[np.float32], pred: NDArray[np.bool_], groups: NDArray[np.int64]
) -> LabelCounts:
    """Counts per patient, each (patients, labels).

    y: (n, labels), 1, 0 or NaN.  pred: (n, labels).  groups: (n,), patient numbers 0..P-1.
    """
    seen = ~np.isnan(y)
    true = seen & (y == 1)
    called = seen & pred
    patients = int(groups.max()) + 1 if len(groups) else 0

    def per_patient(hits: NDArray[np.bool_]) -> Floats:
        sums = np.zeros((patients, y.shape[1]))
        np.add.at(sums, groups, hits)
        return sums

    return LabelCounts(
        per_patient(true & called),
        per_patient(called & ~true),
        per_patient(true & ~called),
        per_patient(seen),
    )


def label_f1(counts: LabelCounts) -> Floats:
    """F1 of each label, (..., labels); NaN where the label is neither true nor predicted."""
    return _divide(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def weighted_f1(counts: LabelCounts) -> Floats:
    """scikit-learn's average="weighted", (...,); NaN where no label has an observed positive."""
    support = counts.support
    scores = np.where(support > 0, label_f1(counts), 0.0)
    return _divide((scores * support).sum(axis=-1), support.sum(axis=-1))


def macro_f1(counts: LabelCounts) -> Floats:
    """Plain mean over labels with positives or predictions, (...,); NaN where there is none."""
    scores = label_f1(counts)
    defined = ~np.isnan(scores)
    return _divide(np.where(defined, scores, 0.0).sum(axis=-1), defined.sum(axis=-1))


def class_weighted_f1(counts: LabelCounts) -> Floats:
    """The other definition in use, (...,): F1 of both classes of each label, by class support.

    Under it an all-negative classifier scores high on rare labels; it is printed for the trivial
    rows only, so that a reader sees how much the definition decides.
    """
    positives = counts.support
    negatives = counts.observed - positives
    tn = negatives - counts.fp
    negative_f1 = _divide(2 * tn, 2 * tn + counts.fp + counts.fn)
    points = np.where(positives > 0, label_f1(counts), 0.0) * positives
    points = points + np.where(negatives > 0, negative_f1, 0.0) * negatives
    return _divide(points.sum(axis=-1), counts.observed.sum(axis=-1))


def bootstrap_weights(dataset: str, patients: int, resamples: int = RESAMPLES) -> Floats:
    """How often each patient is drawn, (resamples, patients), rows summing to `patients`.

    The stream is public and named by the dataset alone, so every method, ε and seed is scored on
    the same resamples and their differences are paired.
    """
    seed = hashlib.sha256(canonical(("bootstrap", dataset)).encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big")))
    drawn = rng.integers(0, patients, size=(resamples, patients))
    flat = drawn + patients * np.arange(resamples)[:, None]
    tally = np.bincount(flat.ravel(), minlength=resamples * patients)
    return tally.reshape(resamples, patients).astype(np.float64)


def resampled(counts: LabelCounts, weights: Floats) -> LabelCounts:
    """Counts of every resample, each (resamples, labels)."""
    stacked = np.hstack([counts.tp, counts.fp, counts.fn, counts.observed])
    tp, fp, fn, observed = np.split(weights @ stacked, 4, axis=1)
    return LabelCounts(tp, fp, fn, observed)


def _divide(numerator: Floats, denominator: Floats | NDArray[np.int64]) -> Floats:
    """numerator / denominator, NaN where the denominator is 0, without a warning."""
    filled = np.full(np.shape(numerator), np.nan)
    return np.divide(numerator, denominator, out=filled, where=np.asarray(denominator) > 0)
