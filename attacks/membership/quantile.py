"""Quantile regression (Bertran et al. 2023, arXiv 2307.03694): confident beyond what a record like
this one gets from a model that never saw it? One model and no reference is needed.

Test records are non-members. On them two boosted regressions with the pinball loss learn the median
m(x) and the quantile q(x) at `level` of φ, the joint logit of the mean loss (signals.py), from
what the attacker knows of x: the principal components of its frozen features, its labels, how many
are observed and how many positive. Trees follow the records they were grown on, so q is moved by
the one constant that makes its cross-fitted coverage right (without, 300 test records gave 0.82 at
level 0.9, and 4,000 gave 0.88). The score is

    (φ − m(x)) / (q(x) − m(x))

so that a score above 1 is what the paper flags, φ > q(x), at the false-positive rate 1 − level.
Other thresholds take the distribution around m(x) to be one shape of unequal width; the bare
difference φ − q(x) would take its width to be one, too. A width below a tenth of the population's
own counts as that.

    Quantile().diagnostics(view)   # {"level": 0.9, "coverage": 0.89, "gain": 0.12, "records": 800}

coverage: the share of held-out test records below q, which should be `level`.  gain: by how much
q's held-out pinball loss undercuts that of the constant quantile; at 0 or below, x tells nothing of
how confident a model is, and the attack is the loss attack with noise. Both are cross-fitted over
three public folds. Below `FEWEST` test records the quantiles are constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.membership.principal_components import PrincipalAxes, principal
from radpriv.attacks.membership.signals import Model, filled, joint_logit, labelled, mean_loss
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_permutation
from radpriv.attacks.view import Matrix, View
from radpriv.errors import AttackError

FEWEST = 100
FOLDS = 3
NARROW = 0.1


@attacks.register("quantile")
@dataclass(frozen=True)
class Quantile(Attack):
    """level: of the upper quantile.  components: of the features that are kept."""

    level: float = 0.9
    components: int = 16
    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    by_subset: ClassVar[bool] = False  # a regression for each label and seed takes minutes

    def __post_init__(self) -> None:
        if not (0.5 < self.level < 1 and self.components >= 0):
            raise AttackError("quantile: give a level above 0.5 and below 1")

    def score(self, view: View) -> Floats:
        rows = labelled(view)
        mine = joint_logit(mean_loss(view)[rows])
        x, theirs = self._population(view)
        if not theirs.size:
            return filled(mine, rows)
        queries = self._columns(view, view.features, self._axes(view))[rows]
        middle = fitted(x, theirs, 0.5, queries)
        width = covering(x, theirs, self.level, queries) - middle
        usual = float(np.quantile(theirs, self.level) - np.quantile(theirs, 0.5))
        least = NARROW * usual if usual > 0 else 1.0
        return filled((mine - middle) / np.maximum(width, least), rows)

    def diagnostics(self, view: View) -> dict[str, float]:
        """How good the upper quantile is on test records that it was not fitted on."""
        x, theirs = self._population(view)
        if theirs.size < FEWEST:
            return {"level": self.level, "records": float(theirs.size)}
        fold = folds(theirs.size, "diagnostics")
        held, constant = np.empty(theirs.size), np.empty(theirs.size)
        for f in range(FOLDS):
            out = fold == f
            held[out] = covering(x[~out], theirs[~out], self.level, x[out])
            constant[out] = np.quantile(theirs[~out], self.level)
        least = pinball(theirs, constant, self.level)
        return {
            "level": self.level,
            "records": float(theirs.size),
            "coverage": float((theirs <= held).mean()),
            "gain": 1 - pinball(theirs, held, self.level) / least if least > 0 else 0.0,
        }

    def _population(self, view: View) -> tuple[Floats, Floats]:
        """(columns, φ) of the test records that have a label."""
        population, test = view.population, labelled(view.population)
        x = self._columns(population, population.features, self._axes(view))
        return x[test], joint_logit(mean_loss(population)[test])

    def _axes(self, view: View) -> PrincipalAxes:
        if view.features is None or view.population.features is None:
            raise AttackError(
                "attack 'quantile' regresses on frozen features, and this view has none: attack a "
                "method with an encoder, with its data at hand"
            )
        return principal(view.population.features, self.components)

    @staticmethod
    def _columns(model: Model, features: Matrix | None, axes: PrincipalAxes) -> Floats:
        """float64 (n, columns); an unobserved label is NaN, which the trees send its own way."""
        assert features is not None
        observed = ~np.isnan(model.labels)
        counts = [observed.sum(axis=1), np.nansum(model.labels, axis=1)]
        return np.column_stack([axes.of(features), model.labels, *counts]).astype(np.float64)


def fitted(x: Floats, y: Floats, level: float, queries: Floats) -> Floats:
    """The quantile of y given x at `queries`, one for each; a constant below `FEWEST` rows."""
    if len(y) < FEWEST or not len(queries):
        return np.full(len(queries), np.quantile(y, level))
    trees = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=level,
        max_iter=60,
        learning_rate=0.1,
        max_leaf_nodes=4,
        min_samples_leaf=max(20, len(y) // 50),
        early_stopping=False,
        random_state=0,  # used for nothing below 200,000 rows
    )
    with threadpool_limits(1, user_api="openmp"):  # on so few rows threads cost 3 to 10 times more
        return np.asarray(trees.fit(x, y).predict(queries), dtype=np.float64)


def covering(x: Floats, y: Floats, level: float, queries: Floats) -> Floats:
    """`fitted`, moved by the constant that gives cross-fitted predictions coverage `level`."""
    predicted = fitted(x, y, level, queries)
    if len(y) < FEWEST:
        return predicted
    fold, beyond = folds(len(y), "coverage"), np.empty(len(y))
    for f in range(FOLDS):
        out = fold == f
        beyond[out] = y[out] - fitted(x[~out], y[~out], level, x[out])
    return predicted + float(np.quantile(beyond, level))


def folds(size: int, what: str) -> NDArray[np.int64]:
    """int64 (size,): the public fold of each test record."""
    return np.asarray(public_permutation(size, "quantile", what) % FOLDS)


def pinball(y: Floats, q: Floats, level: float) -> float:
    """The mean of level·(y − q)⁺ + (1 − level)·(q − y)⁺."""
    return float(np.maximum(level * (y - q), (level - 1) * (y - q)).mean())
