"""Likelihood-ratio attack (Carlini et al. 2022, arXiv 2112.03570): is this record's confidence that
of a model that saw it, or of one that did not?

The confidence is φ, the joint logit (signals.py). References give each record a Gaussian of φ in
models trained without it, N(μ_out, σ_out), and with it, N(μ_in, σ_in):

    lira            log N(φ; μ_in, σ_in) − log N(φ; μ_out, σ_out)     (online, their Algorithm 1)
    lira_offline    log Φ((φ − μ_out) / σ_out)                        (offline, one-sided)

The offline score is a tail, not a density: against N(0, 1) it ranks φ = 3 over 0 over −3, where
−log density would call the badly fitted −3 a member as soon as 3.

σ is the square root of the pooled variance, the squared deviations of all records from their own
means over the degrees of freedom. From `per_record` references on it is each record's own, where
that has two values or more, and at least a hundredth of the pooled one. Whoever has no OUT (or no
IN) reference gets its mean from held_out_models.py. Where nothing repeats, as with one reference, σ
is that of test records over the models, which all of them are OUT of.

With k = 0, or where the references are members alone, a record is compared with the population: log
Φ of its standardised joint logit, of the *mean* loss, since other records show other numbers of
labels. Where no reference has a member, the online score is the offline one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import log_ndtr

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.membership.held_out_models import split
from radpriv.attacks.membership.signals import (
    filled,
    joint_logit,
    labelled,
    mean_loss,
    phi,
    stacked,
)
from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.view import View
from radpriv.errors import AttackError

FLOOR = 0.01
"""The least σ of a single record, as a share of the pooled one."""


def log_ratio(
    target: Floats,
    values: Floats,
    member: Bools,
    spread: float,
    per_record: int = 64,
    online: bool = True,
) -> Floats | None:
    """LiRA's score, float64 (m,), or None where no reference tells what a non-member looks like.

    target: float64 (m,), φ in the target.  values, member: (k, m), φ and coins in the references.
    spread: σ where no record has two OUT references.
    """
    groups = split(values, member)
    if groups.outside is None:
        return None
    own = len(values) >= per_record
    s_out = _deviation(groups.spread_out, groups.count_out, spread, own)
    z_out = (target - groups.outside) / s_out
    if not online or groups.inside is None:
        return np.asarray(log_ndtr(z_out))
    pooled_out = float(_deviation(groups.spread_out, groups.count_out, spread, False)[0])
    s_in = _deviation(groups.spread_in, groups.count_in, pooled_out, own)
    z_in = (target - groups.inside) / s_in
    return np.asarray(np.log(s_out) - np.log(s_in) + 0.5 * (z_out**2 - z_in**2))


def _deviation(squares: Floats, count: Floats, otherwise: float, own: bool) -> Floats:
    """σ per record, (m,): pooled, or with `own` each record's, where it has two values."""
    freedom = np.maximum(count - 1, 0)
    total = float(freedom.sum())
    pooled = float(np.sqrt(squares.sum() / total)) if total else otherwise
    pooled = pooled if pooled > 0 else 1.0  # models that never differ: any one σ ranks alike
    if not own:
        return np.full(squares.shape, pooled)
    single = np.sqrt(squares / np.maximum(freedom, 1))
    return np.where(freedom > 0, np.maximum(single, FLOOR * pooled), pooled)


def spread_outside(view: View) -> float:
    """σ of φ over models, pooled over test records, which no model saw; 1 where nothing differs."""
    models = [view.population, *(r.population for r in view.references)]
    values = np.stack([phi(m) for m in models])
    values = values[:, labelled(view.population)]
    if len(models) < 2 or not values.size:
        return 1.0
    deviation = float(np.sqrt(values.var(axis=0, ddof=1).mean()))
    return deviation if deviation > 0 else 1.0


def against_population(view: View, rows: Bools) -> Floats:
    """log Φ of how far a record's joint logit lies above that of test records, in deviations.

    Without test records, or with ones that are all alike, the standard deviation counts as 1, and
    the candidates' own median as the middle.
    """
    mine = joint_logit(mean_loss(view)[rows])
    theirs = joint_logit(mean_loss(view.population))
    theirs = theirs[labelled(view.population)]
    if not theirs.size:
        return np.asarray(log_ndtr(mine - np.median(mine)))
    deviation = float(theirs.std())
    return np.asarray(log_ndtr((mine - theirs.mean()) / (deviation if deviation > 0 else 1.0)))


@dataclass(frozen=True)
class _Lira(Attack):
    """per_record: from how many references on a record gets a variance of its own."""

    per_record: int = 64
    online: ClassVar[bool]

    def __post_init__(self) -> None:
        if self.per_record < 2:
            raise AttackError(f"lira: per_record = {self.per_record}; give 2 references or more")

    def score(self, view: View) -> Floats:
        rows = labelled(view)
        if not rows.any():
            return filled(np.empty(0), rows)
        values, member = stacked(view, phi, rows)
        repeats = (~member).sum(axis=0).max(initial=0) >= 2
        spread = 1.0 if repeats else spread_outside(view)
        found = log_ratio(phi(view)[rows], values, member, spread, self.per_record, self.online)
        return filled(against_population(view, rows) if found is None else found, rows)


@attacks.register("lira")
@dataclass(frozen=True)
class Lira(_Lira):
    """Online: the log-ratio of the record's two Gaussians."""

    online: ClassVar[bool] = True


@attacks.register("lira_offline")
@dataclass(frozen=True)
class LiraOffline(_Lira):
    """Offline: how far the confidence lies above that of models without the record."""

    online: ClassVar[bool] = False
