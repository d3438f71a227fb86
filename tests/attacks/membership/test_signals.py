"""Statistics of one model on one record: exact, finite, once per model."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.attacks.membership import signals
from radpriv.attacks.membership.signals import (
    filled,
    joint_logit,
    likelihood,
    mean_loss,
    phi,
)


def model(logits: list[list[float]], labels: list[list[float]]) -> Any:
    return SimpleNamespace(
        logits=np.array(logits, np.float32), labels=np.array(labels, np.float32), memo={}
    )


@given(st.floats(1e-300, 700))
def test_joint_logit_equals_that_of_long_arithmetic(loss: float) -> None:
    with localcontext() as context:
        context.prec = 400
        p = (-Decimal(loss)).exp()
        exact = float(p.ln() - (1 - p).ln()) if p < 1 else 0.0
    found = float(joint_logit(np.array([loss]))[0])
    assert found == pytest.approx(exact, rel=1e-12, abs=1e-13)


def test_it_is_finite_and_falling_from_no_loss_to_any_loss() -> None:
    losses = np.array([0.0, 1e-300, 1e-20, 1e-3, math.log(2), 1.0, 40.0, 800.0, 1e38])
    with np.errstate(all="raise", under="ignore"):
        found = joint_logit(losses)
    assert np.isfinite(found).all() and (np.diff(found) < 0).all()
    assert found[4] == pytest.approx(0, abs=1e-15)  # p = 1/2
    assert found[-1] == -1e38 and 700 < found[0] < 710


@given(st.floats(-600, 600, width=32), st.sampled_from([0.0, 1.0]))
def test_with_one_label_phi_is_the_logit_of_the_right_answer(z: float, y: float) -> None:
    assert phi(model([[z]], [[y]]))[0] == pytest.approx(z if y else -z, rel=1e-9, abs=1e-9)


def test_phi_sums_over_labels_and_likelihood_averages() -> None:
    """φ sums over observed labels, and the likelihood averages."""
    one = model([[1.0, -2.0, 9.0]], [[1.0, 1.0, math.nan]])
    losses = [math.log1p(math.exp(-1)), math.log1p(math.exp(2))]
    p = math.exp(-sum(losses))
    assert phi(one)[0] == pytest.approx(math.log(p) - math.log(1 - p))
    assert likelihood(one)[0] == pytest.approx(math.sqrt(p))


def test_record_without_labels_is_nan_and_ends_in_the_middle() -> None:
    silent = model([[1.0], [2.0]], [[math.nan], [1.0]])
    for statistic in (mean_loss, phi, likelihood):
        assert np.isnan(statistic(silent)).tolist() == [True, False]
    rows = np.array([True, False, True, True])
    assert filled(np.array([1.0, 5.0, 2.0]), rows).tolist() == [1.0, 2.0, 5.0, 2.0]
    assert filled(np.empty(0), np.zeros(2, bool)).tolist() == [0.0, 0.0]


def test_nothing_is_computed_twice_for_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    right = signals.mean_bce
    monkeypatch.setattr(signals, "mean_bce", lambda z, y: (calls.append(1), right(z, y))[1])
    one = model([[1.0]], [[1.0]])
    for statistic in (phi, likelihood, mean_loss, phi):
        statistic(one)
    assert len(calls) == 1
