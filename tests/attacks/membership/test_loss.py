"""The loss attack: the mean cross-entropy, stable, over observed labels only."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radpriv.attacks.attack import attacks, make_attack
from radpriv.attacks.membership.loss import Loss, mean_bce
from radpriv.attacks.metrics import auc
from radpriv.errors import SuiteError, UnknownNameError


@given(
    arrays(np.float32, (4, 3), elements=st.floats(-30, 30, width=32)),
    arrays(np.float32, (4, 3), elements=st.sampled_from([0.0, 1.0, np.nan])),
)
def test_loss_is_the_mean_cross_entropy_of_observed_labels(
    logits: np.ndarray, labels: np.ndarray
) -> None:
    """The loss equals the cross-entropy averaged over observed labels."""
    expected = []
    for row in zip(logits.tolist(), labels.tolist()):
        each = [math.log1p(math.exp(-z if y else z)) for z, y in zip(*row) if not math.isnan(y)]
        expected.append(sum(each) / len(each) if each else math.nan)
    assert mean_bce(logits, labels) == pytest.approx(expected, rel=1e-12, abs=1e-300, nan_ok=True)


def test_extreme_logits_neither_overflow_nor_vanish() -> None:
    with np.errstate(all="raise", under="ignore"):
        loss = mean_bce(
            np.array([[1e4], [-1e4], [50.0], [-1e4]], dtype=np.float32),
            np.array([[0.0], [0.0], [1.0], [1.0]], dtype=np.float32),
        )
    assert loss.tolist() == [1e4, 0.0, pytest.approx(math.exp(-50), rel=1e-12), 1e4]


def test_every_label_column_counts() -> None:
    logits = np.array([[1.0, 2.0, -3.0]], dtype=np.float32)
    labels = np.ones((1, 3), dtype=np.float32)
    changed = [np.array(labels) for _ in range(3)]
    for column, other in enumerate(changed):
        other[0, column] = 0.0
    losses = {float(mean_bce(logits, y)[0]) for y in [labels, *changed]}
    assert len(losses) == 4


def scores(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    view: Any = SimpleNamespace(logits=logits, labels=labels)
    return Loss().score(view)


def summed(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What the score must not be: few observed labels alone make it high."""
    return -np.nan_to_num(mean_bce(logits, labels) * (~np.isnan(labels)).sum(1))


def test_record_without_observed_labels_lies_in_the_middle() -> None:
    labels = np.array([[0, 0], [np.nan, 0], [np.nan, np.nan], [1, 1]], dtype=np.float32)
    found = scores(np.full((4, 2), -2.0, dtype=np.float32), labels)
    assert np.isfinite(found).all() and found[0] == found[1] == found[2] > found[3]
    assert summed(np.full((4, 2), -2.0), labels).argmax() == 2  # the sum calls it a member
    nothing = np.full((3, 2), np.nan, dtype=np.float32)
    assert scores(np.ones((3, 2), dtype=np.float32), nothing).tolist() == [0.0] * 3


def masked(rng: np.random.Generator, n: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(logits, labels) of records whose labels are observed with these shares; nothing learned."""
    labels = (rng.random((n, 6)) < 0.5).astype(np.float32)
    labels[rng.random((n, 6)) >= shares[:, None]] = np.nan
    return rng.normal(size=(n, 6)).astype(np.float32), labels


def test_unequal_masks_leave_the_auc_at_one_half() -> None:
    """Where nothing was learned, unequal masks leave the AUC at one half."""
    rng = np.random.default_rng(3)
    n = 6000
    member = rng.random(n) < 0.5
    three_deviations = 3 * math.sqrt((n + 1) / (12 * (n / 2) ** 2))
    anyhow = masked(rng, n, rng.uniform(0.1, 1.0, n))
    assert scores(*anyhow).std() > 0.1
    assert abs(auc(scores(*anyhow), member) - 0.5) < three_deviations
    fewer = masked(rng, n, np.where(member, 0.5, 0.9))  # and if members happen to show fewer labels
    assert abs(auc(scores(*fewer), member) - 0.5) < 0.03
    assert auc(summed(*fewer), member) > 0.8


def test_under_unequal_masks_the_mean_finds_what_the_sum_hides() -> None:
    rng = np.random.default_rng(4)
    n = 4000
    member = rng.random(n) < 0.5
    logits, labels = masked(rng, n, np.where(rng.random(n) < 0.5, 0.3, 1.0))
    logits += (np.nan_to_num(labels) * 2 - 1) * 0.5 * member[:, None]  # members are fitted better
    assert auc(scores(logits, labels), member) > auc(summed(logits, labels), member) + 0.05 > 0.6


def test_it_is_found_by_name_and_has_no_parameters() -> None:
    assert attacks.get("loss") is Loss
    attack = make_attack("loss", {})
    assert attack.params() == {} and attack.version == 3
    with pytest.raises(SuiteError, match="attack 'loss' has no parameter 'k'"):
        make_attack("loss", {"k": 3})
    with pytest.raises(UnknownNameError, match="did you mean 'loss'"):
        make_attack("los", {})
