"""White-box audit by gradient canaries (Nasr et al. 2023, arXiv 2302.07956): a likelihood ratio of
all that the releases show along each canary's direction.

At step t a release has x_t = D_t + C · (member and drawn) + N(0, σ²) in the canary's coordinate,
D_t being what real records put there. With D_t = 0 a member's x_t has density
(1 − q) N(x; 0, σ²) + q N(x; C, σ²) and a non-member's N(x; 0, σ²), and the sum over steps of the
log-ratio of the two is the most powerful score there is (at q = 1 it is linear in Σ x_t). The
ideal value (ideal.py) is computed with just that.

**Real records.** Clipped gradients spread over thousands of coordinates, and what they add to one
is mostly below σ, but not always small. Its course over time is learned from all canaries
(drift.py) and predicted in each coordinate from the steps before, by the recursive least squares of
a Kalman filter: the density of step t is that of x_t minus the prediction, with the variance that
is left. For members the steps before are first rid of what they hold of the canary, as likely as
it is.

Stray values remain, many σ from both densities, where the pure ratio grows without limit and one
of them decides the score. So each density is granted a thousandth of values that may lie anywhere
in a range of 100 σ, as in Huber's robust test (1965, Ann. Math. Stat. 36): the ratio of a value
that neither density explains goes to 1, and clean values keep theirs. What stays is a drift that
looks like a canary; no score can tell it from one without knowing the real records.

**Shared coordinates.** Canaries on one coordinate have one column; it shows how many of them are
members, not which. With g of them, k members give Binomial(k, q) drawn at a step, and the score is
the posterior log-odds of "this one is a member", the other coins being fair. They share that score.

Releases of one step share its draw; where a *sampled* step has several releases they are treated as
if each were drawn anew, which costs power and no validity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, xlog1py, xlogy

from radpriv.attacks.attack import Attack, attacks
from radpriv.attacks.epsilon import drift
from radpriv.attacks.epsilon.drift import Drift
from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import Projections, View
from radpriv.errors import AttackError

RANGE = 100.0
"""Width of the range in which a stray value lies, in σ."""


@attacks.register("white_box")
@dataclass(frozen=True)
class WhiteBox(Attack):
    """stray: share of values granted to neither density, in [0, 1).  drift: whether it is learned.
    With 0 and false the score is the pure likelihood ratio."""

    stray: float = 1e-3
    drift: bool = True

    version: ClassVar[int] = 1
    on: ClassVar[str] = "gradients"
    needs: ClassVar[frozenset[str]] = frozenset({"projections"})

    def __post_init__(self) -> None:
        if not 0 <= self.stray < 1:
            raise AttackError(f"white_box: stray = {self.stray}: give a share in [0, 1)")

    def score(self, view: View) -> Floats:
        if view.projections is None:
            raise AttackError(
                "white_box reads what releases show of gradient canaries, and this view has none: "
                "add { kind = 'gradient', count = … } to the suite's canaries"
            )
        return log_odds(view.projections, self.stray, self.drift)


def log_odds(seen: Projections, stray: float = 1e-3, learn_drift: bool = True) -> Floats:
    """The score of each canary, float64 (m,), finite; 0 where no release can show any."""
    noisy = seen.sigma > 0
    if not noisy.all():
        raise AttackError(
            f"release {int(np.flatnonzero(~noisy)[0])} has no noise, so a likelihood ratio of it "
            "is infinite: audit a run with noise"
        )
    x = seen.values / seen.sigma[:, None]
    shift = seen.norm / seen.sigma
    groups = _shared(x)
    model = drift.none(len(x))
    if learn_drift and groups:
        own = np.concatenate([columns[:, 0] for _, columns in groups])
        model = drift.learn(x[:, own], shift, seen.rate)
    score = np.zeros(x.shape[1])
    for size, columns in groups:
        some = np.array(
            [
                _log_likelihood(x[:, columns[:, 0]], shift, seen.rate, k, stray, model)
                for k in range(size + 1)
            ]
        )
        weight = _log_binomial(size - 1)[:, None]
        one_in = logsumexp(some[1:] + weight, axis=0)
        one_out = logsumexp(some[:-1] + weight, axis=0)
        score[columns] = (one_in - one_out)[:, None]
    return score


def _log_likelihood(
    x: Floats, shift: Floats, rate: Floats, members: int, stray: float, model: Drift
) -> Floats:
    """Of columns (releases, c) in units of σ with so many members, float64 (c,), but for a
    constant that is the same for every number of members."""
    total = np.zeros(x.shape[1])
    factors = np.zeros((model.courses.shape[1], x.shape[1]))  # their means given the steps before
    spread = np.eye(model.courses.shape[1])  # and their covariance, the same for all
    flat = math.log(stray / (1 - stray) * math.sqrt(2 * math.pi) / RANGE) if stray else -math.inf
    for t, course in enumerate(model.courses):
        variance = 1 + model.extra[t] + float(course @ spread @ course)
        seen = x[t] - course @ factors
        parts = np.array(
            [
                _log_share(members, drawn, float(rate[t]))
                - (seen - drawn * shift[t]) ** 2 / (2 * variance)
                for drawn in range(members + 1)
            ]
        )
        density = np.logaddexp.reduce(parts, axis=0)
        known = np.logaddexp(density, flat + math.log(variance) / 2)
        total += known
        if course.size:
            drawn = np.arange(members + 1) @ np.exp(parts - density)
            gain = spread @ course / variance
            # A stray value says nothing of the drift either.
            factors += np.outer(gain, (seen - drawn * shift[t]) * np.exp(density - known))
            spread = spread - np.outer(gain, course @ spread)
    return total


def _log_share(members: int, drawn: int, rate: float) -> float:
    """log P[Binomial(members, rate) = drawn]."""
    one, other = xlogy(drawn, rate), xlog1py(members - drawn, -rate)
    return _log_choose(members, drawn) + float(one) + float(other)


def _shared(x: Floats) -> list[tuple[int, NDArray[np.int64]]]:
    """(g, columns (groups, g)) for each g: columns that are equal, and so of one coordinate.

    Noise is continuous, so different coordinates are never equal in a release.
    """
    groups: dict[bytes, list[int]] = {}
    if x.shape[0] == 0:
        return []
    for i, column in enumerate(np.ascontiguousarray(x.T)):
        groups.setdefault(column.tobytes(), []).append(i)
    sizes = sorted({len(g) for g in groups.values()})
    return [(n, np.array([g for g in groups.values() if len(g) == n])) for n in sizes]


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _log_binomial(n: int) -> Floats:
    """log C(n, k), k = 0, …, n."""
    return np.array([_log_choose(n, k) for k in range(n + 1)])
