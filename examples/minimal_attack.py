"""A whole attack. Copy this file, change `score`, then, on what `radpriv run` has left:

radpriv attack openi --attack my_attack.py
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from radpriv.api import Attack, attacks, mean_loss


@attacks.register("minimal_attack")  # your attack's name in suites and tables
@dataclass(frozen=True)
class MinimalAttack(Attack):
    """Calibrated loss (Watson et al. 2022, 2111.08440): a record's loss here beside elsewhere."""

    # Parameters, with defaults. They are part of a result's id.
    weight: float = 1.0  # how much of the references' loss is taken off

    # Raise it when a score changes its meaning, so that old results are made again.
    version: ClassVar[int] = 1

    def score(self, view):
        # `view` is one trained model over m candidates: logits and labels (m, L), without who was
        # in its training set. The same view must get the same scores: keep nothing between calls.
        loss = mean_loss(view)  # (m,); NaN for a record of which no label is observed

        # References are the other seeds. Of them it is known who was in (`r.member`, (m,)). There
        # may be none, and each may have seen all candidates: both must be fine.
        usual, seen = np.zeros(len(view)), np.zeros(len(view))
        for r in view.references:
            usual += np.where(r.member, 0.0, np.nan_to_num(mean_loss(r)))
            seen += ~r.member
        usual = usual / np.maximum(seen, 1)

        # One float per candidate, finite; higher means "more likely a member". For a record about
        # which nothing is known, answer the middle.
        score = self.weight * usual - loss
        known = score[np.isfinite(score)]
        return np.where(np.isfinite(score), score, np.median(known) if known.size else 0.0)
