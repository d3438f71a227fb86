"""Shares of a dataset's labels with honest intervals, and how labels go together.

Reports of one patient resemble each other, so an interval that takes them for independent is too
narrow. Here a share has a Wilson score interval on its effective number of reports n / deff:

    deff = Var(share, patients drawn as wholes) / (p(1 − p) / n)        (Kish 1965, design effect)

with the linearised variance of a ratio over patients, Σ(sᵢ − p·nᵢ)² · C/(C − 1) / n², where patient
i has nᵢ reports, sᵢ of them counted. deff below 1 is taken as 1. Where the share is 0 or 1 no
variance can be seen, and the effective number is that of patients, the most cautious one.
Sources: Wilson 1927 (JASA 22:209–212); Korn and Graubard 1998 (Survey Methodology 24:193–201), for
intervals of shares on effective sample sizes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.store.description_schema import LabelShares, Share

INTERVAL = (
    "95%: Wilson score interval on the effective number of reports, that is the number of reports "
    "divided by the design effect of drawing whole patients"
)
Z = 1.959963984540054
"""0.975 quantile of the normal distribution."""


def label_shares(
    labels: tuple[str, ...], y: NDArray[np.float32], patients: tuple[str, ...]
) -> tuple[LabelShares, ...]:
    """Shares of all reports, per label. y: (n, labels), NaN not observed."""
    group = patient_numbers(patients)
    return tuple(
        LabelShares(
            label,
            share(y[:, i] == 1, group),
            share(y[:, i] == 0, group),
            share(np.isnan(y[:, i]), group),
        )
        for i, label in enumerate(labels)
    )


def patient_numbers(patients: tuple[str, ...]) -> NDArray[np.int64]:
    """(n,) number of each report's patient, from 0."""
    known: dict[str, int] = {}
    numbers = [known.setdefault(patient, len(known)) for patient in patients]
    return np.array(numbers, np.int64)


def share(counted: NDArray[np.bool_], group: NDArray[np.int64]) -> Share:
    """The share of reports that are counted. group: (n,) patients as numbers from 0."""
    n, count = len(counted), int(counted.sum())
    if n == 0:
        return Share(0, math.nan, 0.0, 1.0, 0.0)
    effective = effective_number(counted, group)
    return Share(count, count / n, *wilson(count / n, effective), effective)


def effective_number(counted: NDArray[np.bool_], group: NDArray[np.int64]) -> float:
    """n / deff."""
    n, p = len(counted), float(counted.mean())
    size = np.bincount(group).astype(float)
    if p in (0.0, 1.0) or len(size) < 2:
        return float(len(size))
    rest = np.bincount(group, weights=counted) - p * size
    variance = float(rest @ rest) * len(size) / (len(size) - 1) / n**2
    return min(float(n), p * (1 - p) / variance) if variance else float(n)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95% score interval for a share p of n."""
    centre = p + Z * Z / (2 * n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    low = 0.0 if p == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if p == 1 else min(1.0, (centre + half) / scale)
    return low, high


def cooccurrence(
    y: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """phi (labels, labels) and how many reports have both, over reports that observe both.

    phi is Pearson's correlation of two binary labels; NaN where one of them does not vary there.
    The diagonal is 1 for a label that varies.
    """
    seen = ~np.isnan(y)
    there = np.where(seen, y, 0).astype(np.float64)
    s = seen.astype(np.float64)
    n = s.T @ s  # (L, L): reports that observe both
    a = there.T @ s  # positives of the row's label among them
    both = there.T @ there
    spread = a * (n - a)  # n² · p(1 − p) of the row's label
    scale = np.sqrt(spread * spread.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi = np.where(scale > 0, (n * both - a * a.T) / scale, np.nan)
    return np.clip(phi, -1.0, 1.0), both.astype(np.int64)
