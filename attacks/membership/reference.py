"""Loss, less how hard the record is: the reference attack, after Watson et al. (arXiv 2111.08440).

    reference            −ℓ in the target + mean ℓ over references that did not see the record
    reference_untuned    −ℓ in the target + ℓ of the same encoder before fine-tuning, under the
                         trained head (as LoRA-Leak does with the base model, arXiv 2507.18302)

ℓ is the mean cross-entropy over observed labels (loss.py). The first takes held_out_models.py's
word for a record that all references saw; with k = 0, or references of members alone, it is the
loss attack. The second needs no other seed: the untuned encoder costs a forward pass. Its head did
see members, so it hides what the head leaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.membership.held_out_models import outside
from radpriv.attacks.membership.loss import mean_bce
from radpriv.attacks.membership.signals import filled, labelled, mean_loss, stacked
from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import View
from radpriv.errors import AttackError


@attacks.register("reference")
@dataclass(frozen=True)
class ReferenceAttack(Attack):
    """How much better the target fits a record than other seeds do that never saw it."""

    def score(self, view: View) -> Floats:
        rows = labelled(view)
        expected = outside(*stacked(view, mean_loss, rows))
        hardness = np.zeros(int(rows.sum())) if expected is None else expected
        return filled(hardness - mean_loss(view)[rows], rows)


@attacks.register("reference_untuned")
@dataclass(frozen=True)
class ReferenceUntuned(Attack):
    """How much better fine-tuning made the encoder on this record."""

    needs: ClassVar[frozenset[str]] = frozenset({"untuned"})

    def score(self, view: View) -> Floats:
        if view.untuned is None:
            raise AttackError(
                "attack 'reference_untuned' compares with the encoder before fine-tuning, and this "
                "view has no untuned logits: attack a method with an encoder, with its data at hand"
            )
        rows = labelled(view)
        return filled(mean_bce(view.untuned, view.labels)[rows] - mean_loss(view)[rows], rows)
