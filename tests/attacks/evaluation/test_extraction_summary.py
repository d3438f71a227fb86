"""Members beside non-members: Welch's interval, seeds, counts, and what is not resolvable."""

from __future__ import annotations

import json
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from scipy import stats

from radpriv.attacks.evaluation.extraction_summary import (
    extraction_row,
    extraction_rows,
    mean_difference,
)
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.benchmark.store.attack_schema import Amounts, ExtractedKind
from radpriv.benchmark.store.schema import dump, parse
from radpriv.errors import AttackError

Seed = tuple[np.ndarray, np.ndarray]
_TRAINING = {1: 0.0, 2: 0.3, 3: 0.8, 5: 0.8}
"""Standard deviation of what a training adds to all its members, by number of seeds."""


def seed_of(rng: np.random.Generator, m: int, gap: float, record: np.ndarray | float = 0.0) -> Seed:
    member = rng.random(m) < 0.5
    return rng.exponential(1.44, m) + record + gap * member, member


def amounts(row: ExtractedKind) -> Amounts:
    assert row.amounts is not None
    return row.amounts


def test_one_model_gives_welchs_interval() -> None:
    """Oracle: SciPy's test of two samples with unequal variances."""
    values, member = seed_of(np.random.default_rng(0), 60, 2.0)
    values[member] *= 3
    row = extraction_row([(values, member)])
    found = amounts(row)
    known = stats.ttest_ind(values[member], values[~member], equal_var=False)
    low, high = known.confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    assert found.member_mean - found.non_member_mean == pytest.approx(found.difference.value)
    assert found.member_mean == pytest.approx(values[member].mean())
    assert row.replicates == "candidates within a model" and row.interval_method == "Welch t"


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_interval_covers_whether_records_or_training_vary(k: int) -> None:
    """The interval covers the truth whether candidates or training vary.

    Candidates behave alike in all seeds in part; each training adds an error of its own.
    """
    rng = np.random.default_rng(k)
    covered, trials = 0, 400
    for _ in range(trials):
        record = rng.normal(0, 1.0, 60)
        seeds = [seed_of(rng, 60, 1.0 + rng.normal(0, _TRAINING[k]), record) for _ in range(k)]
        found = mean_difference(seeds)
        covered += found.low <= 1.0 <= found.high
    assert covered / trials >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / trials) - 0.01


def test_candidate_alike_in_every_seed_counts_once() -> None:
    """A candidate that behaves alike in every seed counts once.

    The same answers and coins in four seeds are one seed's evidence.
    """
    one = seed_of(np.random.default_rng(3), 80, 1.0)
    alone, four = mean_difference([one]), mean_difference([one] * 4)
    assert four.high - four.low == pytest.approx(alone.high - alone.low, rel=0.03)
    rng = np.random.default_rng(4)
    fresh = mean_difference([seed_of(rng, 80, 1.0) for _ in range(16)])
    assert fresh.high - fresh.low < 0.5 * (alone.high - alone.low)


def test_members_above_others_count_upwards() -> None:
    member = np.arange(40) % 2 == 0
    row = extraction_row([(np.where(member, 5.0, 1.0) + np.arange(40) / 100, member)])
    found = amounts(row)
    assert found.difference.value > 3.9 and found.difference.low > 3.5 and found.auc == 1.0


def test_fewer_than_the_fewest_show_only_their_number() -> None:
    """Fewer than the fewest on either side show nothing but their number."""
    values = np.arange(40.0)
    member = np.arange(40) < FEWEST - 1
    for flags in (member, ~member):
        row = extraction_row([(values, flags), (values, np.arange(40) < 20)])
        assert row.amounts is None
        assert min(row.members, row.non_members) == FEWEST - 1
    enough = extraction_row([(values, np.arange(40) < FEWEST)])
    assert enough.amounts and enough.members == FEWEST


def test_candidates_that_were_not_asked_are_left_out_and_counted() -> None:
    values, member = seed_of(np.random.default_rng(5), 60, 2.0)
    some = values.copy()
    some[::3] = np.nan
    kept = np.arange(60) % 3 != 0
    row, alone = extraction_row([(some, member)]), extraction_row([(values[kept], member[kept])])
    assert (row.asked, row.left_out) == (40, 20)
    assert replace(row, left_out=0, amounts=None) == replace(alone, amounts=None)
    one, other = amounts(row), amounts(alone)
    assert astuple(one.difference) == pytest.approx(astuple(other.difference))
    assert one.member_mean == pytest.approx(other.member_mean)
    assert one.non_member_mean == pytest.approx(other.non_member_mean)
    assert one.auc == pytest.approx(other.auc)
    several = mean_difference([(some, member), (some, ~member)])
    assert np.isfinite([several.low, several.high]).all()


def test_interval_without_variation_grants_what_is_unseen() -> None:
    """Without any variation the interval grants what could not be seen."""
    member = np.arange(40) < 20
    gap = mean_difference([(np.where(member, 6.0, 1.0), member)])
    assert gap.value == 5.0 and gap.low < 5.0 - 5 * (1 - 0.025 ** (1 / 20)) and gap.high > 5.5
    assert gap.low == pytest.approx(5 - 10 * (1 - 0.025 ** (1 / 20)))
    null = mean_difference([(np.ones(40), member)])
    assert (null.low, null.value, null.high) == (0.0, 0.0, 0.0)


def test_rows_are_by_kind_and_survive_json() -> None:
    rng = np.random.default_rng(6)
    kinds = {name: [seed_of(rng, 50, 1.0)] for name in ("secret*4", "secret")}
    rows = extraction_rows(kinds)
    assert [r.kind for r in rows] == ["secret", "secret*4"]
    assert [parse(ExtractedKind, json.dumps(dump(r)), "row") for r in rows] == [*rows]


def test_answers_that_do_not_fit_are_refused() -> None:
    member = np.arange(30) % 2 == 0
    for values, flags in (
        (np.ones(29), member),
        (np.ones(30), member.astype(int)),
        (np.ones((30, 1)), member),
        (np.full(30, np.inf), member),
    ):
        with pytest.raises(AttackError):
            extraction_row([(values, flags)])
    with pytest.raises(AttackError, match="same ones for every seed"):
        extraction_row([(np.ones(30), member), (np.ones(20), member[:20])])
