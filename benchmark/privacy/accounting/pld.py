"""Privacy loss distributions of Poisson-sampled Gaussians, bounded in size, time and error.

What dp_accounting's PLDAccountant does (Koskela et al. 2020; Doroshenko et al. 2022, "Connect the
dots"), step by step, so that each step can be refused before it is paid for:

- the loss grid of one step and the composed grid have a largest size (memory);
- a clock is read between groups (time). Both bounds hold without signals or a second process;
- tails are cut at a share of δ, and counted as infinite loss: at a fixed 1e-15 an ε at δ = 1e-18
  is always infinite, and at e^-50 the grid of a small noise is thousands of times too long;
- Fourier transforms and differences of tails lose about 1e-15 a step. δ is lowered by that much,
  and where it is more than a thousandth of δ there is no answer.

All rounding is towards a larger ε.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr, ndtri
from scipy.stats import binom

from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import PrivacyError

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
    from numpy.typing import NDArray

POINTS = 300_000
"""Largest loss grid of one step: about 2 s and 100 MB."""
COMPOSED = 2_000_000
"""Largest grid of many steps: about 1 s and 250 MB."""
SECONDS = 60.0
"""Longest work on one ledger, however many different steps it has."""
TAIL = 1e-4
"""Share of δ cut from the tails: once for single steps, once for self-composition, once more."""
ROUNDING = 1e-15
"""Loss of δ to floating point, a step."""


class NoAnswer(PrivacyError):
    """These steps cannot be certified by PLD within the bounds; the sentence says why.

    alone: the sentence without what another accountant says of the same steps.
    """

    def __init__(self, sentence: str, alone: str = "") -> None:
        super().__init__(sentence)
        self.alone = alone or sentence


class TooFine(NoAnswer):
    """The grid would be too long; a coarser one may do, and wastes more."""


def merged(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Unsampled Gaussians are one Gaussian, 1/σ² = Σ steps/σ²; sampled ones stay as they are."""
    sampled = [g for g in groups if g.rate < 1]
    precision = math.fsum(g.steps * g.noise_multiplier**-2.0 for g in groups if g.rate == 1)
    return (*sampled, *([Group(1.0, precision**-0.5, 1)] if precision else []))


def depth(groups: Sequence[Group]) -> int:
    """How often a loss is rounded to the grid: sampled steps, and one for all unsampled ones."""
    return sum(g.steps if g.rate < 1 else 0 for g in groups) + any(g.rate == 1 for g in groups)


def widest(groups: Sequence[Group], delta: float, k: int = 1) -> float:
    """Length of the longest loss range of one step, nats; inf where it overflows."""
    z = _reach(delta, depth(groups))
    lengths = [0.0]
    for g in merged(groups):
        s = g.noise_multiplier
        try:
            top = float(_loss(np.array([z * s + k]), s, *_counts(g.rate, k))[0])
            bottom = -top if g.rate == 1 else k * math.log1p(-g.rate)
        except (OverflowError, ZeroDivisionError):
            return math.inf
        lengths.append(top - max(bottom, -k * (z / s + k / (2 * s * s))))
    return max(lengths) if all(map(math.isfinite, lengths)) else math.inf


def epsilon(
    groups: Sequence[Group],
    delta: float,
    interval: float,
    k: int = 1,
    seconds: float = SECONDS,
) -> float:
    """ε(δ) when k units are added or removed together. NoAnswer where the bounds forbid it.

    groups: noise multipliers above 0. interval: of the loss grid, nats.
    """
    from dp_accounting.pld import privacy_loss_distribution as pld

    work = merged(groups)
    lost = ROUNDING * (depth(groups) + len(work))
    if lost > 1e-3 * delta:
        raise NoAnswer(
            f"{depth(groups):,} steps lose {lost:.0e} to rounding, more than a thousandth of delta "
            f"{delta:g}; take a larger delta"
        )
    length = widest(groups, delta, k)
    if not length / interval <= POINTS:
        raise TooFine(
            f"losses of one step span {length:.3g}, too many for a grid of {interval:.1e}"
        )
    ends = time.monotonic() + seconds
    total = pld.identity(interval)
    for done, part in enumerate(_parts(work, delta, interval, k), 1):
        total = total.compose(part, TAIL * delta / len(work)) if done > 1 else part
        if total._pmf_remove.size > COMPOSED:
            raise TooFine(f"composed losses need {total._pmf_remove.size} points")
        if time.monotonic() > ends and done < len(work):
            raise NoAnswer(
                f"{len(work)} different kinds of step: {done} took {seconds:.0f} s, the limit"
            )
    return float(total.get_epsilon_for_delta(delta - lost))


