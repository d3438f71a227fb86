"""Intervals that stay honest with few seeds.

**Estimand.** The score of a method, averaged over training seeds, on the population of patients
that the test patients are a sample of. Its estimate is the mean over the k seeds of one row; the
95% interval has half-width

    t · sqrt(s²/k + v)

s²: seed variance, pooled over rows of one kind (a percentile bootstrap over 3 seeds covers 75%
where 95% is claimed; the pooled t holds).  v: variance over patient resamples of the seed mean,
the same resample for every seed.  t: 97.5% quantile with the pool's degrees of freedom. What seeds
decide differently on single records enters both s²/k and v, so the interval errs to the wide side.

A score lies in [0, 1] and a difference of two in [−1, 1]. With two seeds t is up to 12.7, and the
formula reaches beyond; the interval is then *cut* to where the estimand can lie, which takes none
of its coverage, and is shown by its two ends, as it has no one half-width any more.

**Paired differences** (same dataset, ε and seed) follow the same formula. Every pair of M rows at
one ε is shown, but only M − 1 differences are independent: their seed variance is twice the
residual of the rows × seeds table, with (M − 1)(k − 1) degrees of freedom; for M = 2 this is the
plain variance of the differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEVEL = 0.975
ANYWHERE = (-np.inf, np.inf)
SCORE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
RATIO = (0.0, np.inf)
"""Where an estimand can lie: `within` of `estimate`."""


@dataclass(frozen=True)
class ResampledScore:
    """One score of one row: values (k,) by seed, and its seed mean in each resample, (B,)."""

    values: Floats
    resamples: Floats

    def __sub__(self, other: ResampledScore) -> ResampledScore:
        return ResampledScore(self.values - other.values, self.resamples - other.resamples)


@dataclass(frozen=True)
class Pool:
    """A seed variance pooled over `rows` rows, with its degrees of freedom."""

    s2: float
    df: int
    rows: int


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval; `mean` NaN = undefined.

    half: half-width by the formula.  within: where the estimand can lie; low and high are in it.
    df: degrees of freedom of s2; None where no seed variance is known (then t is the normal's).
    undefined: share of the patient resamples in which the score does not exist.
    flags: what a reader must know, in words.
    """

    mean: float
    half: float
    k: int
    v: float
    s2: float | None
    df: int | None
    undefined: float
    values: tuple[float, ...]
    flags: tuple[str, ...] = ()
    within: tuple[float, float] = ANYWHERE

    @property
    def defined(self) -> bool:
        return bool(np.isfinite(self.mean))

    @property
    def low(self) -> float:
        return float(np.clip(self.mean - self.half, *self.within))

    @property
    def high(self) -> float:
        return float(np.clip(self.mean + self.half, *self.within))

    @property
    def cut(self) -> bool:
        """Whether mean ± half reaches beyond where the estimand can lie."""
        return self.mean - self.half < self.within[0] or self.mean + self.half > self.within[1]


def pool_seeds(rows: Sequence[Floats]) -> Pool | None:
    """Seed variance pooled over rows of values (k_i,); df = Σ(k_i − 1); None where that is 0."""
    used = [row for row in rows if len(row) > 1 and np.isfinite(row).all()]
    df = sum(len(row) - 1 for row in used)
    if df == 0:
        return None
    squares = sum(float(((row - row.mean()) ** 2).sum()) for row in used)
    return Pool(squares / df, df, len(used))


def pool_differences(groups: Sequence[Floats]) -> Pool | None:
    """Seed variance of a difference of two rows, pooled over groups of values (M, k) at one ε.

    Per group: the residuals of a two-way layout without interaction (Fisher), df (M − 1)(k − 1).
    """
    used = [g for g in groups if g.shape[0] > 1 and g.shape[1] > 1 and np.isfinite(g).all()]
    df = sum((g.shape[0] - 1) * (g.shape[1] - 1) for g in used)
    if df == 0:
        return None
    squares = 0.0
    for g in used:
        rest = g - g.mean(axis=1, keepdims=True) - g.mean(axis=0, keepdims=True) + g.mean()
        squares += float((rest**2).sum())
    return Pool(2 * squares / df, df, sum(len(g) for g in used))


def quantile(df: int | None) -> float:
    """97.5% quantile of t with df degrees of freedom; of the normal where df is None."""
    return float(stats.norm.ppf(LEVEL) if df is None else stats.t.ppf(LEVEL, df))


def estimate(
    measured: ResampledScore,
    pool: Pool | None,
    deterministic: bool = False,
    within: tuple[float, float] = ANYWHERE,
) -> Estimate:
    """Mean and interval of one row.

    deterministic: the row has no seed variance to speak of.  within: where the estimand can lie.
    """
    values, k = measured.values, len(measured.values)
    defined = np.isfinite(measured.resamples)
    undefined = float(1 - defined.mean()) if len(defined) else 1.0
    v = float(measured.resamples[defined].var(ddof=1)) if defined.sum() > 1 else float("nan")
    pool = None if deterministic else pool
    s2, df = (pool.s2, pool.df) if pool else (None, None)
    half = quantile(df) * float(np.sqrt((s2 or 0.0) / k + v))
    mean = float(values.mean())
    flags = []
    if not np.isfinite(mean):
        half = float("nan")
        flags.append("undefined: neither true nor predicted")
    elif half == 0:
        flags.append("degenerate: every resample agrees")
    elif np.isnan(half):
        flags.append("no interval: undefined in almost every resample")
    if pool is None and not deterministic:
        one = k == 1
        flags.append("one seed: no seed variance" if one else "no pool: no seed variance")
    if 0 < undefined < 1:
        flags.append(f"undefined in {undefined:.1%} of the resamples")
    known = tuple(map(float, values))
    found = Estimate(mean, half, k, v, s2, df, undefined, known, tuple(flags), within)
    if not found.cut:
        return found
    flag = f"by the formula ± {half:.2f}, cut to {within[0]:g} to {within[1]:g}"
    return replace(found, flags=(*flags, flag.replace("-", "−").replace("inf", "∞")))
