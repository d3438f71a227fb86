"""AUC, ROC, TPR at an FPR and DeLong's interval, against obvious loops and a bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from radpriv.attacks import metrics
from radpriv.errors import AttackError

Data = tuple[NDArray[np.float64], NDArray[np.bool_]]


@st.composite
def tied_data(draw: st.DrawFn) -> Data:
    """Few distinct scores, so that ties are the rule; both classes present."""
    pairs = draw(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
    member = np.array([flag for _, flag in pairs])
    assume(member.any() and not member.all())
    return np.array([float(score) for score, _ in pairs]), member


@given(tied_data())
def test_auc_is_the_share_of_pairs_won_with_ties_as_half(data: Data) -> None:
    scores, member = data
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[member] for b in scores[~member]
    ]
    assert metrics.auc(scores, member) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


@given(tied_data())
def test_area_under_the_roc_points_is_the_auc(data: Data) -> None:
    fpr, tpr = metrics.roc(*data)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= 0).all()
    assert np.trapezoid(tpr, fpr) == pytest.approx(metrics.auc(*data), abs=1e-12)


@given(tied_data(), st.sampled_from([0.0, 0.01, 0.05, 0.25, 0.5, 1.0]))
def test_tpr_at_fpr_is_that_of_the_best_threshold(data: Data, rate: float) -> None:
    """TPR at FPR is that of the best threshold that keeps within the false alarms."""
    scores, member = data
    best = 0.0
    for threshold in [*scores, math.inf]:
        called = scores >= threshold
        if (called & ~member).sum() / (~member).sum() <= rate:
            best = max(best, float((called & member).sum() / member.sum()))
    assert metrics.tpr_at_fpr(scores, member, rate) == pytest.approx(best, abs=1e-12)


@given(tied_data())
def test_monotone_change_of_scale_changes_nothing(data: Data) -> None:
    scores, member = data
    for rate in (0.0, 0.05, 0.3):
        assert metrics.tpr_at_fpr(np.exp(scores), member, rate) == metrics.tpr_at_fpr(
            scores, member, rate
        )
    assert metrics.auc(np.exp(scores), member) == metrics.auc(scores, member)
    assert metrics.advantage(np.exp(scores), member) == metrics.advantage(scores, member)


@given(tied_data())
def test_flipped_sign_is_seen_as_one_minus_the_auc(data: Data) -> None:
    scores, member = data
    assert metrics.auc(-scores, member) == pytest.approx(1 - metrics.auc(scores, member), abs=1e-12)


def test_tpr_is_zero_where_a_non_member_scores_best() -> None:
    """TPR is zero and not NaN where the best score is a non-member's."""
    scores = np.concatenate([np.arange(500.0), np.arange(500.0) - 0.5])
    member = np.arange(1000) < 500
    scores[999] = 1e6
    fpr, tpr = metrics.roc(scores, member)
    assert (fpr[0], tpr[0]) == (0.0, 0.0) and fpr[1] == 1 / 500 and tpr[1] == 0.0
    value = metrics.tpr_at_fpr(scores, member, 0.001)
    assert value == 0.0 and isinstance(value, float)
    assert not metrics.resolvable(500, 0.001) and not metrics.resolvable(500, 0.01)
    assert metrics.resolvable(500, 0.05)


def test_perfect_separation_is_one_with_an_interval() -> None:
    """Perfect separation is one everywhere, and its interval is not a point."""
    scores, member = np.arange(1000.0), np.arange(1000) >= 500
    assert metrics.tpr_at_fpr(scores, member, 0.0) == 1.0
    assert metrics.advantage(scores, member) == 1.0
    area = metrics.auc_interval(scores, member)
    assert (area.value, area.high) == (1.0, 1.0)
    assert area.low == pytest.approx(0.025 ** (1 / 500))
    flipped = metrics.auc_interval(-scores, member)
    assert (flipped.low, flipped.value) == (0.0, 0.0)
    assert flipped.high == pytest.approx(1 - 0.025 ** (1 / 500))