def _parts(
    work: Sequence[Group], delta: float, interval: float, k: int
) -> Iterator[PrivacyLossDistribution]:
    """The distribution of each group, self-composed."""
    from dp_accounting.pld import common
    from dp_accounting.pld import privacy_loss_distribution as pld

    log_cut = math.log(TAIL * delta / depth(work))
    tail = TAIL * delta / len(work)
    for g in work:
        if g.rate == 1:
            one = pld.from_gaussian_mechanism(
                g.noise_multiplier / k,
                value_discretization_interval=interval,
                log_mass_truncation_bound=log_cut,
            )
        else:
            one = mixture(g.rate, g.noise_multiplier, k, delta, depth(work), interval)
        if g.steps > 1:
            for pmf in (one._pmf_remove, one._pmf_add):
                if pmf.size * g.steps > COMPOSED:
                    probs = pmf.to_dense_pmf()._probs
                    low, high = common.compute_self_convolve_bounds(probs, g.steps, tail)
                    if high - low > COMPOSED:
                        raise TooFine(f"{g.steps} steps need a loss grid of {high - low} points")
            one = one.self_compose(g.steps, tail)
        yield one


def mixture(
    rate: float, sigma: float, k: int, delta: float, steps: int, interval: float
) -> PrivacyLossDistribution:
    """One sampled step in which each of k units that change together has its own coin.

    j of them are in with probability Binomial(k, rate)(j) and move the sum by at most j
    sensitivities, so N(j, σ²) mixed over j against N(0, σ²) dominates (Choquette-Choo et al. 2024,
    "Privacy amplification for matrix mechanisms", Corollary 4.7). dp_accounting has this pair too,
    with cut points to 1e-4 only, and slowly; here they are exact. k = 1: the sampled Gaussian.
    """
    from dp_accounting.pld import pld_pmf
    from dp_accounting.pld import privacy_loss_distribution as pld

    js, log_p = _counts(rate, k)
    z = _reach(delta, steps)
    ends = _loss(np.array([-z * sigma, z * sigma + k]), sigma, js, log_p)
    pmfs = []
    for sign in (1, -1):  # remove, add
        low, high = sorted(sign * ends)
        grid = np.arange(math.floor(low / interval), math.ceil(high / interval) + 1)
        deltas = hockey_stick(grid * interval, rate, sigma, k, remove=sign == 1)
        deltas = np.maximum.accumulate(deltas[::-1])[::-1]
        pmfs.append(
            pld_pmf.create_pmf_pessimistic_connect_dots_fixed_gap(
                interval, int(grid[0]), int(grid[-1]), deltas
            )
        )
    return pld.PrivacyLossDistribution(*pmfs)


def hockey_stick(
    epsilons: NDArray[np.float64], rate: float, sigma: float, k: int, remove: bool
) -> NDArray[np.float64]:
    """δ(ε) of one step of the mixture. remove: mixture over Gaussian; otherwise the reverse.

    The loss L(x) = ln Σ p_j exp((2jx - j²) / 2σ²) rises with x, so each set is a half line that
    ends where L(x) = ±ε, found by bisection.
    """
    js, log_p = _counts(rate, k)
    cut = _cut(epsilons if remove else -epsilons, rate, sigma, k)
    side = 1.0 if remove else -1.0  # the half line above the cut, or below it
    one = log_ndtr(-side * cut / sigma)
    many = _log_sum([p + log_ndtr(side * (j - cut) / sigma) for j, p in zip(js, log_p)])
    upper, lower = (many, one) if remove else (one, many)
    with np.errstate(over="ignore"):  # far above what can be lost: δ is 0 there
        return np.clip(np.exp(upper) - np.exp(epsilons + lower), 0.0, 1.0)


def _cut(target: NDArray[np.float64], rate: float, sigma: float, k: int) -> NDArray[np.float64]:
    """Where the loss is `target`; far out where it is below every loss, or beyond both tails."""
    low, high = np.full(len(target), -60.0 * sigma), np.full(len(target), k + 60.0 * sigma)
    if k == 1:  # exp(L) = 1 - rate + rate · exp((2x - 1) / 2σ²)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scaled = np.where(
                target > 0,
                target + np.log1p((rate - 1) * np.exp(-target)),
                np.log(np.maximum(np.expm1(target) + rate, 0.0)),
            )
        return np.clip(sigma**2 * (scaled - math.log(rate)) + 0.5, low, high)
    js, log_p = _counts(rate, k)
    for _ in range(60):
        middle = (low + high) / 2
        below = _loss(middle, sigma, js, log_p) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _counts(rate: float, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many of k units are in, and the logarithm of its probability."""
    js = np.arange(k + 1)
    return js.astype(float), binom.logpmf(js, k, rate)


def _loss(
    x: NDArray[np.float64], sigma: float, js: NDArray[np.float64], log_p: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _log_sum([p + j * (2 * x - j) / (2 * sigma * sigma) for j, p in zip(js, log_p)])


def _log_sum(terms: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Logarithm of the sum of exponentials; terms all of one shape."""
    return reduce(np.logaddexp, terms)


def _reach(delta: float, steps: int) -> float:
    """Standard deviations beyond which a step's tail is cut."""
    return float(-ndtri(0.5 * TAIL * delta / max(steps, 1)))
