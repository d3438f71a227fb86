"""The one-run audit against a whole trade-off curve (Mahloujifar, Melis and Chaudhuri 2024,
arXiv 2410.22235), here the Gaussian one.

one_run.py grants the mechanism every (ε, δ) trade-off; a Gaussian mechanism has a single curve, and
asking whether v of r right guesses are possible *on that curve* shows far more. With p_j the
probability of exactly j right guesses, let

    R_i = Σ_{j ≥ i} j p_j / m        (a random canary is guessed right, i or more are right),
    H_i = Σ_{j ≥ i} (r − j) p_j / m  (it is guessed wrong, i or more are right).

Given the other coins, turning the one coin turns R_{i+1} into H_i, so f-DP demands
H_i ≥ f(R_{i+1}), f(x) = Φ(Φ⁻¹(x) − μ) for a Gaussian mechanism, and by definition
R_i = R_{i+1} + (H_i − H_{i+1}) · i/(r − i). Going down from "v or more are right with probability
α" (R_v = αv/m, H_v = α(r − v)/m), the least possible R_0 + H_0 follows; if it exceeds r/m, there
is no such mechanism and μ is rejected.

    epsilon(m=1000, r=100, v=95, delta=1e-5, gaussian=True)   # 3.3233, a bound

The largest rejected μ, as ε at δ (gdp.py), is a **bound** where the releases are Gaussian and
unsampled (rate 1): then the curve is Gaussian whatever μ is. Elsewhere, under Poisson sampling
too, the curve is another one and the figure is an **estimate**; what is returned says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from radpriv.attacks.epsilon import gdp
from radpriv.benchmark.store.audit_schema import FdpKind
from radpriv.errors import AttackError

TOLERANCE = 1e-7
LARGEST_MU = 64.0

Curve = Callable[[float], float]
"""x → the least probability of the same event with the coin turned; convex, increasing, ≤ x."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class TradeOffFigure:
    """An ε and what it is: a "bound" holds at the stated confidence, an "estimate" need not."""

    epsilon: float
    kind: FdpKind


def gaussian(mu: float) -> Curve:
    """The curve of N(μ, 1) against N(0, 1)."""

    def curve(x: float) -> float:
        if x <= 0:
            return 0.0
        return 1.0 if x >= 1 else _NORMAL.cdf(_NORMAL.inv_cdf(x) - mu)

    return curve


def rejects(curve: Curve, m: int, r: int, v: int, alpha: float) -> bool:
    """Whether v or more of r right guesses on m canaries have a probability below alpha."""
    right, wrong = alpha * v / m, alpha * (r - v) / m
    for i in range(v - 1, -1, -1):
        needed = curve(right)
        if needed <= wrong:
            break  # nothing changes any more, further down
        right += (needed - wrong) * i / (r - i)
        wrong = needed
        if right + wrong > r / m:
            return True
    return right + wrong > r / m


def mu_lower(m: int, r: int, v: int, confidence: float = 0.95) -> float:
    """The largest μ that v right guesses of r reject, to 1e-7 from below; 0 where none is."""
    if not 0 <= v <= r <= m or m < 1:
        raise AttackError(f"{v} right of {r} guesses on {m} canaries: v ≤ r ≤ m is needed")
    if not 0 < confidence < 1:
        raise AttackError(f"confidence {confidence!r}: give a number between 0 and 1, as 0.95")
    alpha = 1 - confidence
    if not rejects(gaussian(0.0), m, r, v, alpha):
        return 0.0
    low, high = 0.0, 1.0
    while high < LARGEST_MU and rejects(gaussian(high), m, r, v, alpha):
        low, high = high, 2 * high
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        if rejects(gaussian(middle), m, r, v, alpha):
            low = middle
        else:
            high = middle
    return low


def epsilon(
    m: int, r: int, v: int, delta: float, gaussian: bool, confidence: float = 0.95
) -> TradeOffFigure:
    """ε at δ of the largest rejected μ. gaussian: all releases are Gaussian, and none is sampled.

    r and the rule of guessing are fixed before the coins are seen, as in one_run.py.
    """
    mu = mu_lower(m, r, v, confidence)
    value = gdp.epsilon_of(mu, delta) if mu > 0 else 0.0
    return TradeOffFigure(value, "bound" if gaussian else "estimate")


def ceiling(m: int, r: int, delta: float, confidence: float = 0.95) -> float:
    """The figure with every guess right."""
    return epsilon(m, r, r, delta, True, confidence).epsilon
