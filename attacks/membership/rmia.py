"""RMIA (Zarifzadeh et al. 2024, arXiv 2312.03262, offline): does the target raise this record's
likelihood by more than it raises that of records it never saw?

    r_x = p(x) / p̄(x),   p̄(x) = ½ [(1 + a) p_out(x) + (1 − a)]
    score = share of the population z with r_x / r_z ≥ γ

p is the geometric mean over observed labels of their probabilities (signals.py), p_out its mean
over references without the record, z the test records, which every reference is OUT of. 1 − a is
what training on a record is taken to add: p_in = a·p_out + 1 − a.

Within one target the score rises with r_x, and a share alone would tie all records between the same
two z. Ties are therefore broken by log r_x: the answer is (z dominated + t)/(|Z| + 1), t in [0, 1)
rising with log r_x between the next lower and the next higher z, so that the whole part of
answer · (|Z| + 1) is the number of z that are dominated.

A record that every reference saw takes its loss outside from held_out_models.py. With k = 0, or
references of members alone, p_out is the mean likelihood of test records, one constant, and the
order is that of the loss. Without test records the answer is log r_x.

a = 0.8 was chosen on logistic regressions over simulated sparse and dense features (6 labels, 4 and
16 references, AUC from 0.73 to 1.00): 0.8 and 0.7 were best or within 0.01 of the best AUC where
anything was left to win, 0.9 up to 0.015 below, a = 1 (the plain ratio) up to 0.05 and a = 0 up to
0.15 below. γ moves the share and not the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.membership.held_out_models import outside
from radpriv.attacks.membership.signals import (
    TINY,
    filled,
    labelled,
    likelihood,
    mean_loss,
    stacked,
)
from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.view import View
from radpriv.errors import AttackError

WITHIN = 1 - 1e-9
"""How far ties go towards the next whole number: less than 1, so that rounding never reaches it."""


def log_gain(loss: Floats, out: Floats, a: float) -> Floats:
    """log r = −ℓ − log p̄, float64 (n,), from ℓ and p_out (n,) of the same records."""
    average = 0.5 * ((1 + a) * out + (1 - a))
    return np.asarray(-loss - np.log(np.maximum(average, TINY)))


def share_dominated(gain: Floats, population: Floats, gamma: float) -> Floats:
    """float64 (n,) in [0, 1): share of z with log r_x − log r_z ≥ log γ, ties broken by log r_x."""
    bars = np.sort(population) + np.log(gamma)
    below = np.searchsorted(bars, gain, side="right")
    low, high = bars[np.maximum(below - 1, 0)], bars[np.minimum(below, bars.size - 1)]
    inner = (gain - low) / np.where(high > low, high - low, 1.0)
    under = 1 / (1 + np.maximum(high - gain, 0))  # below all z, and above all of them
    over = 1 - 1 / (1 + np.maximum(gain - low, 0))
    part = np.where(below == 0, under, np.where(below == bars.size, over, inner))
    return np.asarray((below + WITHIN * np.clip(part, 0.0, 1.0)) / (bars.size + 1))


@attacks.register("rmia")
@dataclass(frozen=True)
class Rmia(Attack):
    """a: how much of a likelihood is left outside, 0 to 1.  gamma: by how much z is dominated."""

    a: float = 0.8
    gamma: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.a <= 1 and self.gamma > 0):
            raise AttackError(
                f"rmia: a = {self.a}, gamma = {self.gamma}; give a from 0 to 1 and gamma above 0"
            )

    def score(self, view: View) -> Floats:
        rows, test = labelled(view), labelled(view.population)
        gain = log_gain(mean_loss(view)[rows], self._outside(view, rows, test), self.a)
        if not test.any():
            return filled(gain, rows)
        z = log_gain(mean_loss(view.population)[test], self._tested(view, test), self.a)
        return filled(share_dominated(gain, z, self.gamma), rows)

    def _outside(self, view: View, rows: Bools, test: Bools) -> Floats:
        """p_out of each candidate, (rows,)."""
        values, member = stacked(view, likelihood, rows)
        seen_out = ~member
        counts = seen_out.sum(axis=0)
        mean = np.where(seen_out, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
        if counts.size and counts.min() > 0:
            return mean
        losses = outside(*stacked(view, mean_loss, rows))
        if losses is None:
            return np.full(int(rows.sum()), self._constant(view, test))
        return np.where(counts > 0, mean, np.exp(-np.maximum(losses, 0.0)))

    def _tested(self, view: View, test: Bools) -> Floats:
        """p_out of each test record, (test,)."""
        if not any((~r.member).any() for r in view.references):
            return np.full(int(test.sum()), self._constant(view, test))
        return np.mean([likelihood(r.population)[test] for r in view.references], axis=0)

    @staticmethod
    def _constant(view: View, test: Bools) -> float:
        return float(likelihood(view.population)[test].mean()) if test.any() else 0.5
