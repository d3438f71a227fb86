"""What a record looks like to models that were trained without it, from k other seeds.

Every reference flipped its own coin for every candidate, so a record is OUT in about half of them.
With k = 3, though, one record in eight is IN in all of them. It is not dropped, and no minimum is
taken over nothing: what it would be outside is taken from what it is inside, less the *gap*, the
mean difference between members and non-members of one model, averaged over the references:

    groups = split(values, member)       # (k, m) each
    groups.outside                       # (m,): mean over OUT references, or inside − gap
    groups.inside                        # (m,): mean over IN references, or outside + gap

Only where every reference has members alone is there no gap and nothing outside; `outside` is then
None and the attack falls back on the population, as it does with k = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from radpriv.attacks.metrics import Bools, Floats


@dataclass(frozen=True, eq=False)
class Groups:
    """inside, outside: float64 (m,), or None where nothing tells.  spread_in, spread_out: float64
    (m,), sums of squared deviations from the record's own mean.  count_in, count_out: int64 (m,).
    """

    inside: Floats | None = field(repr=False)
    outside: Floats | None = field(repr=False)
    spread_in: Floats = field(repr=False)
    spread_out: Floats = field(repr=False)
    count_in: Floats = field(repr=False)
    count_out: Floats = field(repr=False)


def split(values: Floats, member: Bools) -> Groups:
    """Means and squared deviations of each record inside and outside.

    values: float64 (k, m), a statistic of each record under each reference.  member: bool (k, m).
    """
    centre = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    around = values - centre
    mean_in, spread_in, count_in = _moments(around, member.astype(np.float64))
    mean_out, spread_out, count_out = _moments(around, (~member).astype(np.float64))
    lone_in, lone_out = count_out == 0, count_in == 0
    gap = _gap(values, member) if lone_in.any() or lone_out.any() else None
    inside = outside = None
    if len(values) and (gap is not None or not lone_out.any()):
        inside = centre + np.where(lone_out, mean_out + (gap or 0.0), mean_in)
    if len(values) and (gap is not None or not lone_in.any()):
        outside = centre + np.where(lone_in, mean_in - (gap or 0.0), mean_out)
    return Groups(inside, outside, spread_in, spread_out, count_in, count_out)


def outside(values: Floats, member: Bools) -> Floats | None:
    """The means outside, float64 (m,), or None: `split` without the spreads."""
    return split(values, member).outside


def _moments(around: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean (0 where there is none), sum of squared deviations, and count, (m,) each.

    around: values less the record's mean over all references, so that Σw·v² − (Σw·v)²/Σw loses no
    digits.  weight: 1 for those that count, else 0.
    """
    count = weight.sum(axis=0)
    total = np.einsum("km,km->m", weight, around)
    squares = np.einsum("km,km,km->m", weight, around, around)
    mean = total / np.maximum(count, 1)
    return mean, np.maximum(squares - total * mean, 0.0), count


def _gap(values: Floats, member: Bools) -> float | None:
    """Members' mean less others', averaged over references that have both; None if none has."""
    both = member.any(axis=1) & ~member.all(axis=1)
    if not both.any():
        return None
    v, m = values[both], member[both]
    within = np.where(m, v, 0.0).sum(axis=1) / m.sum(axis=1)
    without = np.where(m, 0.0, v).sum(axis=1) / (~m).sum(axis=1)
    return float((within - without).mean())
