"""Principal components of features, so that a regression on hundreds of them takes few columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import Matrix

NEGLIGIBLE = 1e-9
"""Share of the largest variance below which a direction is rounding."""


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """mean: float64 (d,).  directions: float64 (d, count), scaled to unit deviation."""

    mean: Floats = field(repr=False)
    directions: Floats = field(repr=False)

    def of(self, features: Matrix) -> Floats:
        """float64 (n, count), the records' components."""
        return np.asarray((features.astype(np.float64) - self.mean) @ self.directions)


def principal(features: Matrix, count: int) -> PrincipalAxes:
    """The axes of at most `count` largest variances among these records, float32 (n, d)."""
    x = features.astype(np.float64)
    mean = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / max(len(x), 1))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    largest = float(np.max(values, initial=0.0))
    kept = values > NEGLIGIBLE * np.maximum(largest, np.finfo(np.float32).tiny)
    return PrincipalAxes(mean, vectors[:, kept] / np.sqrt(values[kept]))
