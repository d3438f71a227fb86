"""Ground truth: over 1,000 simulated audits of mechanisms whose ε is known, how often does a figure
that is called a bound exceed it (at most 5%, and three binomial errors), and how tight is it?

    pytest -m slow -s tests/attacks/epsilon/test_truth.py      # prints the table of docs/audit.md

Linear DP-SGD is written out here and shares no code with the waist: logistic regression with
per-record clipping and Poisson sampling, its noise calibrated by PLD. A hundred trainings run side
by side. Its canaries are gradients (white box) and mislabelled records (black box: −loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from radpriv.attacks.epsilon import clopper_pearson, gdp, reference_mechanism
from radpriv.attacks.epsilon.audit_report import gdp_estimate
from radpriv.attacks.epsilon.clopper_pearson import epsilon_lower
from radpriv.attacks.epsilon.selection import How, best_bound
from radpriv.attacks.epsilon.white_box import log_odds
from radpriv.attacks.view import Projections
from radpriv.benchmark.privacy.accounting.calibration import calibrate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Audits = Iterator[tuple[Floats, Bools]]
DELTA = 1e-5
M = 1000


@dataclass
class Tally:
    """One figure over many audits of one mechanism."""

    truth: float
    values: list[float] = field(default_factory=list)

    @property
    def above(self) -> int:
        return sum(v > self.truth for v in self.values)

    @property
    def tightness(self) -> float:
        return float(np.median(self.values)) / self.truth if self.truth else math.nan

    def held(self) -> bool:
        n = len(self.values)
        return self.above <= 0.05 * n + 3 * math.sqrt(0.05 * 0.95 * n)

    def line(self, what: str) -> str:
        n = len(self.values)
        share = self.above / n
        error = math.sqrt(max(share * (1 - share), 0.05 * 0.95) / n)
        return (
            f"| {what} | {self.truth:g} | {n:,} | {np.median(self.values):.3f} "
            f"| {self.tightness:.2f} | {100 * share:.1f}% ± {100 * error:.1f} |"
        )


def tally(audits: Audits, truth: float, how: How) -> Tally:
    found = Tally(truth)
    for scores, member in audits:
        found.values.append(best_bound(scores, member, DELTA, how=how).epsilon)
    return found


def gaussian(epsilon: float, runs: int, name: str = "truth") -> Audits:
    """The exact (ε, δ) Gaussian mechanism on M coins; pure noise at ε = 0."""
    rng = np.random.default_rng([runs, round(10 * epsilon)])
    for run in range(runs):
        member = rng.random(M) < 0.5
        if epsilon == 0:
            yield reference_mechanism.uniforms(M, name, run), member
        else:
            yield reference_mechanism.gaussian_scores(member, epsilon, DELTA, name, run), member


def randomised_response(epsilon: float, runs: int) -> Audits:
    rng = np.random.default_rng([7, round(10 * epsilon)])
    for run in range(runs):
        member = rng.random(M) < 0.5
        yield reference_mechanism.randomised_response_scores(member, epsilon, "truth", run), member


@dataclass(frozen=True)
class LinearDPSGD:
    """runs trainings side by side: 150 records and 250 mislabelled candidates with 400 features,
    250 gradient canaries on coordinates of which some are shared. noise: noise multiplier."""

    rate: float
    steps: int
    noise: float
    runs: int
    seed: int = 0
    max_norm: float = 0.5
    size: int = 400
    records: int = 150
    canaries: int = 250

    def train(self) -> tuple[Floats, Floats, Bools, Bools]:
        """(projections (steps, runs, canaries), −loss (runs, canaries), their coins)."""
        rng = np.random.default_rng([self.seed, 99])
        n, d = self.records + self.canaries, self.size
        x = rng.standard_normal((n, d)) / math.sqrt(d)
        y = (x @ rng.standard_normal(d) > 0).astype(float)
        y[self.records :] = 1 - y[self.records :]
        norms = np.linalg.norm(x, axis=1)
        place = rng.integers(0, d, self.canaries)
        one_hot = np.zeros((self.canaries, d))
        one_hot[np.arange(self.canaries), place] = self.max_norm
        inside = rng.random((self.runs, n)) < 0.5
        inside[:, : self.records] = True
        member = rng.random((self.runs, self.canaries)) < 0.5
        w, seen = np.zeros((self.runs, d)), []
        for _ in range(self.steps):
            residual = y - 1 / (1 + np.exp(-w @ x.T))
            clip = np.minimum(1.0, self.max_norm / np.maximum(np.abs(residual) * norms, 1e-12))
            drawn = inside & (rng.random((self.runs, n)) < self.rate)
            total = (drawn * residual * clip) @ x
            total += (member & (rng.random(member.shape) < self.rate)) @ one_hot
            total += self.noise * self.max_norm * rng.standard_normal(total.shape)
            seen.append(total[:, place])
            w += total * 8.0 / (self.rate * n)
        z = np.where(y[self.records :] > 0, 1, -1) * (w @ x[self.records :].T)
        return np.array(seen), -np.logaddexp(0, -z), member, inside[:, self.records :]

    def audits(self, white_box: bool) -> Audits:
        projections, loss, member, inside = self.train()
        each = np.full(self.steps, self.max_norm)
        for run in range(self.runs):
            if white_box:
                values = projections[:, run]
                full = np.ones(self.steps)
                seen = Projections(values, each, self.noise * each, self.rate * full)
                yield log_odds(seen), member[run]
            else:
                yield loss[run], inside[run]


def dp_sgd(
    epsilon: float, rate: float, steps: int, runs: int, white_box: bool, less: float = 1.0
) -> Audits:
    noise = calibrate(epsilon, DELTA, rate, steps) / less
    for first in range(0, runs, 100):
        some = LinearDPSGD(rate, steps, noise, min(100, runs - first), seed=first)
        yield from some.audits(white_box)


@pytest.mark.parametrize("how", ["one_run", "fdp"])
@pytest.mark.parametrize("epsilon", [0.0, 4.0])
def test_bounds_hold_on_a_gaussian_mechanism(epsilon: float, how: How) -> None:
    found = tally(gaussian(epsilon, 200), epsilon, how)
    assert found.held()
    assert epsilon == 0 or found.tightness > 0.3


def test_mechanism_that_adds_too_little_noise_is_caught() -> None:
    assert not tally(gaussian(8.0, 40), 1.0, "one_run").held()
    assert not tally(dp_sgd(1.0, 0.3, 20, 20, True, less=8.0), 1.0, "one_run").held()


Make = Callable[[int], Audits]
SLOW: list[tuple[str, float, How, Make]] = [
    *(
        ("Gaussian mechanism, one-run", e, "one_run", lambda n, e=e: gaussian(e, n))
        for e in (1.0, 4.0, 10.0)
    ),
    *(
        ("Gaussian mechanism, f-DP", e, "fdp", lambda n, e=e: gaussian(e, n))
        for e in (1.0, 4.0, 10.0)
    ),
    *(
        ("randomised response, one-run", e, "one_run", lambda n, e=e: randomised_response(e, n))
        for e in (1.0, 2.0, 4.0)
    ),
    *(
        (
            f"linear DP-SGD, q = 0.3, T = 20, {box} box, one-run",
            4.0,
            "one_run",
            lambda n, w=w: dp_sgd(4.0, 0.3, 20, n, w),
        )
        for w, box in ((True, "white"), (False, "black"))
    ),
    *(
        (
            f"linear DP-SGD, q = 1, T = 20, {box} box, {word}",
            4.0,
            how,
            lambda n, w=w: dp_sgd(4.0, 1.0, 20, n, w),
        )
        for w, box in ((True, "white"), (False, "black"))
        for how, word in (("one_run", "one-run"), ("fdp", "f-DP"))
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "epsilon", "how", "make"), SLOW)
def test_figures_called_bounds_hold_over_a_thousand_audits(
    what: str, epsilon: float, how: How, make: Make
) -> None:
    found = tally(make(1000), epsilon, how)
    print("\n" + found.line(what))
    assert found.held()
    assert len(found.values) == 1000


@pytest.mark.slow
@pytest.mark.parametrize("how", ["one_run", "fdp"])
def test_null_data_show_something_in_five_percent_of_audits(how: How) -> None:
    """Null data show something in at most five percent of a thousand audits."""
    found = tally(gaussian(0.0, 1000, "null"), 0.0, how)
    print("\n" + found.line(f"null, {how}"))
    assert found.held()


@pytest.mark.slow
@pytest.mark.parametrize("runs", [100, 1000])
@pytest.mark.parametrize("epsilon", [1.0, 4.0])
def test_independent_runs_hold_over_a_thousand_audits(epsilon: float, runs: int) -> None:
    """One canary a run, at a threshold of ½: randomised response is the worst case of ε."""
    rng = np.random.default_rng([runs, round(epsilon)])
    rr, normal = Tally(epsilon), Tally(epsilon)
    mu = gdp.mu_of(epsilon, DELTA)
    for _ in range(1000):
        member = rng.random(runs) < 0.5
        told = np.where(rng.random(runs) < 1 / (1 + math.exp(-epsilon)), member, ~member)
        noisy = member + rng.standard_normal(runs) / mu
        for found, scores, delta in ((rr, told.astype(float), 0.0), (normal, noisy, DELTA)):
            counts = clopper_pearson.count(scores, member, 0.5)
            found.values.append(epsilon_lower(counts, delta))
    print("\n" + rr.line(f"randomised response, {runs} runs, Clopper–Pearson"))
    print(normal.line(f"Gaussian mechanism, {runs} runs, Clopper–Pearson"))
    assert rr.held() and normal.held()


@pytest.mark.slow
def test_estimates_are_shown_beside_the_truth_without_claims() -> None:
    """Figures that are not called bounds, beside the truth: these may exceed it."""
    made: list[tuple[str, float, Make]] = [
        ("linear DP-SGD, q = 0.3, white box", 4.0, lambda n: dp_sgd(4.0, 0.3, 20, n, True)),
        ("Gaussian mechanism", 4.0, lambda n: gaussian(4.0, n)),
        ("randomised response", 2.0, lambda n: randomised_response(2.0, n)),
    ]
    for what, epsilon, make in made:
        found = Tally(epsilon)
        audits = list(make(300))
        found.values = [gdp_estimate([s], [f], DELTA) for s, f in audits]
        print("\n" + found.line(f"{what}, GDP (estimate)"))
        print(tally(iter(audits), epsilon, "fdp").line(f"{what}, f-DP"))
    assert found.above > 0.5 * 300  # on randomised response a Gaussian curve is simply wrong
