"""Loss threshold (Yeom et al. 2018, arXiv 1709.01604): what a model fits well, it has seen.

The score is −ℓ, ℓ the binary cross-entropy summed over the observed labels: what training sums
before it divides by the constant number of labels. One model is enough and nothing is fitted, so
the leakage it shows is a floor. A record without any observed label scores 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from radpriv.attacks.metrics import Floats
from radpriv.attacks.registry import Attack, attacks
from radpriv.attacks.view import Matrix, View


def summed_bce(logits: Matrix, labels: Matrix) -> Floats:
    """ℓ per record, float64 (n,), from logits and labels (n, L); labels that are NaN are skipped.

    With s = ±1 for a positive or negative label, the cross-entropy is log(1 + exp(−s·z)), computed
    as max(−s·z, 0) + log1p(exp(−|z|)): no overflow, and no loss of small values, at any logit.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    against = np.where(y > 0.5, -z, z)
    each = np.maximum(against, 0.0) + np.log1p(np.exp(-np.abs(z)))
    return np.asarray(np.where(np.isnan(y), 0.0, each).sum(axis=1), dtype=np.float64)


@attacks.register("loss")
@dataclass(frozen=True)
class Loss(Attack):
    """Members are the records of low loss."""

    version: ClassVar[int] = 2  # 2: its results leave near-copies out of AUC and TPR

    def score(self, view: View) -> Floats:
        return -summed_bce(view.logits, view.labels)
