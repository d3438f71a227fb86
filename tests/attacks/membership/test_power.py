"""Positive control: 2,400 mislabelled candidates, half of them learned by an over-fitted model.

Sparse random words, labels a linear function of them, all labels of every candidate flipped; one
hardly regularised logistic regression per label and seed. Run with `-m slow -s` to see the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from radpriv.attacks.attack import make_attack
from radpriv.attacks.metrics import auc, tpr_at_fpr

MakeFamily = Callable[..., list[Any]]
SEEDS, BASE, M, TESTED, WORDS, LABELS = 6, 600, 2400, 1200, 5000, 5
ON_SCORES = ("loss", "reference", "reference_untuned", "lira", "lira_offline", "rmia", "quantile")


def control(make_family: MakeFamily, trained: bool) -> list[Any]:
    """Six seeds; with `trained` False no candidate is shown to any model."""
    rng = np.random.default_rng(7)
    total = BASE + M + TESTED
    x = sparse.random(total, WORDS, 0.006, format="csr", random_state=rng, data_rvs=np.ones)
    truth = (x @ rng.standard_normal((WORDS, LABELS)) > 0).astype(np.float32)
    labels = truth.copy()
    labels[BASE : BASE + M] = 1 - labels[BASE : BASE + M]
    member = rng.random((SEEDS, M)) < 0.5
    logits = np.empty((SEEDS, total, LABELS), dtype=np.float32)
    untuned = np.empty((total, LABELS), dtype=np.float32)
    for seed in range(SEEDS):
        base = np.flatnonzero(rng.random(BASE) < 0.9)
        rows = np.concatenate([base, BASE + np.flatnonzero(member[seed] & trained)])
        for j in range(LABELS):
            model = LogisticRegression(C=1e4, solver="liblinear")
            logits[seed, :, j] = model.fit(x[rows], labels[rows, j]).decision_function(x)
            if seed == 0:
                model.fit(x[:BASE], labels[:BASE, j])
                untuned[:, j] = model.decision_function(x)
    features = (x @ rng.standard_normal((WORDS, 32))).astype(np.float32)
    mine, tested = slice(BASE, BASE + M), slice(BASE + M, total)
    return make_family(
        logits[:, mine],
        labels[mine],
        member,
        logits[:, tested],
        labels[tested],
        length=np.asarray(x[mine].sum(axis=1)).ravel().astype(np.int32),
        features=features[mine],
        population_features=features[tested],
        untuned=untuned[mine],
        population_untuned=untuned[tested],
    )


@pytest.mark.slow
def test_over_fitted_control_leaks_and_the_untrained_does_not(make_family: MakeFamily) -> None:
    """The over-fitted control leaks, and the untrained one does not."""
    leaking, untrained = control(make_family, True), control(make_family, False)
    for name in (*ON_SCORES, "blind"):
        attack = make_attack(name, {})
        answers = [(attack.score(view), member) for view, member in leaking[:3]]
        area = float(np.mean([auc(s, m) for s, m in answers]))
        rate = float(np.mean([tpr_at_fpr(s, m, 0.01) for s, m in answers]))
        nothing = [auc(attack.score(view), member) for view, member in untrained[:3]]
        print(f"{name:18} AUC {area:.3f}  TPR@1% {rate:.3f}  untrained {np.mean(nothing):.3f}")
        if name == "blind":
            assert abs(area - 0.5) < 0.04
        else:
            assert area >= 0.8 and rate >= 0.2, name
        error = np.sqrt((M + 1) / (12 * (M / 2) ** 2))
        assert all(abs(a - 0.5) < 4 * error for a in nothing), name
