"""Everything an audit prints for one set of canaries: each figure with its ceiling and its kind.

    found = audit(scores, members, delta=1e-5, steps=steps_of(groups(releases)))
    found.one_run.epsilon     # a bound at `confidence`, whatever the mechanism
    found.fdp.epsilon         # found.fdp_kind: "bound" or "estimate"
    found.gdp                 # an estimate
    found.runs.sentence       # "needs at least 12 runs, there are 3"
    found.ideal.epsilon       # what the same rule shows of exactly the mechanism accounted

Seeds are runs of one family over the same canaries, each with its own coins. The one-run figures
are the best of the seeds, all choices corrected for (selection.py). Clopper and Pearson's bound
takes **one** canary of each run, since canaries of one run are not independent: the one that a
public word names, guessed "member" if its score lies above the median of its run's scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radpriv.attacks.epsilon import clopper_pearson, gdp, selection
from radpriv.attacks.epsilon.clopper_pearson import GuessCounts
from radpriv.attacks.epsilon.ideal import SampledStep, ideal
from radpriv.attacks.epsilon.one_run import ranking
from radpriv.attacks.epsilon.selection import How, best_bound
from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.public_random import public_words
from radpriv.benchmark.store.audit_schema import Audit, BestBound, Ideal, Runs
from radpriv.errors import AttackError


def audit(
    scores: Sequence[Floats],
    members: Sequence[Bools],
    delta: float,
    steps: Sequence[SampledStep] | None = None,
    confidence: float = 0.95,
    attacks: int = 1,
) -> Audit:
    """Every figure from scores (m,) and coins (m,) of each seed, higher = more likely a member.

    steps: the accounted mechanism; without it there is no ideal value, and no f-DP bound.
    attacks: among how many attacks on the same canaries the caller chooses the best.
    """
    s = [np.asarray(one, dtype=np.float64) for one in scores]
    flags = [np.asarray(one) for one in members]
    _check(s, flags)
    m, k = s[0].size, len(s)
    one_run, first = _best_seed(s, flags, delta, confidence, "one_run", k * attacks)
    fdp, second = _best_seed(s, flags, delta, confidence, "fdp", k * attacks)
    unsampled = steps is not None and all(step.rate == 1 for step in steps)

    def value(how: How) -> Ideal | None:
        if steps is None:
            return None
        return ideal(steps, m, delta, confidence, how, seeds=k, attacks=attacks)

    return Audit(
        m=m,
        seeds=k,
        attacks=attacks,
        delta=delta,
        confidence=confidence,
        one_run=one_run,
        one_run_seed=first,
        fdp=fdp,
        fdp_seed=second,
        fdp_kind="bound" if unsampled else "estimate",
        gdp=gdp_estimate(s, flags, delta, confidence),
        runs=over_runs(s, flags, delta, 1 - (1 - confidence) / attacks),
        ideal=value("one_run"),
        ideal_fdp=value("fdp"),
    )


def gdp_estimate(
    scores: Sequence[Floats], members: Sequence[Bools], delta: float, confidence: float = 0.95
) -> float:
    """ε at δ of the best μ among thresholds that call the r/2 highest, or all but the r/2 lowest,
    canaries of each seed members; counts of all seeds together, Bonferroni over the thresholds."""
    m = scores[0].size
    calls = sorted({c for r in selection.guess_counts(m) for c in (r // 2, m - r // 2)})
    each = 1 - (1 - confidence) / len(calls)
    ordered = [f[ranking(s)[::-1]] for s, f in zip(scores, members)]
    inside = sum(int(f.sum()) for f in ordered)
    outside = m * len(ordered) - inside
    best = 0.0
    for called in calls:
        tp = sum(int(f[:called].sum()) for f in ordered)
        counts = GuessCounts(tp, inside, called * len(ordered) - tp, outside)
        best = max(best, gdp.mu_lower(counts, each))
    return gdp.epsilon_of(best, delta)


def over_runs(
    scores: Sequence[Floats], members: Sequence[Bools], delta: float, confidence: float = 0.95
) -> Runs:
    """Clopper and Pearson's bound, one canary of each run."""
    k, m = len(scores), scores[0].size
    picked = (public_words(k, "clopper-pearson canary", m) % np.uint64(m)).astype(np.int64)
    above = np.array([s[i] > np.median(s) for s, i in zip(scores, picked)])
    coin = np.array([f[i] for f, i in zip(members, picked)])
    counts = GuessCounts(
        int((above & coin).sum()), int(coin.sum()), int((above & ~coin).sum()), int((~coin).sum())
    )
    needed = clopper_pearson.fewest_runs(delta, confidence)
    top = clopper_pearson.ceiling(counts.members, counts.others, delta, confidence)
    found = clopper_pearson.epsilon_lower(counts, delta, confidence)
    return Runs(found if k >= needed else None, top, k, needed)


def _best_seed(
    scores: Sequence[Floats],
    members: Sequence[Bools],
    delta: float,
    confidence: float,
    how: How,
    more: int,
) -> tuple[BestBound, int]:
    found = [best_bound(s, f, delta, confidence, how, more=more) for s, f in zip(scores, members)]
    at = int(np.argmax([b.epsilon for b in found]))
    return found[at], at


def _check(scores: Sequence[Floats], members: Sequence[Bools]) -> None:
    if not scores or len(scores) != len(members):
        raise AttackError(f"scores of {len(scores)} seeds, coins of {len(members)}: give both")
    for s, f in zip(scores, members):
        if s.shape != scores[0].shape or f.shape != s.shape or f.dtype != np.bool_:
            raise AttackError(
                f"scores {s.shape}, coins {f.shape} {f.dtype}: every seed needs one score and one "
                "boolean per canary, and the same canaries"
            )
