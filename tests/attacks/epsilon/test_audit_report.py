"""What one audit prints: every figure of its own kind, valid together, and nothing from too few."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from radpriv.attacks.epsilon import clopper_pearson, gdp, reference_mechanism, selection
from radpriv.attacks.epsilon.audit_report import audit, gdp_estimate, over_runs
from radpriv.attacks.epsilon.clopper_pearson import GuessCounts
from radpriv.attacks.epsilon.ideal import SampledStep
from radpriv.benchmark.store.audit_schema import Audit
from radpriv.benchmark.store.schema import dump, parse
from radpriv.errors import AttackError

DELTA = 1e-5


def released(
    epsilon: float, m: int, seeds: int, name: str = "decide"
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Scores and coins of a Gaussian mechanism of this ε; of nothing at all at ε = 0."""
    coins = [np.random.default_rng([s, m]).random(m) < 0.5 for s in range(seeds)]
    if epsilon == 0:
        return [reference_mechanism.uniforms(m, name, s) for s in range(seeds)], coins
    return [
        reference_mechanism.gaussian_scores(c, epsilon, DELTA, name, s) for s, c in enumerate(coins)
    ], coins


def test_one_row_holds_every_figure_and_is_json() -> None:
    scores, coins = released(6.0, 800, 3)
    steps = [SampledStep(1.0, 1 / gdp.mu_of(6.0, DELTA))]
    found = audit(scores, coins, DELTA, steps)
    assert (found.m, found.seeds, found.delta, found.confidence) == (800, 3, DELTA, 0.95)
    assert found.ideal is not None and found.ideal_fdp is not None and found.share is not None
    assert 0 < found.one_run.epsilon < found.fdp.epsilon < 6.0
    assert found.one_run.epsilon < found.one_run.ceiling == found.ideal.ceiling
    assert found.fdp.epsilon < found.fdp.ceiling == found.ideal_fdp.ceiling
    assert 0.7 < found.share < 1.3
    assert found.fdp_kind == "bound"
    assert found.one_run.chosen.r > 0
    assert parse(Audit, json.dumps(dump(found)), "audit") == found


def test_sampled_mechanism_makes_the_f_dp_figure_an_estimate() -> None:
    """A sampled or unknown mechanism makes the f-DP figure an estimate."""
    scores, coins = released(6.0, 200, 1)
    assert (
        audit(scores, coins, DELTA, [SampledStep(0.5, 1.0), SampledStep(1.0, 1.0)]).fdp_kind
        == "estimate"
    )
    unknown = audit(scores, coins, DELTA)
    assert unknown.fdp_kind == "estimate" and unknown.ideal is None and unknown.share is None


def test_best_seed_is_taken_and_paid_for() -> None:
    scores, coins = released(8.0, 600, 3)
    scores[0] = scores[0][::-1].copy()  # says nothing
    found = audit(scores, coins, DELTA)
    alone = [selection.best_bound(s, c, DELTA, more=3).epsilon for s, c in zip(scores, coins)]
    assert found.one_run.epsilon == max(alone) and found.one_run_seed == int(np.argmax(alone)) > 0
    assert found.one_run.comparisons == 15
    two = audit(scores, coins, DELTA, attacks=2)
    assert two.one_run.comparisons == 30 and two.one_run.epsilon < found.one_run.epsilon


def test_three_seeds_are_too_few_for_independent_runs() -> None:
    scores, coins = released(8.0, 100, 3)
    found = audit(scores, coins, DELTA).runs
    assert found.epsilon is None and found.needed == 12
    assert found.sentence == "needs at least 12 runs, there are 3"


def test_many_runs_give_a_bound_from_one_canary_each() -> None:
    scores, coins = released(14.0, 50, 64)
    found = over_runs(scores, coins, DELTA)
    assert found.epsilon is not None and 0.5 < found.epsilon < found.ceiling < 4
    assert "from 64 runs" in found.sentence


def test_canaries_that_move_together_are_no_further_runs() -> None:
    """Canaries that move together make no more runs than there are.

    In each run one coin of ε = 1 turns all answers or none: to who does not know the other coins
    each answer is worth ε = 1, and 30 runs of 20 canaries are 30 trials, not 600.

    Counting canaries as if they were runs is seen to fail on the same data.
    """
    rng = np.random.default_rng(0)
    keep, above, pooled, trials = 1 / (1 + math.exp(-1.0)), 0, 0, 300
    for _ in range(trials):
        coins = [rng.random(20) < 0.5 for _ in range(30)]
        turned = rng.random(30) > keep
        scores = [
            np.where(t, ~c, c) + 1e-3 * rng.standard_normal(20) for c, t in zip(coins, turned)
        ]
        above += (over_runs(scores, coins, 0.0).epsilon or 0.0) > 1.0
        said = np.concatenate(scores) > 0.5
        flags = np.concatenate(coins)
        counts = GuessCounts(
            int((said & flags).sum()),
            int(flags.sum()),
            int((said & ~flags).sum()),
            int((~flags).sum()),
        )
        pooled += clopper_pearson.epsilon_lower(counts, 0.0) > 1.0
    limit = 0.05 * trials + 3 * math.sqrt(0.05 * 0.95 * trials)
    assert above <= limit < pooled


def test_null_seeds_show_something_in_five_percent_at_most() -> None:
    """Null seeds show something in at most five percent of audits."""
    trials = 200
    above = {"one_run": 0, "fdp": 0, "gdp": 0}
    for trial in range(trials):
        scores, _ = released(0.0, 200, 3, f"null {trial}")
        coins = [np.random.default_rng([trial, s]).random(200) < 0.5 for s in range(3)]
        found = audit(scores, coins, DELTA)
        above["one_run"] += found.one_run.epsilon > 0
        above["fdp"] += found.fdp.epsilon > 0
        above["gdp"] += found.gdp > 0
    limit = 0.05 * trials + 3 * math.sqrt(0.05 * 0.95 * trials)
    assert max(above.values()) <= limit, above


def test_gdp_estimate_nears_a_gaussian_from_below() -> None:
    """The GDP estimate approaches a Gaussian mechanism from below."""
    found = gdp_estimate(*released(4.0, 4000, 4), DELTA)
    assert 0.75 * 4.0 < found < 4.0


def test_seeds_that_do_not_fit_are_refused() -> None:
    scores, coins = released(1.0, 40, 2)
    for s, c in (
        ([], []),
        (scores, coins[:1]),
        ([scores[0], scores[1][:30]], coins),
        (scores, [c.astype(int) for c in coins]),
    ):
        with pytest.raises(AttackError):
            audit(s, c, DELTA)
