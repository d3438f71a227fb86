"""The loss attack: the summed cross-entropy, stable, over observed labels only."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radpriv.attacks.membership.loss import Loss, summed_bce
from radpriv.attacks.registry import attacks, make_attack
from radpriv.errors import SuiteError, UnknownNameError


@given(
    arrays(np.float32, (4, 3), elements=st.floats(-30, 30, width=32)),
    arrays(np.float32, (4, 3), elements=st.sampled_from([0.0, 1.0, np.nan])),
)
def test_it_equals_the_cross_entropy_added_up_over_observed_labels(
    logits: np.ndarray, labels: np.ndarray
) -> None:
    expected = [
        sum(math.log1p(math.exp(-z if y else z)) for z, y in zip(*row) if not math.isnan(y))
        for row in zip(logits.tolist(), labels.tolist())
    ]
    assert summed_bce(logits, labels) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_extreme_logits_neither_overflow_nor_vanish() -> None:
    with np.errstate(all="raise", under="ignore"):
        loss = summed_bce(
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
    losses = {float(summed_bce(logits, y)[0]) for y in [labels, *changed]}
    assert len(losses) == 4


def test_a_record_without_observed_labels_scores_zero() -> None:
    nothing = np.full((1, 2), np.nan, dtype=np.float32)
    assert summed_bce(np.ones((1, 2), dtype=np.float32), nothing).tolist() == [0.0]


def test_it_is_found_by_name_and_has_no_parameters() -> None:
    assert attacks.get("loss") is Loss
    attack = make_attack("loss", {})
    assert attack.params() == {} and attack.version == 2
    with pytest.raises(SuiteError, match="attack 'loss' has no parameter 'k'"):
        make_attack("loss", {"k": 3})
    with pytest.raises(UnknownNameError, match="did you mean 'loss'"):
        make_attack("los", {})
