"""Gaussian differential privacy (Dong, Roth and Su 2019, arXiv 1905.02383): μ, and ε at a δ.

A mechanism is μ-GDP if telling a member from a non-member is at least as hard as telling N(μ, 1)
from N(0, 1). One Gaussian release of sensitivity s and noise deviation σ has μ = s/σ, T of them
have μ = sqrt(T) · s/σ, and (Corollary 2.13 there)

    δ(ε; μ) = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2).

    epsilon_of(mu=1.0, delta=1e-5)    # 4.377
    mu_of(epsilon=10.0, delta=1e-5)   # 2.0004

From counts of right and wrong guesses, μ ≥ Φ⁻¹(1 − FPR) − Φ⁻¹(FNR) with both rates at their upper
confidence limits. What that says of ε is an **estimate**, never a bound: it takes for granted that
the whole trade-off curve is Gaussian, of which one point was seen, and that guesses of one run are
independent, which they need not be.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtri

from radpriv.attacks.epsilon.clopper_pearson import GuessCounts
from radpriv.errors import AttackError

LARGEST = 1e4
"""The largest ε that is solved for; more is as good as none."""


def delta_of(epsilon: float, mu: float) -> float:
    """δ(ε; μ), in [0, 1]; computed from logarithms, so that small ones keep their digits."""
    if mu < 0 or not math.isfinite(mu):
        raise AttackError(f"mu {mu!r}: give a finite number of at least 0")
    if mu == 0:
        return max(0.0, -math.expm1(epsilon))
    one = float(log_ndtr(-epsilon / mu + mu / 2))
    two = epsilon + float(log_ndtr(-epsilon / mu - mu / 2))
    return 0.0 if two >= one else -math.exp(one) * math.expm1(two - one)


def epsilon_of(mu: float, delta: float) -> float:
    """The smallest ε ≥ 0 with δ(ε; μ) ≤ delta."""
    _check(delta)
    if delta_of(0.0, mu) <= delta:
        return 0.0
    high = 1.0
    while delta_of(high, mu) > delta:
        high *= 2
        if high > LARGEST:
            return LARGEST
    return float(brentq(lambda e: delta_of(e, mu) - delta, 0.0, high, xtol=1e-10))


def mu_of(epsilon: float, delta: float) -> float:
    """The largest μ with δ(ε; μ) ≤ delta: the least noise of an (ε, δ) Gaussian mechanism.

    Balle and Wang 2018 (arXiv 1805.06530), Theorem 8: exact, where the textbook's
    sqrt(2 ln(1.25/δ))/ε adds too much noise and holds only for ε ≤ 1.
    """
    _check(delta)
    if not 0 <= epsilon <= LARGEST:
        raise AttackError(f"epsilon {epsilon!r}: give a number in [0, {LARGEST:g}]")
    high = 1.0
    while delta_of(epsilon, high) <= delta:
        high *= 2
    return float(brentq(lambda mu: delta_of(epsilon, mu) - delta, 0.0, high, xtol=1e-12))


def mu_lower(counts: GuessCounts, confidence: float = 0.95) -> float:
    """The μ that both error rates' upper limits (Clopper–Pearson, α/2 each) still show; ≥ 0.

    A guess worse than chance shows 0, not its absolute value: turned round after the coins were
    seen, null data would give μ > 0 almost always.
    """
    tpr, fpr = counts.limits(confidence)
    if tpr <= 0 or fpr >= 1:
        return 0.0
    return max(0.0, float(ndtri(tpr) - ndtri(fpr)))


def auc_of(mu: float) -> float:
    """The AUC of the best attack on one μ-GDP Gaussian release: Φ(μ/√2)."""
    return float(np.exp(log_ndtr(mu / math.sqrt(2))))


def _check(delta: float) -> None:
    if not 0 < delta < 1:
        raise AttackError(f"delta {delta!r}: a Gaussian mechanism has 0 < delta < 1")
