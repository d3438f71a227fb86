"""Shares with intervals that know of patients, and phi."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest

from radpriv.benchmark.datasets.description.label_shares import (
    cooccurrence,
    label_shares,
    patient_numbers,
    share,
    wilson,
)


@pytest.mark.parametrize(("count", "n"), [(0, 7), (1, 10), (20, 40), (7, 7), (3, 1000)])
def test_the_interval_of_independent_reports_is_scipys(count: int, n: int) -> None:
    expected = binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_one_report_per_patient_is_plain_and_copies_add_nothing() -> None:
    """One report per patient gives the plain interval; copies of a patient add nothing."""
    counted = np.arange(60) % 3 == 0
    alone = share(counted, np.arange(60))
    assert alone.effective == pytest.approx(60, abs=1.1)
    assert (alone.low, alone.high) == pytest.approx(wilson(1 / 3, 60), abs=0.003)
    tenfold = share(np.repeat(counted, 10), np.repeat(np.arange(60), 10))
    assert tenfold.count == 10 * alone.count and tenfold.share == alone.share
    assert tenfold.effective == pytest.approx(alone.effective, abs=1.1)


def test_label_that_nobody_has_is_bounded_by_patients() -> None:
    """A label that nobody has is bounded by the patients, not by the reports."""
    none = share(np.zeros(1000, np.bool_), np.arange(1000) // 100)
    assert none.share == 0.0 and none.low == 0.0
    assert none.high == wilson(0.0, 10)[1] > 0.2
    one = share(np.array([True, False, True]), np.zeros(3, np.int64))
    assert one.effective == 1.0 and one.high - one.low > 0.7


def clustered(rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Reports of 150 patients, 1 to 12 each, alike within a patient; the share is 0.2."""
    sizes = rng.integers(1, 13, 150)
    group = np.repeat(np.arange(150), sizes)
    return rng.random(len(group)) < rng.beta(0.2, 0.8, 150)[group], group


def coverage(effective_reports: bool) -> float:
    rng, held = np.random.default_rng(3), 0
    for _ in range(600):
        counted, group = clustered(rng)
        found = share(counted, group)
        low, high = found.low, found.high
        if not effective_reports:  # the broken variant: reports taken for independent
            low, high = wilson(found.share, len(counted))
        held += low <= 0.2 <= high
    return held / 600


def test_interval_covers_clustered_data_where_plain_does_not() -> None:
    """The interval covers in clustered data, where the plain one does not."""
    assert 0.925 <= coverage(effective_reports=True) <= 0.975
    assert coverage(effective_reports=False) < 0.75


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=60))
def test_an_interval_holds_its_share_and_stays_within_0_and_1(rows: list[tuple[bool, int]]) -> None:
    counted = np.array([c for c, _ in rows])
    found = share(counted, patient_numbers(tuple(str(p) for _, p in rows)))
    assert 0.0 <= found.low <= found.share + 1e-12 and found.share - 1e-12 <= found.high <= 1.0
    assert 0 < found.effective <= len(rows)
    assert found.count == sum(counted)


def test_shares_of_a_label_are_of_all_reports_and_sum_to_one() -> None:
    """The three shares of a label are of all reports, and sum to one."""
    y = np.array([[1, 0], [0, np.nan], [np.nan, np.nan], [1, 1]], np.float32)
    first, second = label_shares(("a", "b"), y, ("p", "p", "q", "r"))
    assert (first.positive.share, first.negative.share, first.unobserved.share) == (0.5, 0.25, 0.25)
    assert (second.positive.count, second.negative.count, second.unobserved.count) == (1, 1, 2)


def test_phi_is_the_correlation_over_reports_that_observe_both() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random((400, 3)) < 0.3).astype(np.float32)
    y[:, 1] = np.where(rng.random(400) < 0.6, y[:, 0], y[:, 1])
    y[rng.random((400, 3)) < 0.2] = np.nan
    phi, both = cooccurrence(y)
    for i in range(3):
        for j in range(3):
            seen = ~np.isnan(y[:, i]) & ~np.isnan(y[:, j])
            a, b = y[seen, i], y[seen, j]
            assert phi[i, j] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-9)
            assert both[i, j] == int(((a == 1) & (b == 1)).sum())


def test_phi_of_a_label_that_does_not_vary_is_nan_and_never_zero() -> None:
    never = np.array([[1, 0, np.nan], [0, 0, np.nan], [1, 0, 1]], np.float32)
    phi, both = cooccurrence(never)
    assert phi[0, 0] == 1.0
    assert [math.isnan(phi[i, j]) for i, j in ((0, 1), (1, 0), (1, 1), (0, 2), (2, 2))] == [
        True
    ] * 5
    assert both[0, 1] == 0 and both[0, 2] == 1
    # Varying over all reports, but not over those that observe the other label too.
    hidden = np.array([[1, np.nan], [0, 1], [0, 0], [0, 1]], np.float32)
    assert math.isnan(cooccurrence(hidden)[0][0, 1])
