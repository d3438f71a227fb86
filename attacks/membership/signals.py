"""What one model says of one record, in one number: loss, joint logit, likelihood.

    mean_loss(model)    # ℓ, the mean cross-entropy over the record's observed labels, float64 (n,)
    joint_logit(total)  # log p − log(1 − p) with p = exp(−total)
    phi(model)          # φ, the joint logit of the loss *summed* over observed labels
    likelihood(model)   # exp(−ℓ), the geometric mean of the labels' probabilities

A model is whatever has logits and labels (n, L), NaN = not observed, and a memo: a View, a
Reference or a Population. Each statistic is computed once per model and kept in its memo, so that
64 targets with 63 references each cost 64 computations. A record without any observed label has NaN
here; the attacks put it in the middle (`filled`).

Which statistic, where records differ in how many labels they show? Compared *across* records, as a
loss threshold and RMIA do, it must be a mean: a sum ranks records by the number of their labels
(loss.py), and the joint p of 18 labels is so small that RMIA's constant drowns it. Compared with
*the same record* in other models, as LiRA does, the count cancels, and the sum keeps what the mean
loses: more labels are more evidence, and a pooled variance weighs them so. On logistic regressions
over 300 simulated features (train and test accuracy 0.96 and 0.88, 6 labels, 16 references) LiRA
reached TPR 0.30 at 1% FPR with the joint logit of the sum and 0.20 with that of the mean, and 0.30
against 0.18 where half of the records showed a third of their labels; the mean is the better one
only of models that fit every record, where online both are near 1 and offline it is 0.91 against
1.00. Averaging per-label logits
instead is far worse: one label that a model gets wrong outweighs what it learned of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from radpriv.attacks.membership.loss import mean_bce
from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.view import Matrix, Memo, View, memoised

TINY = float(np.finfo(np.float64).tiny)


class Model(Protocol):
    """One model's outputs on n records."""

    @property
    def logits(self) -> Matrix: ...
    @property
    def labels(self) -> Matrix: ...
    @property
    def memo(self) -> Memo: ...


def mean_loss(model: Model) -> Floats:
    """Mean cross-entropy ℓ over observed labels, float64 (n,), in nats; NaN where none is."""
    return memoised(model.memo, "mean loss", lambda: mean_bce(model.logits, model.labels))


def phi(model: Model) -> Floats:
    """Scaled confidence φ = log p − log(1 − p), float64 (n,), p the observed labels' probability.

    The logit scaling of Carlini et al. 2022 (2112.03570), with the joint probability of all labels.
    """

    def make() -> Floats:
        observed = (~np.isnan(model.labels)).sum(axis=1)
        return joint_logit(mean_loss(model) * observed)

    return memoised(model.memo, "joint logit", make)


def likelihood(model: Model) -> Floats:
    """Likelihood exp(−ℓ), float64 (n,) in [0, 1]: a geometric mean over observed labels."""
    return memoised(model.memo, "likelihood", lambda: np.exp(-mean_loss(model)))


def joint_logit(total: Floats) -> Floats:
    """log p − log(1 − p) for p = exp(−total), finite at any finite total ≥ 0; NaN stays NaN.

    1 − p is −expm1(−total), which loses no digit near p = 1; near p = 0 log1p(−p) loses none. A
    loss that float64 rounds to 0 counts as the smallest normal number, which gives φ = 708.
    """
    loss = np.maximum(total, TINY)
    small = np.minimum(loss, np.log(2.0))  # each branch is evaluated where it is exact, only
    large = np.maximum(loss, np.log(2.0))
    rest = np.where(loss < np.log(2.0), np.log(-np.expm1(-small)), np.log1p(-np.exp(-large)))
    return np.asarray(-loss - rest)


def labelled(model: Model) -> Bools:
    """Whether any label of a record is observed, bool (n,); the others say nothing."""
    return np.asarray(~np.isnan(model.labels).all(axis=1))


def stacked(view: View, statistic: Callable[[Model], Floats], rows: Bools) -> tuple[Floats, Bools]:
    """A statistic of every reference: (values float64 (k, rows), member bool (k, rows)).

    Args:
        view: of one target, with k references.
        statistic: gives float64 (m,) for one model.
        rows: bool (m,), which candidates.
    """
    k, n = len(view.references), int(rows.sum())
    values, member = np.empty((k, n)), np.empty((k, n), dtype=np.bool_)
    for j, reference in enumerate(view.references):
        values[j] = statistic(reference)[rows]
        member[j] = reference.member[rows]
    return values, member


def filled(scores: Floats, rows: Bools) -> Floats:
    """Scores of all candidates, float64 (m,): given ones, and their median for the others.

    Args:
        scores: float64 (rows,).
        rows: bool (m,), whose they are.
    """
    middle = float(np.median(scores)) if scores.size else 0.0
    whole = np.full(rows.shape, middle)
    whole[rows] = scores
    return whole
