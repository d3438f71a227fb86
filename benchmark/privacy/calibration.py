"""ε from a ledger, and noise for an ε, by privacy loss distributions (PLD).

PLD (Koskela et al. 2020; dp_accounting) is the certificate: pessimistic rounding, so its ε is an
upper bound up to the discretisation, which is scaled with the target (an interval fit for ε = 1 is
hundreds of times too coarse at ε = 0.01). Opacus' own search stops at an absolute tolerance of
0.01 and returns ten times too much noise at ε = 0.01; it is not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from radpriv.benchmark.privacy.ledger import Group
from radpriv.errors import PrivacyError

TOLERANCE = 0.002
"""Calibrated noise certifies at no less than (1 - TOLERANCE) · ε, and never above ε."""


def discretization(epsilon: float) -> float:
    """Interval of the loss grid for an ε near this one: fine for a small one, coarse above 10."""
    return min(1e-3, epsilon / 1000) * max(1.0, epsilon / 10)


@lru_cache(maxsize=4096)
def certify(groups: tuple[Group, ...], delta: float, interval: float = 1e-3) -> float:
    """ε(δ) of these groups of steps under add/remove; inf where a step carries no noise.

    An empty ledger is ε = 0: nothing was released.
    """
    from dp_accounting import dp_event
    from dp_accounting.pld import pld_privacy_accountant as pld
    from dp_accounting.privacy_accountant import NeighboringRelation

    if not 0 < delta < 1:
        raise PrivacyError(f"delta {delta!r}: a certificate needs 0 < delta < 1")
    if any(g.noise_multiplier == 0 for g in groups):
        return math.inf
    accountant = pld.PLDAccountant(
        NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=interval
    )
    for g in groups:
        step: dp_event.DpEvent = dp_event.GaussianDpEvent(g.noise_multiplier)
        if g.rate < 1:
            step = dp_event.PoissonSampledDpEvent(g.rate, step)
        accountant.compose(dp_event.SelfComposedDpEvent(step, g.steps))
    return float(accountant.get_epsilon(delta))


def certificate(groups: Sequence[Group], delta: float, near: float) -> tuple[float, float]:
    """(ε, discretisation interval): certified on a grid fit for ε near `near`, refined if off."""
    interval = discretization(near)
    epsilon = certify(tuple(groups), delta, interval)
    if 0 < epsilon < near / 2:
        interval = discretization(epsilon)
        epsilon = certify(tuple(groups), delta, interval)
    return epsilon, interval


@lru_cache(maxsize=1024)
def calibrate(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The smallest noise multiplier, to TOLERANCE in ε, whose certificate is at most ε.

    Bracketed from the Gaussian mechanism's guess sqrt(2 steps ln(1.25/δ)) · rate / ε, since a
    default bracket can exhaust memory at small ε. ε = inf gives 0.
    """
    if math.isinf(epsilon) and epsilon > 0:
        return 0.0
    if not (epsilon > 0 and 0 < rate <= 1 and steps >= 1):
        raise PrivacyError(f"cannot calibrate: epsilon {epsilon}, rate {rate}, steps {steps}")
    interval = discretization(epsilon)

    def spent(sigma: float) -> float:
        return certify((Group(rate, sigma, steps),), delta, interval)

    guess = max(0.3, rate * math.sqrt(2 * steps * math.log(1.25 / delta)) / epsilon)
    low = high = guess
    while spent(high) > epsilon:
        low, high = high, high * 1.5
        if high > 1e7:
            raise PrivacyError(f"no noise reaches epsilon {epsilon:g} at delta {delta:g}")
    while low == high or spent(low) <= epsilon:
        high, low = low, low / 1.5
        if low < 1e-2:
            return high
    reached = spent(high)
    while reached < (1 - TOLERANCE) * epsilon:
        middle = math.sqrt(low * high)
        value = spent(middle)
        if value <= epsilon:
            high, reached = middle, value
        else:
            low = middle
        if high / low < 1 + 1e-7:
            raise PrivacyError(f"noise search for epsilon {epsilon:g} does not converge")
    return high
