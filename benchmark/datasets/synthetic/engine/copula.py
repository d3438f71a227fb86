"""A Gaussian copula over positive labels: fitted offline in floats, drawn from in integers.

    latent = fit(rates, phi)                # once; its integers go into the calibration file
    draw = latent.begin(tape); latent.next(draw, tape); latent.positive(draw)

A label is positive where its latent normal exceeds a threshold. Pairwise latent correlations are
solved so that the phi coefficients of the labels are the targets (bivariate normal orthants), and
the matrix is then repaired to be positive definite (eigenvalues raised, diagonal restored).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.synthetic.engine.draws import SCALE, Tape

_LEAST = 1e-3  # smallest eigenvalue after the repair
_FAR = 0.98  # largest latent correlation in absolute value


@dataclass(frozen=True)
class Latent:
    """factor: lower triangle, rows of growing length, in units of 1/SCALE: latent = factor · g.

    thresholds: in units of 1/SCALE.  keep: correlation of one visit's g with the last one's.
    """

    factor: tuple[tuple[int, ...], ...]
    thresholds: tuple[int, ...]
    keep: float

    def begin(self, tape: Tape) -> list[int]:
        """Independent normals, one per label."""
        return [tape.normal() for _ in self.factor]

    def next(self, last: Sequence[int], tape: Tape) -> list[int]:
        """The next visit's: an autoregression that leaves every visit's distribution as it is."""
        old, new = _blend(self.keep)
        return [(old * g + new * tape.normal()) // SCALE for g in last]

    def positive(self, g: Sequence[int]) -> list[bool]:
        return [
            sum(f * x for f, x in zip(row, g)) > threshold * SCALE
            for row, threshold in zip(self.factor, self.thresholds)
        ]


def _blend(keep: float) -> tuple[int, int]:
    old = round(keep * SCALE)
    return old, round((SCALE * SCALE - old * old) ** 0.5)


def fit(rates: Sequence[float], phi: NDArray[np.float64], keep: float) -> Latent:
    """The copula whose labels have these rates (k,) and phi coefficients (k, k)."""
    from scipy.stats import norm

    k = len(rates)
    latent = np.eye(k)
    for i in range(k):
        for j in range(i):
            latent[i, j] = latent[j, i] = _pair(rates[i], rates[j], phi[i, j])
    factor = np.linalg.cholesky(nearest(latent))
    return Latent(
        factor=tuple(
            tuple(round(SCALE * x) for x in row[: i + 1]) for i, row in enumerate(factor.tolist())
        ),
        thresholds=tuple(round(SCALE * float(norm.isf(p))) for p in rates),
        keep=keep,
    )


def _pair(p: float, q: float, phi: float) -> float:
    """The latent correlation at which two labels of rates p and q have the coefficient phi."""
    from scipy.optimize import brentq
    from scipy.stats import multivariate_normal, norm

    both = p * q + phi * (p * (1 - p) * q * (1 - q)) ** 0.5
    edge = [norm.ppf(p), norm.ppf(q)]

    def off(r: float) -> float:
        return float(multivariate_normal.cdf(edge, cov=[[1.0, r], [r, 1.0]])) - both

    if off(-_FAR) > 0 or off(_FAR) < 0:
        return -_FAR if off(-_FAR) > 0 else _FAR
    return float(brentq(off, -_FAR, _FAR, xtol=1e-5))


def nearest(matrix: NDArray[np.float64], rounds: int = 500) -> NDArray[np.float64]:
    """A correlation matrix near `matrix` with every eigenvalue at least _LEAST / 2."""
    for _ in range(rounds):
        values, vectors = np.linalg.eigh(matrix)
        if values[0] >= _LEAST / 2:
            break
        matrix = (vectors * np.maximum(values, _LEAST)) @ vectors.T
        scale = np.sqrt(np.diag(matrix))
        matrix = matrix / np.outer(scale, scale)
    return matrix
