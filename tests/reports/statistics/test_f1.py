from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from radpriv.reports.statistics.f1 import (
    bootstrap_weights,
    class_weighted_f1,
    count,
    label_f1,
    macro_f1,
    resampled,
    weighted_f1,
)

TRUTH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)


def totals(y: np.ndarray, pred: np.ndarray):
    return count(y, pred.astype(bool), np.arange(len(y))).total()


def test_macro_mean_leaves_out_undefined_labels() -> None:
    """A label neither true nor predicted leaves the macro mean."""
    pred = TRUTH.copy()
    pred[1, 1] = 0
    c = totals(TRUTH, pred)
    assert weighted_f1(c) == pytest.approx(0.83333, abs=1e-4)
    assert macro_f1(c) == pytest.approx(0.83333, abs=1e-4)
    assert np.isnan(label_f1(c)[2])


def test_macro_mean_counts_a_false_positive_as_zero() -> None:
    """A false positive makes the label count as zero in the macro mean."""
    pred = TRUTH.copy()
    pred[1, 1] = 0
    pred[0, 2] = 1
    c = totals(TRUTH, pred)
    assert weighted_f1(c) == pytest.approx(0.83333, abs=1e-4)
    assert macro_f1(c) == pytest.approx(0.55556, abs=1e-4)


def test_all_zeros_are_undefined_and_not_zero_or_one() -> None:
    nothing = np.zeros_like(TRUTH)
    c = totals(nothing, nothing)
    assert np.isnan(weighted_f1(c)) and np.isnan(macro_f1(c))
    assert np.isnan(label_f1(c)).all()


def test_only_undefined_resamples_are_undefined_and_none_warns() -> None:
    y = np.zeros((6, 1), dtype=np.float32)
    y[0] = 1
    c = count(y, y == 1, np.arange(6))
    weights = bootstrap_weights("rare", 6, 10_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = weighted_f1(resampled(c, weights))
    undefined = np.isnan(scores)
    assert np.array_equal(undefined, weights[:, 0] == 0)
    assert undefined.mean() == pytest.approx((5 / 6) ** 6, abs=0.02)
    assert (scores[~undefined] == 1).all()


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 6))
def test_scores_equal_scikit_learns_on_any_data(seed: int, rows: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    y = (rng.random((rows, labels)) < 0.3).astype(np.float32)
    pred = rng.random((rows, labels)) < 0.4
    c = totals(y, pred)
    if y.sum():
        expected = f1_score(y, pred, average="weighted", zero_division=0)
        assert weighted_f1(c) == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(weighted_f1(c))
    each = f1_score(y, pred, average=None, zero_division=np.nan)
    np.testing.assert_allclose(label_f1(c), np.atleast_1d(each), atol=1e-12)


def test_unobserved_labels_are_skipped_label_by_label(many_patients) -> None:
    y, pred, groups = many_patients
    c = count(y, pred, groups).total()
    scores, support = [], []
    for i in range(y.shape[1]):
        seen = ~np.isnan(y[:, i])
        scores.append(f1_score(y[seen, i], pred[seen, i]))
        support.append(y[seen, i].sum())
    np.testing.assert_allclose(label_f1(c), scores, atol=1e-12)
    assert weighted_f1(c) == pytest.approx(np.average(scores, weights=support), abs=1e-12)


def test_resampled_scores_equal_scikit_learns(many_patients) -> None:
    """Resampled scores equal scikit-learn on repeated patients."""
    y, pred, groups = many_patients
    y = np.nan_to_num(y, nan=0.0)
    weights = bootstrap_weights("openi", int(groups.max()) + 1, 25)
    fast = weighted_f1(resampled(count(y, pred, groups), weights))
    for b in range(25):
        rows = np.repeat(np.arange(len(y)), weights[b][groups].astype(int))
        slow = f1_score(y[rows], pred[rows], average="weighted", zero_division=0)
        assert fast[b] == pytest.approx(slow, abs=1e-12)


def test_resamples_are_fast(many_patients) -> None:
    """Two thousand resamples of 700 × 14 take under a second."""
    y, pred, groups = many_patients
    start = time.process_time()
    weights = bootstrap_weights("openi", int(groups.max()) + 1)
    scores = weighted_f1(resampled(count(y, pred, groups), weights))
    assert time.process_time() - start < 1
    assert scores.shape == (2000,)


def test_the_bootstrap_stream_depends_on_the_dataset_alone() -> None:
    one = bootstrap_weights("openi", 50, 20)
    assert np.array_equal(one, bootstrap_weights("openi", 50, 20))
    assert not np.array_equal(one, bootstrap_weights("other", 50, 20))
    assert (one.sum(axis=1) == 50).all()


def test_all_negative_scores_zero_and_high_by_class_weights() -> None:
    """An all-negative classifier scores zero here and high by class weights."""
    rng = np.random.default_rng(0)
    y = (rng.random((2000, 14)) < 0.05).astype(np.float32)
    c = totals(y, np.zeros_like(y))
    assert weighted_f1(c) == 0
    each = [f1_score(y[:, i], np.zeros(2000), average="weighted") for i in range(14)]
    assert class_weighted_f1(c) == pytest.approx(np.mean(each), abs=1e-12)
    assert class_weighted_f1(c) > 0.9
