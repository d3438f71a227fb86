"""Logistic regression with a ridge, by Newton's method: small, deterministic, no options.

    weight = fit(x, y)                        # x (n, d), y (n,) of 0 and 1
    p = probability(x, weight)                # (n,)

It minimises Σ log(1 + exp(−s·z)) + ½ RIDGE |w|², z = w₀ + x·w, s = ±1; the intercept w₀ is free of
the ridge, up to a trace that keeps it finite where one class is missing.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from radpriv.attacks.metrics import Floats

RIDGE = 1.0
TRACE = 1e-3
STEPS = 100


def fit(x: Floats, y: Floats) -> Floats:
    """(d + 1,): the intercept, then one weight per column."""
    columns = _with_one(x)
    ridge = np.full(columns.shape[1], RIDGE)
    ridge[0] = TRACE
    weight = np.zeros(columns.shape[1])
    value = _loss(columns, y, weight, ridge)
    for _ in range(STEPS):
        p = expit(columns @ weight)
        slope = columns.T @ (p - y) + ridge * weight
        curve = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (found := _loss(columns, y, weight - size * step, ridge)) > value and size > 1e-6:
            size /= 2
        weight, gained, value = weight - size * step, value - found, found
        if gained <= 1e-10 * max(1.0, value):
            break
    return weight


def probability(x: Floats, weight: Floats) -> Floats:
    """P(y = 1), (n,)."""
    found: Floats = expit(_with_one(x) @ weight)
    return found


def _loss(columns: Floats, y: Floats, weight: Floats, ridge: Floats) -> float:
    z = columns @ weight
    return float(np.logaddexp(0.0, z).sum() - y @ z + 0.5 * (ridge * weight) @ weight)


def _with_one(x: Floats) -> Floats:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)
