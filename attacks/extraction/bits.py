"""Exposure in bits from losses alone (Carlini et al. 2019, arXiv 1802.08232).

    exposure_by_rank(0.5, losses)      # log2(n + 1) − log2 rank: the canary is a candidate itself
    exposure_by_fit(0.5, losses)       # −log2 P[loss ≤ 0.5] under a skew-normal fitted on losses

`others` are the losses of candidates that are not the canary's secret, all of them or a sample. A
canary that cannot be told from n others has mean rank, so all tied shows about 1 bit, and one whose
rank is uniform shows log2 e = 1.44 bits on average (`CHANCE`).

Ranks are the same on every increasing scale; a fit is not, so it names its own: `SCALE`, the binary
cross-entropy. Fitted on exp(loss), the perplexity, the same canary would show another exposure.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import skewnorm

from radpriv.attacks.metrics import Floats
from radpriv.errors import AttackError

CHANCE = math.log2(math.e)
"""Bits that a secret of uniform rank shows on average, in a large space."""
SCALE = "cross-entropy"
MOST_SKEW = 0.9
"""Skewness is cut here, below the 0.995 that a skew-normal can have. Beyond, its density ends at an
edge just below the smallest loss: in simulations (log-normal losses, 256 of them) secrets that were
never planted then showed up to all 19.9 bits of a million, and at most 8.7 with the cut."""


def rank(truth: float, others: ArrayLike) -> float:
    """The canary's place among itself and the others, 1 for the lowest loss; ties: their mean."""
    losses = _checked(truth, others)
    return 1.0 + float((losses < truth).sum()) + 0.5 * float((losses == truth).sum())


def exposure_by_rank(truth: float, others: ArrayLike, space: int | None = None) -> float:
    """log2 space − log2 rank, in bits; space None: the others and the canary, n + 1.

    With all other secrets of a space it is exact. Of a sample of n the default is the estimate, and
    it resolves no more than log2(n + 1) bits. Some count only the others: give `space=n` for that.
    """
    losses = _checked(truth, others)
    return math.log2(space or losses.size + 1) - math.log2(rank(truth, losses))


def exposure_by_fit(truth: float, others: ArrayLike, space: int | None = None) -> float:
    """−log2 of the share of secrets that do as well, from a skew-normal of the others' moments.

    It extrapolates beyond the sample, to at most log2 space bits where a space is given: no rank is
    better than 1. Without one it ends at 1022. Where the others are all alike there is nothing to
    fit, and the rank is the answer.
    """
    losses = _checked(truth, others)
    mean, deviation = float(losses.mean()), float(losses.std())
    if losses.size < 2 or deviation <= 1e-12 * max(abs(mean), 1e-12):
        return exposure_by_rank(truth, losses)
    skew = float(np.mean(((losses - mean) / deviation) ** 3))
    alpha, location, scale = skew_normal(mean, deviation, skew)
    share = float(skewnorm.cdf(truth, alpha, location, scale))
    bits = -math.log2(min(1.0, max(share, sys.float_info.min)))
    return bits if space is None else min(bits, math.log2(space))


def skew_normal(mean: float, deviation: float, skew: float) -> tuple[float, float, float]:
    """(shape α, location, scale) of the skew-normal with these moments (Azzalini 1985)."""
    g = min(abs(skew), MOST_SKEW) ** (2 / 3)
    delta = math.copysign(math.sqrt(math.pi / 2 * g / (g + ((4 - math.pi) / 2) ** (2 / 3))), skew)
    scale = deviation / math.sqrt(1 - 2 * delta**2 / math.pi)
    location = mean - scale * delta * math.sqrt(2 / math.pi)
    return delta / math.sqrt(1 - delta**2), location, scale


def _checked(truth: float, others: ArrayLike) -> Floats:
    losses = np.asarray(others, dtype=np.float64)
    if losses.ndim != 1 or losses.size == 0 or not np.isfinite([truth, *losses]).all():
        raise AttackError(
            f"losses of shape {losses.shape}: give one finite loss per other candidate, and at "
            "least one; leave out a run whose logits are not finite"
        )
    return losses
