"""What real records put into the canaries' coordinates, learned from the releases alone.

In units of σ, canary i shows x_t = D_t + signal_t + N(0, 1). The drift D differs from coordinate to
coordinate, but its course over time does not: large at the first steps, opposed by later ones. So D
is modelled by a few courses V (factor analysis), D_t = V_t f + N(0, d_t) with f ~ N(0, 1) for each
canary, estimated from the covariance over canaries of what was shown, in which the part of the
signal is known: members are half, each drawn with probability q, so

    Cov(signal) = ¼ qn (qn)ᵀ off the diagonal, n² (q/2)(1 − q/2) on it,   n = C/σ.

Of the rest only eigenvalues above those that noise alone gives are kept (Marchenko and Pastur 1967:
(1 + sqrt(T/m))² times its variance), and of what is left on the diagonal only excesses over two
standard errors. Without drift nothing is kept, and the score is the pure likelihood ratio. No
membership is used, so no bound that is computed from the scores is affected, only their power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radpriv.attacks.metrics import Floats

LIMIT = 4.0
"""Values are cut off here, σ beyond the signal, so that one coordinate does not make a course."""


@dataclass(frozen=True, eq=False)
class Drift:
    """courses: V, float64 (steps, factors), in units of σ.  extra: d, float64 (steps,)."""

    courses: Floats
    extra: Floats


def none(steps: int) -> Drift:
    return Drift(np.zeros((steps, 0)), np.zeros(steps))


def learn(x: Floats, shift: Floats, rate: Floats) -> Drift:
    """From x, float64 (steps, m), in units of σ; shift: C/σ and rate: q, float64 (steps,)."""
    steps, m = x.shape
    if m < 2 or steps == 0:
        return none(steps)
    cut = np.clip(x, -LIMIT, LIMIT + shift[:, None])
    mean = rate * shift
    known = np.outer(mean, mean) / 4
    variance = shift**2 * (rate / 2) * (1 - rate / 2)
    np.fill_diagonal(known, variance)
    rest = np.atleast_2d(np.cov(cut)) - known - np.eye(steps)
    edge = (1 + float(variance.mean())) * ((1 + np.sqrt(steps / m)) ** 2 - 1)
    edge += 3 * np.sqrt(2 / m) * float(mean @ mean) / 4  # members are not half to the last one
    values, vectors = np.linalg.eigh(rest)
    kept = values > edge
    courses = vectors[:, kept] * np.sqrt(values[kept])
    left = np.diag(rest) - (courses**2).sum(axis=1)
    error = (1 + variance) * np.sqrt(2 / m)
    return Drift(courses, np.where(left > 2 * error, left, 0.0))
