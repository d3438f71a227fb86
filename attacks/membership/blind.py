"""The attack that never asks the model: what a record alone tells of its membership.

Members and non-members of an audit set differ by a coin, so this must be at chance. Where it is
not, the split leaks (members are longer, newer, of other patients), every other attack inherits
that leak, and the cell is marked (Das, Zhang and Tramèr 2024, arXiv 2406.16201).

It learns from the other seeds' coins, pooled: a ridge-penalised logistic regression of "was in" on
length, similarity, each label, how many are observed and positive, how many candidates the patient
has, and, where the view has features, their first principal components. No logits are read.

What could make it non-null by mistake, and what is done about it:

- A record's own coins in other seeds. Were coins balanced over seeds they would give the target's
  away (in-count alone: AUC 1.000); a flexible regressor memorises them through anything that names
  a record. So no record is scored by a model that was fitted on it, or on another of its patient:
  patients are dealt into folds by a public shuffle of their names.
- Base rates of folds. A model fitted without a fold of many members has a lower intercept, which is
  the old leave-one-out bias; intercepts are left out of the score.
- Row order. Slots are sorted before anything is fitted.

Without references, without both kinds of coins, or with a single patient, nothing can be learned:
the order is then a public pseudo-random one, by slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.membership.principal_components import principal
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_permutation, public_words
from radpriv.attacks.view import View
from radpriv.errors import AttackError


def described(view: View) -> Floats:
    """What is known of each record without the model, standardised, float64 (m, columns)."""
    observed = ~np.isnan(view.labels)
    positive = np.where(observed, view.labels, 0.0)
    names, number = np.unique(np.array(view.patient), return_inverse=True)
    reports = np.bincount(number, minlength=len(names))[number]
    columns = [
        np.log1p(view.length.astype(np.float64)),
        view.similarity.astype(np.float64),
        observed.sum(axis=1),
        positive.sum(axis=1),
        np.log(reports),
        *positive.T,
        *observed.T,
    ]
    return standardised(np.stack(columns, axis=1).astype(np.float64))


def standardised(x: Floats) -> Floats:
    """Mean 0 and deviation 1 per column; constant columns are 0."""
    deviation = x.std(axis=0)
    flat = deviation <= 1e-12 * np.maximum(np.abs(x).max(axis=0, initial=0.0), 1.0)
    return np.where(flat, 0.0, (x - x.mean(axis=0)) / np.where(flat, 1.0, deviation))


def folds_of(patient: tuple[str, ...], folds: int) -> NDArray[np.int64]:
    """int64 (m,): the fold of each record; a patient is in one, whatever the order of records."""
    names, number = np.unique(np.array(patient), return_inverse=True)
    return np.asarray(public_permutation(len(names), "blind", "folds")[number] % folds)


def cross_fitted(x: Floats, ins: Floats, outs: Floats, fold: NDArray[np.int64], c: float) -> Floats:
    """float64 (m,): log-odds of "in", less the intercept, by a model of the other folds.

    ins, outs: in how many references a record was and was not.
    """
    scores = np.zeros(len(x))
    for f in np.unique(fold):
        rest, held = fold != f, fold == f
        counts = np.concatenate([ins[rest], outs[rest]])
        if not (ins[rest].any() and outs[rest].any()):
            continue
        target = np.repeat([1, 0], int(rest.sum()))
        model = LogisticRegression(C=c, tol=1e-8, max_iter=500)
        model.fit(np.concatenate([x[rest], x[rest]]), target, sample_weight=counts)
        scores[held] = x[held] @ model.coef_[0]
    return scores


def public_order(slots: NDArray[np.int64]) -> Floats:
    """float64 (m,) in [0, 1): a pseudo-random number for each slot, the same in any company."""
    words = public_words(int(slots.max(initial=0)) + 1, "blind", "order")[slots]
    return np.asarray(words / 2.0**64)


@attacks.register("blind")
@dataclass(frozen=True)
class Blind(Attack):
    """c: inverse weight of the ridge penalty.  folds: for cross-fitting.  components: kept."""

    c: float = 0.01
    folds: int = 5
    components: int = 16
    sees_model: ClassVar[bool] = False
    by_subset: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.c > 0 and self.folds >= 2 and self.components >= 0):
            raise AttackError("blind: give c above 0, two folds or more, and no negative count")

    def score(self, view: View) -> Floats:
        order = np.argsort(view.slots, kind="stable")
        ins, outs = _coins(view)
        if not (ins.any() and outs.any()) or len(set(view.patient)) < 2:
            return public_order(view.slots)
        x = described(view)[order]
        if view.features is not None and self.components:
            features = view.features[order]
            x = np.concatenate([x, principal(features, self.components).of(features)], axis=1)
        fold = folds_of(view.patient, self.folds)[order]
        scores = np.empty(len(view))
        scores[order] = cross_fitted(x, ins[order], outs[order], fold, self.c)
        return scores


def _coins(view: View) -> tuple[Floats, Floats]:
    """In how many references each candidate was, and was not, float64 (m,) each."""
    ins = np.zeros(len(view))
    for reference in view.references:
        ins += reference.member
    return ins, len(view.references) - ins
