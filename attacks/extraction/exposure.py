"""Exposure of planted secrets (Carlini et al. 2019, arXiv 1802.08232), by asking the saved model.

    radpriv attack SUITE --attack exposure        # of a suite with {kind = "secret", …} canaries

A canary is a public sentence with one of `space` accession numbers and coin-flip labels. Whoever
knows all but the number asks the model for every number, or for a sample of them, and ranks them by
the cross-entropy of the canary's labels. A planted secret that the model memorised comes first and
shows log2(space) bits; one that was never planted has a uniform rank and shows 1.44 on average.

Copies of a canary are one secret: it is asked once, and all its rows get the answer. A sample is
drawn by a public rule from (canary, space), so equal inputs give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from radpriv.attacks.attack import Extraction, attacks
from radpriv.attacks.extraction import bits
from radpriv.attacks.membership.loss import mean_bce
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_permutation, public_words
from radpriv.attacks.view import Matrix, Secret, View
from radpriv.errors import AttackError

ESTIMATES = ("auto", "rank", "fit")
TOGETHER = 2048
"""Texts per call of the model; more would only take memory."""


@attacks.register("exposure")
@dataclass(frozen=True)
class Exposure(Extraction):
    """Bits of each secret that the model gives away.

    candidates: other secrets that are asked per canary, where the space has more than `exact`; a
    space of at most `exact` is asked in full, and its ranks are exact.  estimate: "auto" is the
    rank, and where a sample cannot resolve it (the canary beats them all) the skew-normal fitted on
    the cross-entropy, never less than the sample shows; "rank" and "fit" are either alone.
    """

    candidates: int = 128
    exact: int = 1000
    estimate: str = "auto"

    version: ClassVar[int] = 1
    on: ClassVar[str] = "secrets"
    needs: ClassVar[frozenset[str]] = frozenset({"query", "secrets"})
    quantity: ClassVar[str] = f"exposure, bits (rank; skew-normal on the {bits.SCALE} beyond it)"
    chance: ClassVar[float | None] = bits.CHANCE

    def __post_init__(self) -> None:
        if self.estimate not in ESTIMATES:
            raise AttackError(f"exposure: estimate '{self.estimate}': {', '.join(ESTIMATES)}")
        if self.candidates < 9 or self.exact < 0:
            raise AttackError("exposure: give at least 9 candidates, and exact of at least 0")

    def score(self, view: View) -> Floats:
        """float64 (m,), bits; the same for all copies of a canary."""
        if view.query is None or view.secrets is None or None in view.secrets:
            raise AttackError("exposure needs the saved model and a secret of every candidate")
        answer = np.full(len(view), np.nan)
        for rows in copies(view):
            secret = view.secrets[rows[0]]
            assert secret is not None
            candidates = [secret.truth, *self.others(secret, view.patient[rows[0]])]
            texts = [secret.text(number) for number in candidates]
            logits = np.concatenate([view.query(part) for part in parts(texts)])
            answer[rows] = self.bits(losses_of(logits, view.labels[rows[0]]), secret.space)
        return answer

    def others(self, secret: Secret, name: str) -> list[int]:
        """Other secrets of the space: all of them in order, or a public sample."""
        space = secret.space
        if space <= max(self.exact, self.candidates + 1):
            return [number for number in range(space) if number != secret.truth]
        path = ("exposure", name, space)
        if space <= 4 * self.candidates:
            drawn = public_permutation(space, *path).tolist()
        else:
            words = public_words(4 * self.candidates, *path) % np.uint64(space)
            drawn = list(dict.fromkeys(words.tolist()))
        return [number for number in drawn if number != secret.truth][: self.candidates]

    def bits(self, losses: Floats, space: int) -> float:
        """From the losses of the canary and then the others."""
        truth, others = float(losses[0]), losses[1:]
        if self.estimate == "fit":
            return bits.exposure_by_fit(truth, others, space)
        ranked = bits.exposure_by_rank(truth, others)
        if self.estimate == "rank" or losses.size == space or truth >= others.min():
            return ranked
        return max(ranked, bits.exposure_by_fit(truth, others, space))


def losses_of(logits: Matrix, labels: Matrix) -> Floats:
    """Cross-entropy per row of logits (n, L) of one record's labels (L,); 0 if it has none."""
    if np.isnan(labels).all():
        return np.zeros(len(logits))
    return mean_bce(logits, np.broadcast_to(labels, logits.shape))


def copies(view: View) -> list[list[int]]:
    """Rows of each canary, in order of its first; AttackError if its copies differ."""
    found: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(view.kind, view.patient, strict=True)):
        found.setdefault(key, []).append(row)
    for rows in found.values():
        first, *rest = (view.secrets[r] for r in rows)  # type: ignore[index]
        for other in rest:
            assert first is not None and other is not None
            if (first.truth, first.space) != (other.truth, other.space):
                raise AttackError("copies of one canary carry different secrets: run it again")
    return list(found.values())


def parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), TOGETHER):
        yield texts[start : start + TOGETHER]
