"""The ideal value: its distribution against closed forms and loops, its median against audits."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from radpriv.attacks.epsilon import gdp, selection
from radpriv.attacks.epsilon.ideal import SampledStep, drawn, ideal, loss, steps_of
from radpriv.attacks.epsilon.selection import best_bound, best_ceiling, guess_counts
from radpriv.benchmark.privacy.accounting.ledger import Group
from radpriv.errors import AttackError

DELTA = 1e-5


def simulated(step: SampledStep, m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(scores, member): observations drawn step by step, and their log-likelihood ratio."""
    rng = np.random.default_rng(seed)
    member = rng.random(m) < 0.5
    total = np.zeros(m)
    for _ in range(step.times):
        x = rng.standard_normal(m) * step.noise + (member & (rng.random(m) < step.rate))
        power = np.exp((2 * x - 1) / (2 * step.noise**2))
        total += np.log(1 - step.rate + step.rate * power)
    return total, member


@pytest.mark.parametrize(("noise", "times"), [(0.5, 1), (5.0, 100), (2.0, 7)])
def test_without_sampling_the_ratio_is_normal(noise: float, times: int) -> None:
    mu = math.sqrt(times) / noise
    seen = loss([SampledStep(1.0, noise, times)])
    for probabilities, mean in ((seen.out, -(mu**2) / 2), (seen.member, mu**2 / 2)):
        assert probabilities.sum() == pytest.approx(1)
        found = float(np.dot(seen.values, probabilities))
        spread = float(np.dot((seen.values - found) ** 2, probabilities))
        assert (found, spread) == pytest.approx((mean, mu**2), rel=2e-3)
    assert seen.auc == pytest.approx(gdp.auc_of(mu), abs=1e-5)


@pytest.mark.parametrize(
    "step",
    [
        SampledStep(0.1, 0.64, 25),
        SampledStep(0.01, 0.5, 300),
        SampledStep(0.3, 2.0, 40),
        SampledStep(1.0, 3.0, 9),
    ],
)
def test_quantiles_are_those_of_simulated_ratios(step: SampledStep) -> None:
    scores, member = simulated(step, 100_000, 0)
    seen = loss([step])
    for coin, probabilities in ((False, seen.out), (True, seen.member)):
        below = np.cumsum(probabilities)
        for share in (0.01, 0.3, 0.5, 0.9, 0.99):
            edge = np.quantile(scores[member == coin], share)
            reached = float(np.interp(edge, seen.values, below))
            assert reached == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 48_000))


def test_member_is_as_likely_as_the_ratio_says() -> None:
    # d(member)/d(out) at ratio ℓ is e^ℓ: the definition of a likelihood ratio.
    seen = loss([SampledStep(0.2, 1.0, 60)])
    big = seen.out > 1e-7
    ratio = np.log(seen.member[big] / seen.out[big])
    np.testing.assert_allclose(ratio, seen.values[big], atol=0.01)


def test_unequal_steps_are_composed_in_any_order() -> None:
    a, b = SampledStep(0.1, 0.8, 10), SampledStep(1.0, 4.0, 5)
    one, two = loss([a, b]), loss([b, a])
    assert one.auc == pytest.approx(two.auc, abs=1e-9)
    assert one.auc > max(loss([a]).auc, loss([b]).auc)
    assert loss([SampledStep(0.1, 0.8, 4), SampledStep(0.1, 0.8, 6)]).auc == pytest.approx(
        loss([a]).auc, abs=1e-5
    )


@pytest.mark.parametrize("how", ["one_run", "fdp"])
@pytest.mark.parametrize("step", [SampledStep(0.1, 0.64, 25), SampledStep(1.0, 0.6)])
def test_value_is_the_median_of_audits_by_the_same_rule(step: SampledStep, how: str) -> None:
    found = [
        best_bound(*simulated(step, 600, seed), DELTA, how=how).epsilon  # type: ignore[arg-type]
        for seed in range(80)
    ]
    want = ideal([step], 600, DELTA, how=how)  # type: ignore[arg-type]
    error = math.hypot(1.25 * float(np.std(found)) / math.sqrt(80), want.error)
    assert abs(float(np.median(found)) - want.epsilon) < 4 * error < 0.2 * want.epsilon


def test_best_of_three_seeds_is_compared_with_its_like() -> None:
    """The best of three seeds is compared with the best of three."""
    step, found = SampledStep(1.0, 0.6), []
    for first in range(0, 120, 3):
        audits = [
            best_bound(*simulated(step, 400, first + i), DELTA, more=3).epsilon for i in range(3)
        ]
        found.append(max(audits))
    want = ideal([step], 400, DELTA, seeds=3)
    error = math.hypot(1.25 * float(np.std(found)) / math.sqrt(40), want.error)
    assert abs(float(np.median(found)) - want.epsilon) < 4 * error < 0.2 * want.epsilon
    assert want.ceiling == best_ceiling(400, guess_counts(400), DELTA, 1 - 0.05 / 15, "one_run")


def test_ledger_becomes_steps() -> None:
    groups = (Group(0.1, 0.64, 25), Group(1.0, 3.0, 2))
    assert steps_of(groups) == (SampledStep(0.1, 0.64, 25), SampledStep(1.0, 3.0, 2))


def test_wrong_mechanism_is_told_apart() -> None:
    right, wrong = (ideal([SampledStep(q, 0.64, 25)], 1000, DELTA) for q in (0.1, 0.14))
    assert wrong.epsilon - right.epsilon > 5 * math.hypot(wrong.error, right.error)


def test_ceiling_is_that_of_the_rule() -> None:
    grid = guess_counts(1000)
    found = ideal([SampledStep(0.1, 0.64, 25)], 1000, DELTA)
    assert found.ceiling == best_ceiling(1000, grid, DELTA, 1 - 0.05 / 5, "one_run")
    # Scores that give every coin away: half of all canaries are all guessed right, but of m guesses
    # some are wrong, since fair coins do not come out even.
    clear = ideal([SampledStep(1.0, 0.05)], 1000, DELTA)
    half = best_ceiling(1000, (500,), DELTA, 1 - 0.05 / 5, "one_run")
    assert clear.epsilon == pytest.approx(half) and half < clear.ceiling
    assert ideal([], 1000, DELTA).epsilon == 0.0
    more = ideal([SampledStep(0.1, 0.64, 25)], 1000, DELTA, attacks=2)
    assert more.ceiling < found.ceiling and more.epsilon < found.epsilon


def test_it_is_the_same_every_time() -> None:
    steps = [SampledStep(0.1, 0.64, 25)]
    assert ideal(steps, 300, DELTA) == ideal(steps, 300, DELTA)
    counts = drawn(loss(steps), 300, guess_counts(300))
    assert counts.shape == (256, 5) and (counts <= guess_counts(300)).all()


def test_thousands_of_steps_take_under_two_seconds() -> None:
    """Thousands of steps with ten thousand canaries take under two seconds."""
    selection.lower.cache_clear()
    start = time.process_time()
    ideal([SampledStep(0.01, 1.0, 3000)], 10_000, 1e-6)
    assert time.process_time() - start < 2.0


def test_impossible_mechanism_is_refused() -> None:
    """A rate, noise or number of steps that no mechanism has is refused."""
    for rate, noise, times in ((0.0, 1.0, 1), (1.1, 1.0, 1), (0.5, 0.0, 1), (0.5, 1.0, 0)):
        with pytest.raises(AttackError):
            SampledStep(rate, noise, times)
    with pytest.raises(AttackError, match="at least 2"):
        ideal([SampledStep(0.1, 1.0)], 1, DELTA)
