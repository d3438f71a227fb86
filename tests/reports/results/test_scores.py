from __future__ import annotations

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from radpriv.errors import ReportError
from radpriv.reports.results.dataset_scores import best
from radpriv.reports.results.load import load
from radpriv.reports.results.scores import score


def scored(fake):
    result = score(load(fake.write(), "demo"), "openi")
    assert result is not None
    return result


def row(scores, label: str, epsilon: float):
    return next(r for r in scores.rows if r.label == label and r.epsilon == epsilon)


def test_each_value_is_scikit_learns_weighted_f1_of_its_cell(fake) -> None:
    fake.nan_share = 0.0
    scores = scored(fake)
    found = row(scores, "dp_lora", 10.0)
    for cell, value in zip(found.cell_ids, found.estimates["weighted"].values):
        table = pq.read_table(next((fake.root / "cells" / cell).glob("*/test.parquet")))
        y, logits = (np.array(table[c].to_pylist()) for c in ("labels", "logits"))
        assert value == pytest.approx(f1_score(y, logits > 0, average="weighted"), abs=1e-12)


def test_seed_variance_is_pooled_by_kind_of_row(fake) -> None:
    """It is pooled over private rows apart, and without prior."""
    scores = scored(fake)
    private = [r for r in scores.rows if r.private]
    values = np.array([r.estimates["weighted"].values for r in private])
    pool = scores.pools(private=True)
    assert pool is not None
    assert pool.df == 12 and pool.s2 == pytest.approx(values.var(axis=1, ddof=1).mean())
    assert scores.pools(private=False).df == 6
    assert {r.estimates["weighted"].s2 for r in private} == {pool.s2}
    assert row(scores, "prior", math.inf).estimates["weighted"].s2 is None


def test_row_with_a_missing_cell_has_no_mean(fake) -> None:
    """It leaves the ranks of others alone."""
    fake.status = {"openi.dp_bow.eps1.cell.s1": "failed"}
    scores = scored(fake)
    gap = row(scores, "dp_bow", 1.0)
    assert gap.estimates == {} and gap.missing[0][1] == "failed"
    assert not any(
        gap.name in (d.first.name, d.second.name) and d.first.epsilon == 1
        for d in scores.differences
    )
    top, ties = best(scores, 1.0)
    assert top is not None and "dp_bow" not in {top.label, *ties}
    assert scores.pools(private=True).df == 10


def test_paired_difference_is_by_seed_and_resample(fake) -> None:
    """It is the mean difference by seed, on the same resamples."""
    scores = scored(fake)
    d = next(
        d
        for d in scores.differences
        if d.second.label == "dp_linear_probe"
        and d.first.label == "dp_lora"
        and d.first.epsilon == 1.0
    )
    a, b = d.first.measured["weighted"], d.second.measured["weighted"]
    assert d.estimate.mean == pytest.approx((a.values - b.values).mean())
    assert d.estimate.v == pytest.approx((a.resamples - b.resamples).var(ddof=1))
    assert d.estimate.df == 8  # two ε of three rows and three seeds: 2 · (3 − 1)(3 − 1)


def test_bit_equal_scores_leave_no_difference_to_test(fake) -> None:
    """Of two methods with bit-equal scores none is higher."""
    fake.deterministic_logits = True
    fake.private = {"dp_lora": (1.0, 1.0), "dp_bow": (1.0, 1.0)}
    scores = scored(fake)
    d = next(d for d in scores.differences if d.first.private)
    assert d.identical and d.estimate.mean == 0 and not math.isnan(d.estimate.half)
    assert not d.resolved


def test_cells_that_scored_other_records_cannot_share_a_table(fake) -> None:
    root = fake.write()
    path = sorted(root.glob("cells/openi.lora*/*/test.parquet"))[0]
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(ReportError, match="scored different test records"):
        score(load(root, "demo"), "openi")


def test_one_seed_each_gives_patient_intervals_that_say_so(fake) -> None:
    fake.seeds = (0,)
    scores = scored(fake)
    e = row(scores, "dp_lora", 1.0).estimates["weighted"]
    assert e.df is None and e.half > 0 and "one seed: no seed variance" in e.flags


def test_nothing_finished_gives_no_scores(fake) -> None:
    fake.status = {
        f"openi.{m}.eps{e:g}.{role}.s{s}": "planned" for m, e, s, _, role in fake.cells()
    }
    assert score(load(fake.write(), "demo"), "openi") is None


def test_row_is_tied_with_the_best(fake) -> None:
    """Its interval of the difference holds zero."""
    scores = scored(fake)
    for epsilon in (1.0, 10.0):
        top, ties = best(scores, epsilon)
        assert top is not None
        rows = [r for r in scores.rows if r.epsilon == epsilon]
        assert top.estimates["weighted"].mean == max(r.estimates["weighted"].mean for r in rows)
        for d in scores.differences:
            names = {d.first.name, d.second.name}
            if d.first.epsilon == epsilon and top.name in names:
                (other,) = names - {top.name}
                assert (other in ties) == (d.estimate.low <= 0 <= d.estimate.high)
