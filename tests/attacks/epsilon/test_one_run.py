"""The one-run bound against published values, an exact oracle, and mechanisms of known ε."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.attacks.epsilon import one_run
from radpriv.attacks.epsilon.one_run import ceiling, correct, epsilon_lower, guess, guess_count
from radpriv.errors import AttackError

bound = lru_cache(maxsize=None)(epsilon_lower)


def oracle_p(
    m: int, r: int, v: int, q: Fraction, delta: Fraction, factor: int = 2, strict: bool = False
) -> Fraction:
    """Theorem 5.2 as printed, in exact rational numbers and plain loops.

    factor and strict make wrong variants on purpose: without 2mδ (factor 0), > in place of ≥.
    """
    mass = [math.comb(r, k) * q**k * (1 - q) ** (r - k) for k in range(r + 1)]
    tail = sum(mass[v + 1 :] if strict else mass[v:], Fraction(0))
    worst = Fraction(0)
    for i in range(1, m + 1):
        inside = sum((mass[k] for k in range(r + 1) if v > k >= v - i), Fraction(0))
        worst = max(worst, inside / i)
    return min(Fraction(1), tail + factor * m * delta * worst)


@pytest.mark.parametrize(
    ("v", "expected"), [(90, 1.62614), (95, 2.16518), (99, 3.00283), (100, 3.46538)]
)
def test_reference_values_of_a_public_implementation(v: int, expected: float) -> None:
    assert epsilon_lower(1000, 100, v, 1e-5) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("m", "expected"), [(100, 3.490), (1000, 5.782), (5000, 7.284)])
def test_reference_ceilings_with_every_canary_guessed(m: int, expected: float) -> None:
    assert ceiling(m, m, 1e-5) == pytest.approx(expected, abs=6e-4)


@given(st.data())
def test_p_values_equal_the_exact_oracle(data: st.DataObject) -> None:
    m = data.draw(st.integers(1, 24), "m")
    r = data.draw(st.integers(1, m), "r")
    v = data.draw(st.integers(0, r), "v")
    q = data.draw(st.fractions(Fraction(1, 2), Fraction(99, 100), max_denominator=200), "q")
    delta = data.draw(st.sampled_from([Fraction(0), Fraction(1, 10**4), Fraction(1, 100)]), "delta")
    expected = oracle_p(m, r, v, q, delta)
    epsilon = math.log(q / (1 - q))
    assert one_run.p_value(m, r, v, epsilon, float(delta)) == pytest.approx(
        float(expected), rel=1e-9
    )


@pytest.mark.parametrize("wrong", [{"factor": 0}, {"factor": 1}, {"strict": True}])
def test_oracle_tells_wrong_variants_of_the_bound_apart(wrong: dict[str, int]) -> None:
    m, r, v, q, delta = 24, 20, 17, Fraction(3, 4), Fraction(1, 100)
    ours = one_run.p_value(m, r, v, math.log(3), float(delta))
    assert ours == pytest.approx(float(oracle_p(m, r, v, q, delta)), rel=1e-9)
    assert abs(ours - float(oracle_p(m, r, v, q, delta, **wrong))) > 0.005


def test_bound_is_where_the_oracles_p_value_crosses_alpha() -> None:
    m, r, v, delta = 40, 30, 27, Fraction(1, 1000)
    low = epsilon_lower(m, r, v, float(delta))
    assert low > 0.5
    for epsilon, side in ((low - 1e-5, True), (low + 1e-5, False)):
        q = Fraction(1 / (1 + math.exp(-epsilon)))
        assert (oracle_p(m, r, v, q, delta) <= Fraction(5, 100)) is side


@pytest.mark.slow
@pytest.mark.parametrize("v", [60, 80, 95, 100])
def test_oracle_at_full_size_agrees(v: int) -> None:
    for epsilon in (0.1, 1.0, 2.5):
        q = Fraction(1 / (1 + math.exp(-epsilon)))
        expected = float(oracle_p(200, 100, v, q, Fraction(1, 10**5)))
        assert one_run.p_value(200, 100, v, epsilon, 1e-5) == pytest.approx(expected, rel=1e-9)


@given(
    st.integers(20, 400).flatmap(lambda m: st.tuples(st.just(m), st.integers(1, m))),
    st.sampled_from([0.0, 1e-6, 1e-3, 1e-2]),
)
def test_bound_grows_with_right_guesses_and_falls_with_delta(
    sizes: tuple[int, int], delta: float
) -> None:
    """The bound grows with right guesses and shrinks with delta and with confidence."""
    m, r = sizes
    values = [bound(m, r, v, delta) for v in range(r - min(r, 4), r + 1)]
    assert values == sorted(values)
    assert values[-1] == ceiling(m, r, delta) <= ceiling(m, r, 0.0)
    assert bound(m, r, r, delta, 0.99) <= bound(m, r, r, delta, 0.95)


def test_p_values_grow_with_epsilon_even_where_delta_is_large() -> None:
    grid = np.linspace(0, 8, 200)
    for m, r, v, delta in ((1000, 100, 80, 1e-5), (1000, 100, 80, 9e-4), (50, 50, 30, 0.02)):
        assert 2 * 1000 * 9e-4 > 1
        values = [one_run.p_value(m, r, v, e, delta) for e in grid]
        assert (np.diff(values) >= -1e-12).all()


def test_chance_or_less_shows_nothing_and_no_guess_shows_nothing() -> None:
    assert epsilon_lower(1000, 100, 50, 1e-5) == 0.0
    assert epsilon_lower(1000, 100, 0, 1e-5) == 0.0
    assert epsilon_lower(12, 0, 0, 1e-5) == ceiling(12, 0, 1e-5) == 0.0


@pytest.mark.parametrize(("epsilon", "reference"), [(1, 0.871), (2, 1.837), (4, 3.619)])
def test_randomised_response_gives_the_reference_means(epsilon: int, reference: float) -> None:
    # r = m = 2000, δ = 1e-5, α = 0.01; the reference is itself a mean of 40 runs, so its error
    # counts as much as ours: 4 standard errors of the difference.
    rng = np.random.default_rng(epsilon)
    q = 1 / (1 + math.exp(-epsilon))
    values = [bound(2000, 2000, int(rng.binomial(2000, q)), 1e-5, 0.99) for _ in range(40)]
    error = math.sqrt(2) * np.std(values, ddof=1) / math.sqrt(40)
    assert abs(np.mean(values) - reference) < 4 * error < 0.15


def exceeds(epsilon: float, delta: float, runs: int, seed: int) -> int:
    """How often the bound passes the truth for a worst-case (ε, δ) mechanism over m coins.

    Each coin is released in the clear with probability δ, else through randomised response on a
    continuous scale (Laplace noise of scale 1/ε on the coin, or pure noise at ε = 0).
    """
    rng = np.random.default_rng(seed)
    m, r = 600, 60
    above = 0
    for _ in range(runs):
        member = rng.random(m) < 0.5
        noise = rng.laplace(size=m)
        scores = noise if epsilon == 0 else member + noise / epsilon
        scores[rng.random(m) < delta] += 1e3
        scores = np.where(scores > 500, np.where(member, 1e6, -1e6), scores)
        v = correct(guess(scores, r), member)
        above += bound(m, r, v, delta) > epsilon
    return above


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_bound_passes_the_truth_in_five_percent_of_runs(epsilon: float) -> None:
    """The bound passes the truth in at most five percent of runs."""
    runs = 400
    limit = 0.05 * runs + 3 * math.sqrt(0.05 * 0.95 * runs)
    assert exceeds(epsilon, 1e-4, runs, seed=5) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0, 2.0, 4.0])
def test_bound_passes_the_truth_in_five_percent_of_many_runs(epsilon: float) -> None:
    """The bound passes the truth in at most five percent of many runs."""
    runs = 20_000
    limit = 0.05 * runs + 3 * math.sqrt(0.05 * 0.95 * runs)
    for delta in (0.0, 1e-4):
        assert exceeds(epsilon, delta, runs, seed=6) <= limit


def test_mechanism_that_leaks_more_than_claimed_is_caught() -> None:
    rng = np.random.default_rng(9)
    member = rng.random(600) < 0.5
    scores = member + rng.laplace(size=600) / 6.0
    assert epsilon_lower(600, 60, correct(guess(scores, 60), member), 1e-5) > 1.0


def test_guesses_are_a_tenth_made_even_half_at_each_end() -> None:
    assert [guess_count(m) for m in (0, 9, 19, 20, 39, 486, 1000)] == [0, 0, 0, 2, 2, 48, 100]
    scores = np.random.default_rng(1).permutation(200).astype(float)
    answer = guess(scores, 20)
    assert set(scores[answer == 1]) == set(range(190, 200))
    assert set(scores[answer == -1]) == set(range(10))
    assert (answer == 0).sum() == 180


def test_only_right_guesses_count_and_abstentions_never() -> None:
    member = np.array([True, True, False, False, True])
    assert correct(np.array([1, -1, -1, 1, 0]), member) == 2
    assert correct(np.zeros(5, dtype=int), member) == 0


def test_ties_are_broken_alike_and_not_along_the_slots() -> None:
    """Ties are broken alike every time and not along the slots."""
    scores = np.zeros(1000)
    answer = guess(scores, 100)
    assert np.array_equal(answer, guess(scores, 100))
    for member in (np.arange(1000) < 500, np.arange(1000) >= 500, np.arange(1000) % 2 == 0):
        assert 30 <= correct(answer, member) <= 70  # by slot order it would be 0, 100 and 50


def test_ten_thousand_canaries_take_less_than_a_second() -> None:
    start = time.process_time()
    epsilon_lower(10_000, 10_000, 7_500, 1e-6)
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((100, 10, 11, 1e-5, 0.95), "v ≤ r ≤ m"),
        ((100, 110, 11, 1e-5, 0.95), "v ≤ r ≤ m"),
        ((100, 10, 9, -1e-5, 0.95), "delta"),
        ((100, 10, 9, math.nan, 0.95), "delta"),
        ((100, 10, 9, 1e-5, 1.0), "confidence"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    arguments: tuple[int, int, int, float, float], words: str
) -> None:
    with pytest.raises(AttackError, match=words):
        epsilon_lower(*arguments)


def test_guesses_that_cannot_be_split_are_refused() -> None:
    for scores, r in ((np.zeros(10), 3), (np.zeros(10), 12), (np.array([np.nan, 0.0]), 2)):
        with pytest.raises(AttackError):
            guess(scores, r)
