"""Mechanisms of known ε, for the row that every leakage table carries: does the audit read it?

A Gaussian mechanism calibrated exactly to (ε, δ) releases each canary's coin with noise: the score
is coin + N(0, 1/μ²), μ the largest that (ε, δ) allows (gdp.py). Its best attack has AUC Φ(μ/√2).
Randomised response keeps each coin with probability e^ε / (1 + e^ε) and turns it otherwise; no
mechanism of its ε gives more right guesses. The noise comes from public words by name.

    scores = gaussian_scores(member, 10.0, 1e-5, "openi", 3, "known")
    expected(m=member.size, epsilon=10.0, delta=1e-5).epsilon     # what the audit should read
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, ndtri

from radpriv.attacks.epsilon import gdp
from radpriv.attacks.epsilon.ideal import SampledStep, ideal
from radpriv.attacks.epsilon.selection import How
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_words
from radpriv.benchmark.store.audit_schema import Ideal
from radpriv.errors import AttackError


def gaussian_scores(member: ArrayLike, epsilon: float, delta: float, *name: str | int) -> Floats:
    """float64 (m,): one Gaussian release of each coin of `member`, bool (m,), exactly (ε, δ)-DP."""
    flags = _coins(member)
    mu = gdp.mu_of(epsilon, delta)
    return flags + ndtri(uniforms(flags.size, *name)) / mu


def randomised_response_scores(member: ArrayLike, epsilon: float, *name: str | int) -> Floats:
    """float64 (m,), 1 or 0: each coin of `member`, bool (m,), told truly by an ε-DP mechanism."""
    flags = _coins(member)
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise AttackError(f"epsilon {epsilon!r}: give a finite number of at least 0")
    true = uniforms(flags.size, *name) < float(expit(epsilon))
    return np.where(true, flags, ~flags).astype(np.float64)


def expected(
    m: int, epsilon: float, delta: float, confidence: float = 0.95, how: How = "one_run"
) -> Ideal:
    """The median audit of `gaussian_scores` on m canaries, its error and its ceiling."""
    return ideal([SampledStep(1.0, 1 / gdp.mu_of(epsilon, delta))], m, delta, confidence, how)


def auc(epsilon: float, delta: float) -> float:
    """The AUC that `gaussian_scores` have but for luck."""
    return gdp.auc_of(gdp.mu_of(epsilon, delta))


def uniforms(size: int, *name: str | int) -> Floats:
    """float64 (size,) in (0, 1), never an end: the middles of 2^52 equal parts, by public words."""
    words = public_words(size, *name)
    return np.asarray(((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def _coins(member: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags = np.asarray(member)
    if flags.dtype != np.bool_ or flags.ndim != 1:
        raise AttackError(f"coins of shape {flags.shape}, {flags.dtype}: give booleans, (m,)")
    return flags
