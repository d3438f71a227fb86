"""ε from a ledger, and noise for an ε, by privacy loss distributions (PLD).

PLD (pld.py) is the certificate: pessimistic rounding, so its ε is an upper bound whatever the grid.
The grid only decides how much is wasted, so it is scaled with the target and with the number of
steps: one fit for ε = 1 is hundreds of times too coarse at ε = 0.01. Opacus' own search stops at an
absolute tolerance of 0.01 and returns ten times too much noise at ε = 0.01; it is not used.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from radpriv.benchmark.privacy.accounting import pld
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.privacy.accounting.rdp import rdp
from radpriv.errors import PrivacyError

TOLERANCE = 0.002
"""Calibrated noise certifies at no less than (1 - TOLERANCE) · ε, and never above ε."""
FLOOR = 1e-2
"""Smallest noise multiplier that is searched; at less, sampling alone reaches the budget."""
NOISE = (1e-6, 1e12)
"""Noise multipliers that are evaluated, beside 0."""
CLOSE = 1 + 1e-6
"""Ratio of noise multipliers that are as good as equal."""
ALIKE = 1e-6
"""Difference between two ε that are."""
MOST = 1e9
"""Largest noise multiplier that is searched."""
SECONDS = 60.0
"""Longest search for one noise multiplier; most take less than one second."""


def discretization(epsilon: float, delta: float, steps: int) -> float:
    """Interval of the loss grid for an ε near this one after `steps` roundings, nats.

    Rounding adds a variance of about interval²/6 a step. With s the deviation of the whole loss,
    ε ≈ s²/2 + s·sqrt(2 ln 1/δ); s / (10 sqrt(steps)) keeps the addition below 0.2% of s². Where ε
    is far below δ, s is what δ alone allows: δ(0) = 2 Φ(s/2) - 1, so s ≥ sqrt(2π) δ.
    """
    z = math.sqrt(2 * math.log(1 / delta))
    deviation = 2 * epsilon / (math.sqrt(z * z + 2 * epsilon) + z)
    deviation = max(deviation, math.sqrt(2 * math.pi) * delta)
    return deviation / (10 * math.sqrt(max(steps, 1)))


@lru_cache(maxsize=4096)
def certify(groups: tuple[Group, ...], delta: float, interval: float = 1e-3) -> float:
    """ε(δ) of these groups of steps under add/remove; inf where a step carries no noise.

    An empty ledger is ε = 0: nothing was released. PrivacyError where PLD has no answer within its
    bounds of size, time and error, or the numbers are no steps.
    """
    check(groups, delta)
    if any(g.noise_multiplier == 0 for g in groups):
        return math.inf
    try:
        return pld.epsilon(groups, delta, interval) if groups else 0.0
    except pld.NoAnswer as reason:
        said = f"PLD has no answer: {reason}"
        raise type(reason)(said + _instead(groups, delta), said) from None
    except OverflowError:
        least = min(g.noise_multiplier for g in groups)
        raise pld.NoAnswer(
            f"PLD has no answer: at noise multiplier {least:.3g} the privacy loss leaves the range "
            "of float64; give more noise, or a smaller epsilon"
        ) from None


@lru_cache(maxsize=256)
def _instead(groups: tuple[Group, ...], delta: float) -> str:
    """What RDP says where PLD has no answer: sound, looser, and by its own name."""
    try:
        return f"; RDP bounds epsilon by {rdp(groups, delta):.4g}"
    except (PrivacyError, ArithmeticError, ValueError):
        return ""


def check(groups: Sequence[Group], delta: float) -> None:
    """PrivacyError that names what is no number of steps, rate, noise or δ."""
    if not 0 < delta < 1:
        raise PrivacyError(f"delta {delta!r}: a certificate needs 0 < delta < 1")
    for g in groups:
        noise = g.noise_multiplier
        if not (0 < g.rate <= 1 and g.steps >= 1 and noise >= 0 and math.isfinite(noise)):
            raise PrivacyError(
                f"no sampled Gaussian: rate {g.rate}, noise multiplier {noise}, steps {g.steps}"
            )
        if noise != 0 and not NOISE[0] <= noise <= NOISE[1]:
            raise PrivacyError(
                f"noise multiplier {noise:g} is outside {NOISE[0]:g} to {NOISE[1]:g}: "
                "no accountant computes with it"
            )


def certificate(groups: Sequence[Group], delta: float, near: float) -> tuple[float, float]:
    """(ε, discretisation interval): certified on a grid fit for ε near `near`, refitted if off."""
    work = tuple(groups)
    return fitted(lambda interval: certify(work, delta, interval), work, delta, near)


def fitted(
    spent: Callable[[float], float], groups: Sequence[Group], delta: float, near: float, k: int = 1
) -> tuple[float, float]:
    """(ε, interval) of `spent(interval)`, on a grid fit for the ε that it gives."""
    check(groups, delta)
    noisy = all(g.noise_multiplier > 0 for g in groups)
    shortest = pld.widest(groups, delta, k) * k / pld.POINTS if noisy else 0.0
    if not shortest < math.inf:
        shortest = 0.0  # refused by name where it is certified
    near = near if 0 < near < math.inf else 1.0
    best: tuple[float, float] | None = None
    for turn in range(6):
        interval = max(discretization(near, delta, pld.depth(groups)), 1.0001 * shortest)
        try:
            best = (spent(interval), interval)
        except pld.TooFine:
            if best is not None:
                return best
            if turn == 5:
                raise
            near *= 16  # far too little was expected
            continue
        if not 0 < best[0] < math.inf or 0.5 <= best[0] / near <= 2:
            return best
        near = best[0]
    assert best is not None
    return best


@lru_cache(maxsize=1024)
def calibrate(epsilon: float, delta: float, rate: float, steps: int) -> float:
    """The smallest noise multiplier, to TOLERANCE in ε, whose certificate is at most ε.

    Searched downwards from the Gaussian mechanism's guess sqrt(2 steps ln(1.25/δ)) · rate / ε + 1:
    a default bracket can exhaust memory at small ε. ε = inf gives 0. NoAnswer after SECONDS: the
    clock decides whether there is an answer, never which.
    """
    if math.isinf(epsilon) and epsilon > 0:
        return 0.0
    if not (epsilon > 0 and 0 < rate <= 1 and steps >= 1):
        raise PrivacyError(f"cannot calibrate: epsilon {epsilon}, rate {rate}, steps {steps}")
    check((), delta)
    ends = time.monotonic() + SECONDS

    def in_time() -> None:
        if time.monotonic() > ends:
            raise pld.NoAnswer(
                f"none was found in {SECONDS:g} s; take fewer steps, or a larger epsilon"
            )

    def spent(sigma: float) -> float:
        in_time()
        return certificate((Group(rate, sigma, steps),), delta, epsilon)[0]

    def coarse(sigma: float) -> float:
        in_time()
        group = (Group(rate, sigma, steps),)
        interval = discretization(epsilon, delta, pld.depth(group))
        return certify(group, delta, max(8 * interval, pld.widest(group, delta) / pld.POINTS * 1.1))

    guess = 1 + rate * math.sqrt(2 * steps * math.log(1.25 / delta)) / epsilon
    guess = min(guess, MOST)
    try:
        start = search(coarse, epsilon, guess, 1.3, 0.02)
        return search(spent, epsilon, start, 1.05, TOLERANCE)
    except pld.NoAnswer as reason:  # what RDP says of one guess says nothing here
        raise pld.NoAnswer(
            f"no noise multiplier for epsilon {epsilon:g}, delta {delta:g}, rate {rate:g} and "
            f"{steps:,} steps: {reason.alone}"
        ) from None


def search(
    spent: Callable[[float], float], epsilon: float, start: float, factor: float, tolerance: float
) -> float:
    """A noise multiplier with (1 - tolerance) ε ≤ spent ≤ ε, by false position on logarithms; or,
    where ε is so far below δ that hardly any more noise changes it much, one that spends at most ε
    and is within a millionth of the least."""
    high, reached = start, spent(start)
    while reached > epsilon:
        high *= factor**2
        if high > MOST:
            raise PrivacyError(
                f"no noise reaches epsilon {epsilon:g}: "
                f"a noise multiplier of {MOST:g} is too little"
            )
        reached = spent(high)
    low = high
    over = reached
    while over <= epsilon:
        if over >= (1 - tolerance) * epsilon or low < FLOOR:
            return low
        high, reached = low, over
        low /= factor
        over = spent(low)
    aim = (1 - tolerance / 2) * epsilon
    for turn in range(100):
        share = 0.5
        if turn % 3 < 2 and reached > 0 and over < math.inf:
            share = math.log(aim / reached) / math.log(over / reached)
        middle = math.exp(math.log(high) + min(max(share, 0.02), 0.98) * math.log(low / high))
        value = spent(middle)
        if value > epsilon:
            low, over = middle, value
        elif value >= (1 - tolerance) * epsilon:
            return middle
        else:
            high, reached = middle, value
        if high <= low * CLOSE and over - reached <= ALIKE:
            return high
    raise PrivacyError(f"noise search for epsilon {epsilon:g} does not converge")