def test_score_that_ties_all_is_a_half_and_catches_nobody() -> None:
    member = np.arange(400) % 2 == 0
    assert metrics.auc(np.zeros(400), member) == 0.5
    assert metrics.tpr_at_fpr(np.zeros(400), member, 0.05) == 0.0


def test_correctness_gap_gives_the_auc_of_arithmetic() -> None:
    """The correctness gap alone gives the AUC that arithmetic says."""
    correct = np.concatenate([np.arange(1000) < 996, np.arange(2000) < 1107]).astype(float)
    member = np.arange(3000) < 1000
    assert metrics.auc(correct, member) == pytest.approx((0.996 - 0.5535) / 2 + 0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("non_members", "rate", "expected"),
    [(199, 0.05, False), (200, 0.05, True), (999, 0.01, False), (1000, 0.01, True), (9, 0, False)],
)
def test_resolution_needs_ten_over_f_non_members(
    non_members: int, rate: float, expected: bool
) -> None:
    assert metrics.resolvable(non_members, rate) is expected


@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_delongs_error_agrees_with_a_bootstrap_within_each_class(shift: float) -> None:
    rng = np.random.default_rng(3)
    member = np.arange(260) < 120
    scores = np.round(rng.standard_normal(260) + shift * member, 1)  # with ties
    members, others = scores[member], scores[~member]
    draws = [
        metrics.auc(np.concatenate([rng.choice(members, 120), rng.choice(others, 140)]), member)
        for _ in range(3000)
    ]
    variance = np.sum(metrics.auc_influence(scores, member) ** 2)
    # 3,000 draws: the bootstrap's own error is 1.3%; n against n − 1 adds 0.4%.
    assert math.sqrt(variance) == pytest.approx(np.std(draws), rel=0.05)
    area = metrics.auc_interval(scores, member)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert abs(area.low - low) < 0.012 and abs(area.high - high) < 0.012
    wider = metrics.auc_interval(scores, member, 0.99)
    assert wider.low < area.low < area.value < area.high < wider.high


def test_influences_equal_delongs_variance_written_as_a_loop() -> None:
    rng = np.random.default_rng(4)
    member = rng.random(60) < 0.4
    scores = np.round(rng.standard_normal(60), 1)
    x, y = scores[member], scores[~member]
    wins = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    variance = wins.mean(1).var(ddof=1) / len(x) + wins.mean(0).var(ddof=1) / len(y)
    assert np.sum(metrics.auc_influence(scores, member) ** 2) == pytest.approx(variance, rel=1e-12)


def test_class_of_one_record_has_the_whole_range() -> None:
    """A class of one record has no interval but the whole range."""
    area = metrics.auc_interval(np.array([2.0, 1.0, 3.0]), np.array([True, False, False]))
    assert (area.value, area.low, area.high) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "member", "words"),
    [
        ([0.0, np.nan, np.inf], [True, False, True], "2 of 3 scores are not finite"),
        ([0.0, 1.0], [True, True], "none of them non-members"),
        ([0.0, 1.0], [False, False], "none of them members"),
        ([0.0, 1.0], [True], "one score and one membership flag"),
        ([0.0, 1.0], [1, 0], "give booleans"),
    ],
)
def test_scores_that_mean_nothing_are_refused_with_a_sentence(
    scores: list[float], member: list[bool], words: str
) -> None:
    for function in (metrics.auc, metrics.roc, metrics.auc_interval, metrics.advantage):
        with pytest.raises(AttackError, match=words):
            function(scores, member)


def test_rate_outside_its_range_is_refused() -> None:
    """A rate outside [0, 1] is refused."""
    for rate in (-0.1, 1.5, math.nan):
        with pytest.raises(AttackError, match="between 0 and 1"):
            metrics.tpr_at_fpr([0.0, 1.0], [True, False], rate)
