"""Attribute inference: a withheld label of a record, from the model's word and the other labels.

    radpriv attack SUITE --attack attribute

The attacker has a patient's report but for one label, and the model (Fredrikson, Jha and Ristenpart
2015; Yeom et al. 2018, arXiv 1709.01604, experiment 4). What the other labels tell by themselves is
no leak: a logistic regression fitted on test records, which are never candidates, guesses label j
from the others, and the amount is what the model adds to that guess, in bits:

    log2 P(yⱼ | the model) − log2 P(yⱼ | the other labels), mean over a record's observed labels

A useful model adds bits for everybody; what leaks is what it adds for members beyond others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from radpriv.attacks.attack import Extraction, attacks
from radpriv.attacks.extraction.logistic import fit, probability
from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import Matrix, View
from radpriv.errors import AttackError

WORDS = ("model", "population")


@attacks.register("attribute")
@dataclass(frozen=True)
class Attribute(Extraction):
    """Bits that the model adds to a guess of each withheld label.

    word: "model" takes the model's own probability, σ(logitⱼ).  "population" fits P(yⱼ | logitⱼ,
    the other labels) on test records: better calibrated for those who are no members, and blind
    where a model knows its members by heart and says nothing of others.
    """

    word: str = "model"

    version: ClassVar[int] = 1
    on: ClassVar[str] = "records"
    needs: ClassVar[frozenset[str]] = frozenset()
    quantity: ClassVar[str] = "bits that the model adds on a withheld label"
    chance: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        if self.word not in WORDS:
            raise AttackError(f"attribute: word '{self.word}': one of {', '.join(WORDS)}")

    def score(self, view: View) -> Floats:
        """float64 (m,), bits; NaN where a record shows no label that test records do."""
        known, labels = view.population, np.asarray(view.labels, np.float64)
        each = np.full(labels.shape, np.nan)
        for j in range(labels.shape[1]):
            seen, observed = ~np.isnan(known.labels[:, j]), ~np.isnan(labels[:, j])
            if not seen.any():
                continue
            y = known.labels[seen, j].astype(np.float64)
            least = 1.0 / (y.size + 2.0)
            taught, shown = others(known.labels, j)[seen], others(view.labels, j)[observed]
            guess = probability(shown, fit(taught, y))
            if self.word == "model":
                predicted = expit(view.logits[observed, j].astype(np.float64))
            else:
                logit, of_these = known.logits[seen, j], view.logits[observed, j]
                weight = fit(_joined(taught, logit, logit), y)
                predicted = probability(_joined(shown, of_these, logit), weight)
            truth = labels[observed, j]
            each[observed, j] = log_score(predicted, truth, least) - log_score(guess, truth, least)
        if np.isnan(each).all() and not np.isnan(labels).all():
            raise AttackError("no test record shows a label of the candidates: no guess to beat")
        count = (~np.isnan(each)).sum(axis=1)
        total = np.nansum(each, axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float64)


def others(labels: Matrix, j: int) -> Floats:
    """(n, L − 1): 1 and −1 for the labels beside j, 0 where one is not observed."""
    rest = np.delete(np.asarray(labels, np.float64), j, axis=1)
    signs: Floats = np.where(np.isnan(rest), 0.0, 2.0 * rest - 1.0)
    return signs


def log_score(p: Floats, truth: Floats, least: float) -> Floats:
    """log2 of the probability given to what is true; within [least, 1 − least].

    One wrong certainty would else be worth any number of right guesses: nobody who has seen n
    records may be surer than 1/(n + 2).
    """
    right = np.where(truth > 0.5, p, 1.0 - p)
    found: Floats = np.log(np.clip(right, least, 1.0 - least)) / math.log(2)
    return found


def _joined(signs: Floats, logit: Matrix, scale: Matrix) -> Floats:
    """The other labels and one logit, centred and scaled as those of `scale` are."""
    z, of = logit.astype(np.float64), scale.astype(np.float64)
    deviation = float(of.std())
    return np.column_stack([signs, (z - of.mean()) / (deviation if deviation > 0 else 1.0)])
