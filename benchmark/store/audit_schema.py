"""The audit of one role in an attack's result: each bound on ε with its ceiling and its kind.

A part of result.json (attack_schema.py). attacks/epsilon/ computes it and reports print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from radpriv.benchmark.epsilon import Bound
from radpriv.benchmark.ranges import Count, Fraction, NonNegative, Probability
from radpriv.benchmark.store.schema import file_format

FdpKind = Literal["bound", "estimate"]
"""A "bound" holds at the stated confidence, an "estimate" need not."""


@file_format
@dataclass(frozen=True)
class LowerBound:
    """A lower bound on ε beside the most that its rule could have shown."""

    epsilon: Bound
    ceiling: Bound
    """The same rule with every guess right; 0: it could have shown nothing."""


@file_format
@dataclass(frozen=True)
class GuessedBound(LowerBound):
    """By a number of guesses that was fixed before the coins were seen."""

    guesses: Count
    correct: Count
    confidence: Probability


@file_format
@dataclass(frozen=True)
class Chosen:
    """Which comparison was the best: v of r guesses right, with the scores of this attack."""

    attack: str
    """Its name among several that were compared; "" where there was one."""
    r: Count
    v: Count


@file_format
@dataclass(frozen=True)
class BestBound(LowerBound):
    """The best of `comparisons` bounds, each at `each`, so together at `confidence`.

    ceiling: at r = m it takes coins that came out even, too; but for luck perfect scores reach the
    ceiling of the next r.
    """

    chosen: Chosen
    comparisons: Count
    confidence: Probability
    each: float
    price: float
    """What the same v of r would show in addition, had r and the attack been fixed before."""


@file_format
@dataclass(frozen=True)
class Ideal:
    """What a rule shows of exactly the mechanism that was accounted, and the rule's ceiling."""

    epsilon: Bound
    error: NonNegative
    """Monte-Carlo standard error of `epsilon`."""
    ceiling: Bound
    auc: Fraction
    """Of the likelihood ratio, exact up to the grid."""


@file_format
@dataclass(frozen=True)
class Runs:
    """The bound over independent runs; None where there are fewer than `needed`."""

    epsilon: Bound | None
    ceiling: Bound
    runs: Count
    needed: Count

    @property
    def sentence(self) -> str:
        if self.epsilon is None:
            return f"needs at least {self.needed} runs, there are {self.runs}"
        return f"{self.epsilon:.3g}, at most {self.ceiling:.3g} from {self.runs} runs"


@file_format
@dataclass(frozen=True)
class Audit:
    """Every figure that one set of scores gives."""

    m: Count
    """Canaries."""
    seeds: Count
    attacks: Count
    """For a choice among how many attacks every bound is corrected."""
    delta: Probability
    confidence: Probability
    one_run: BestBound
    one_run_seed: int
    """Its place among the seeds, as `fdp_seed`."""
    fdp: BestBound
    """What `fdp_kind` says."""
    fdp_seed: int
    fdp_kind: FdpKind
    gdp: Bound
    """An estimate of ε from all seeds."""
    runs: Runs
    ideal: Ideal | None
    """Of the one-run rule, as `ideal_fdp` of the other; None where no mechanism was given."""
    ideal_fdp: Ideal | None

    @property
    def share(self) -> float | None:
        """The one-run bound over its ideal value; None where there is no ideal value above 0."""
        if self.ideal is None or self.ideal.epsilon == 0:
            return None
        return self.one_run.epsilon / self.ideal.epsilon
