"""The best of several bounds is corrected for the choice, and says what the choice cost."""

from __future__ import annotations

import math

import numpy as np
import pytest

from radpriv.attacks.epsilon import fdp, one_run
from radpriv.attacks.epsilon.selection import best_bound, guess_counts, lower, right
from radpriv.errors import AttackError


def test_grid_is_a_function_of_the_number_of_canaries_alone() -> None:
    assert guess_counts(1000) == (20, 100, 250, 500, 1000)
    assert guess_counts(486) == (8, 48, 120, 242, 486)
    assert guess_counts(3) == (2,)
    assert guess_counts(1) == ()


def test_right_guesses_are_counted_as_the_one_run_rule_guesses() -> None:
    rng = np.random.default_rng(0)
    for scores in (rng.standard_normal(301), rng.integers(0, 4, 301).astype(float), np.zeros(301)):
        member = rng.random(301) < 0.5
        grid = (2, 30, 150, 300)
        slow = tuple(one_run.correct(one_run.guess(scores, r), member) for r in grid)
        assert right(scores, member, grid) == slow


@pytest.mark.parametrize("how", ["one_run", "fdp"])
def test_it_is_the_best_comparison_at_the_corrected_confidence(how: str) -> None:
    rng = np.random.default_rng(1)
    member = rng.random(800) < 0.5
    scores = rng.standard_normal(800) + 1.5 * member
    found = best_bound(scores, member, 1e-5, how=how)  # type: ignore[arg-type]
    each = 1 - 0.05 / 5
    alone = [
        one_run.epsilon_lower(800, r, v, 1e-5, each)
        if how == "one_run"
        else fdp.epsilon(800, r, v, 1e-5, True, each).epsilon
        for r, v in zip(guess_counts(800), right(scores, member, guess_counts(800)))
    ]
    assert found.epsilon == max(alone) > 0.5
    assert found.chosen.r == guess_counts(800)[int(np.argmax(alone))]
    assert (found.comparisons, found.each) == (5, each)
    free = lower(800, found.chosen.r, found.chosen.v, 1e-5, 0.95, how)  # type: ignore[arg-type]
    assert found.price == free - found.epsilon > 0


def test_choosing_among_attacks_costs_more_than_one_attack() -> None:
    rng = np.random.default_rng(2)
    member = rng.random(600) < 0.5
    good, bad = rng.standard_normal(600) + 2 * member, rng.standard_normal(600)
    alone = best_bound(good, member, 1e-5)
    both = best_bound({"bad": bad, "good": good}, member, 1e-5)
    assert both.chosen.attack == "good" and both.comparisons == 10
    assert 0 < both.epsilon < alone.epsilon and both.ceiling < alone.ceiling
    seeds = best_bound(good, member, 1e-5, more=2)
    assert (seeds.epsilon, seeds.ceiling) == (both.epsilon, both.ceiling)


def test_ceiling_is_what_perfect_scores_show() -> None:
    """The ceiling is what perfect scores show."""
    member = np.arange(400) % 2 == 0
    found = best_bound(member.astype(float), member, 1e-5)
    assert found.epsilon == found.ceiling > 4
    assert best_bound(-member.astype(float), member, 1e-5).epsilon == 0.0


def alarms(runs: int, corrected: bool, how: str) -> int:
    """How often null scores show ε > 0 where the best of the grid and of two attacks is taken."""
    rng = np.random.default_rng(3)
    above = 0
    for _ in range(runs):
        member = rng.random(1000) < 0.5
        scores = {name: rng.standard_normal(1000) for name in "ab"}
        if corrected:
            above += best_bound(scores, member, 1e-5, how=how).epsilon > 0  # type: ignore[arg-type]
        else:
            counts = [v for s in scores.values() for v in right(s, member, guess_counts(1000))]
            above += any(
                lower(1000, r, v, 1e-5, 0.95, how) > 0  # type: ignore[arg-type]
                for r, v in zip(2 * guess_counts(1000), counts)
            )
    return above


@pytest.mark.parametrize("how", ["one_run", "fdp"])
def test_null_data_show_something_in_five_percent_of_audits(how: str) -> None:
    """Null data show something in at most five percent of a thousand audits."""
    limit = 50 + 3 * math.sqrt(1000 * 0.05 * 0.95)  # three binomial errors
    assert alarms(1000, True, how) <= limit
    assert alarms(1000, False, how) > 2 * limit  # uncorrected, the same data are seen to fail


def test_too_few_canaries_and_no_attack_are_refused() -> None:
    for scores, member in ((np.zeros(1), np.zeros(1, bool)), ({}, np.zeros(9, bool))):
        with pytest.raises(AttackError):
            best_bound(scores, member, 1e-5)
    with pytest.raises(AttackError, match="one per canary"):
        best_bound(np.zeros(9), np.zeros(8, bool), 1e-5)
    with pytest.raises(AttackError, match="confidence"):
        best_bound(np.zeros(9), np.zeros(9, bool), 1e-5, confidence=1.0)
