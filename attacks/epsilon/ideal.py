"""What an audit could show at best: the same rule against exactly the mechanism that was accounted.

An empirical ε far below the certificate has two readings: the mechanism leaks less, or m canaries
and r guesses cannot show more. The **ideal value** tells them apart: what the audit's own rule
gives when every canary is seen through the subsampled Gaussian mechanism and nothing else: at each
step x ~ N(0, σ²), or N(C, σ²) with probability q where the canary is a member, and the attack is
the likelihood ratio, which by Neyman and Pearson no other beats.

The log-likelihood ratio of a step is ℓ = log(1 − q + q exp((2Cx − C²)/2σ²)). Its distribution under
either hypothesis is put on a grid and convolved over the steps by FFT, as privacy accountants do
with the loss: deterministic, and as fast for thousands of steps as for one. From it audits of m
canaries are drawn by public pseudo-random words, so the value is the same on every machine: 256 of
them, fewer above 1,000 canaries, where each varies less. The value is their median bound, and its
Monte-Carlo error, 1.25 standard deviations over the root of their number, stands beside it.

    ideal([Step(rate=0.1, noise=0.64, times=25)], m=1000, delta=1e-5)   # 1.50 ± 0.02
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr

from radpriv.attacks.epsilon import selection
from radpriv.attacks.epsilon.selection import How
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_words
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.benchmark.store.audit_schema import Ideal
from radpriv.errors import AttackError

POINTS = 2**17
DRAWS = 256_000
"""Canaries drawn in all simulated audits together; of these there are 32 to 256."""
SPREAD = 12.0
"""Half the width of the grid, in deviations of the whole loss, beside the largest single step."""


@dataclass(frozen=True)
class SampledStep:
    """`times` equal releases: sampling rate q, and noise = σ/C, the noise multiplier."""

    rate: float
    noise: float
    times: int = 1

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1 and self.noise > 0 and self.times >= 1):
            raise AttackError(
                f"rate {self.rate}, noise multiplier {self.noise}, {self.times} times: an ideal "
                "value needs 0 < rate ≤ 1, noise > 0 and at least one release"
            )


@dataclass(frozen=True, eq=False)
class MechanismLoss:
    """The log-likelihood ratio of all steps: values (points,), increasing, and its probabilities
    for a non-member and for a member, (points,) each, adding up to 1."""

    values: Floats
    out: Floats
    member: Floats

    @property
    def auc(self) -> float:
        """P(member > non-member) + ½ P(equal)."""
        below = np.cumsum(self.out) - self.out / 2
        return float(np.dot(self.member, below))


def ideal(
    steps: Sequence[SampledStep],
    m: int,
    delta: float,
    confidence: float = 0.95,
    how: How = "one_run",
    counts: tuple[int, ...] | None = None,
    seeds: int = 1,
    attacks: int = 1,
) -> Ideal:
    """The median of the best `selection.best_bound` of so many runs, with this m and grid.

    attacks: among how many the audit chooses; they share α, and one of them is the ratio itself.
    """
    grid = selection.guess_counts(m) if counts is None else counts
    if not grid:
        raise AttackError(f"{m} canaries: a one-run audit needs at least 2")
    if seeds < 1 or attacks < 1:
        raise AttackError(f"{seeds} seeds and {attacks} attacks: give at least one of each")
    each = 1 - (1 - confidence) / (len(grid) * seeds * attacks)
    seen = loss(steps)
    right = drawn(seen, m, grid, seeds)
    bounds = [_bounds(m, r, v, delta, each, how) for r, v in zip(grid, right.T)]
    best = np.max(bounds, axis=0)
    best = best[: best.size // seeds * seeds].reshape(-1, seeds).max(axis=1)
    return Ideal(
        epsilon=float(np.median(best)),
        error=float(1.2533 * best.std() / math.sqrt(best.size)),
        ceiling=selection.best_ceiling(m, grid, delta, each, how),
        auc=seen.auc,
    )


def drawn(
    seen: MechanismLoss, m: int, counts: tuple[int, ...], seeds: int = 1
) -> NDArray[np.int64]:
    """Right guesses of simulated audits by fair coins and public words, int64 (runs, counts)."""
    runs = min(256, max(32, DRAWS // m)) * min(seeds, 8)
    below = [np.cumsum(p) for p in (seen.out, seen.member)]
    found = np.empty((runs, len(counts)), dtype=np.int64)
    for run in range(runs):
        words = public_words(2 * m, "ideal", run)
        member = words[:m] >> np.uint64(63) == 1
        u = (words[m:] >> np.uint64(11)) * 2.0**-53
        score = np.empty(m, dtype=np.int64)
        for coin in (False, True):
            score[member == coin] = np.searchsorted(below[coin], u[member == coin], "right")
        order = np.argsort(score, kind="stable")  # slots say nothing here, so ties may follow them
        lowest = np.cumsum(~member[order])
        highest = np.cumsum(member[order[::-1]])
        half = np.array(counts) // 2 - 1
        found[run] = lowest[half] + highest[half]
    return found


def _bounds(
    m: int, r: int, v: NDArray[np.int64], delta: float, confidence: float, how: How
) -> Floats:
    """The bound at each v: computed at up to 7 of them, and between these by monotone cubics."""
    nodes = np.unique(np.linspace(v.min(), v.max(), 7).round().astype(int))
    values = [selection.lower(m, r, int(k), delta, confidence, how) for k in nodes]
    if nodes.size == 1:
        return np.full(v.size, values[0])
    return np.asarray(PchipInterpolator(nodes, values)(v))


def steps_of(groups: Sequence[Group]) -> tuple[SampledStep, ...]:
    """The steps of a ledger (privacy/accounting/ledger.py), releases of one step merged."""
    return tuple(SampledStep(g.rate, g.noise_multiplier, g.steps) for g in groups)


def loss(steps: Sequence[SampledStep]) -> MechanismLoss:
    """The distribution of the log-likelihood ratio over all steps; of no step at all, 0."""
    if not steps:
        return MechanismLoss(np.zeros(1), np.ones(1), np.ones(1))
    moments = [_moments(s) for s in steps]
    spread = math.sqrt(sum(s.times * max(a[1], b[1]) for s, (a, b) in zip(steps, moments)))
    reach = max(abs(x) for s in steps for x in _range(s))
    width = 2 * (SPREAD * spread + reach)
    shift = abs(sum(s.times * (b[0] - a[0]) for s, (a, b) in zip(steps, moments)))
    step = (width + shift) / POINTS
    parts = []
    for member in (False, True):
        mean = sum(s.times * pair[member][0] for s, pair in zip(steps, moments))
        first = round((mean - (width + shift) / 2) / step)
        parts.append((first, _composed(steps, member, step, first)))
    (a, out), (b, inside) = parts
    first, last = min(a, b), max(a, b) + POINTS
    wide = [np.zeros(last - first) for _ in parts]
    wide[0][a - first : a - first + POINTS] = out
    wide[1][b - first : b - first + POINTS] = inside
    return MechanismLoss(np.arange(first, last, dtype=np.float64) * step, wide[0], wide[1])


def _composed(steps: Sequence[SampledStep], member: bool, step: float, first: int) -> Floats:
    """Probabilities on (first, …, first + POINTS − 1) · step after all steps."""
    spectrum = np.ones(POINTS // 2 + 1, dtype=np.complex128)
    for s in steps:
        start, mass = _on_grid(s, member, step)
        wrapped = np.zeros(POINTS)
        np.add.at(wrapped, (start + np.arange(mass.size)) % POINTS, mass)
        spectrum *= np.fft.rfft(wrapped) ** s.times
    total = np.maximum(np.roll(np.fft.irfft(spectrum, POINTS), -(first % POINTS)), 0.0)
    return total / total.sum()


def _on_grid(s: SampledStep, member: bool, step: float) -> tuple[int, Floats]:
    """One step's ratio on multiples of `step`: (index of the first, probabilities).

    Each small piece of probability is shared between its two neighbours so that its mean is kept:
    rounding to the nearer one would lose steps whose ratio is smaller than the grid.
    """
    values, mass = _pieces(s, member)
    at = values / step
    low = np.floor(at).astype(np.int64)
    up = at - low
    start = int(low.min())
    size = int(low.max()) - start + 2
    grid = np.zeros(size)
    grid += np.bincount(low - start, weights=mass * (1 - up), minlength=size)
    grid += np.bincount(low - start + 1, weights=mass * up, minlength=size)
    return start, grid


def _pieces(s: SampledStep, member: bool) -> tuple[Floats, Floats]:
    """(ratio, probability) of 20,000 pieces of the observation's line, in units of C."""
    edges = np.linspace(-9 * s.noise, 1 + 9 * s.noise, 20_001)
    x = (edges[:-1] + edges[1:]) / 2
    mass = np.diff(ndtr(edges / s.noise))
    if member:
        mass = (1 - s.rate) * mass + s.rate * np.diff(ndtr((edges - 1) / s.noise))
    return _ratio(s, x), mass / mass.sum()


def _ratio(s: SampledStep, x: Floats) -> Floats:
    power = (2 * x - 1) / (2 * s.noise**2)
    stays = math.log1p(-s.rate) if s.rate < 1 else -math.inf
    return np.asarray(np.logaddexp(stays, math.log(s.rate) + power))


def _moments(s: SampledStep) -> tuple[tuple[float, float], tuple[float, float]]:
    """((mean, variance) for a non-member, the same for a member) of one step."""
    pairs = []
    for member in (False, True):
        values, mass = _pieces(s, member)
        mean = float(np.dot(values, mass))
        pairs.append((mean, float(np.dot((values - mean) ** 2, mass))))
    return pairs[0], pairs[1]


def _range(s: SampledStep) -> tuple[float, float]:
    """The ratio where no observation of m canaries will lie beyond."""
    low, high = _ratio(s, np.array([-7 * s.noise, 1 + 7 * s.noise]))
    return float(low), float(high)
