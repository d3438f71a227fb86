"""The best of several one-run bounds, as one 95% bound.

How many guesses r suit a mechanism cannot be known before: few suit strong leakage, many weak. The
best of several r on the same coins is no bound at the same confidence any more (in public tools
null data then give ε > 0 in 16 to 93% of audits, at a nominal 5%). So r comes from a fixed grid,
and with several attacks on the same coins the choice among them counts too: of K comparisons each
is made at confidence 1 − α/K (Bonferroni), which holds however they depend on each other.

    found = best_bound(scores, member, delta=1e-5)              # the grid over one attack
    found = best_bound({"lira": a, "rmia": b}, member, 1e-5)    # and over two
    found.epsilon, found.ceiling, found.chosen, found.price
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from radpriv.attacks.epsilon import fdp, one_run
from radpriv.benchmark.store.audit_schema import BestBound, Chosen
from radpriv.errors import AttackError

SHARES = (50, 10, 4, 2, 1)
"""r is m divided by each of these, rounded down to an even number."""

How = Literal["one_run", "fdp"]


def guess_counts(m: int) -> tuple[int, ...]:
    """The grid of r, increasing, even, at least 2; empty for fewer than 2 canaries."""
    return tuple(sorted({2 * (m // (2 * share)) for share in SHARES} - {0}))


def right(scores: ArrayLike, member: ArrayLike, counts: tuple[int, ...]) -> tuple[int, ...]:
    """v for each r: guesses right among the r/2 highest and the r/2 lowest scores, (m,) both."""
    s, flags = np.asarray(scores, dtype=np.float64), np.asarray(member, dtype=np.bool_)
    if s.shape != flags.shape:
        raise AttackError(f"{s.size} scores for {flags.size} coins: give one per canary")
    order = one_run.ranking(s)
    lowest = np.concatenate(([0], np.cumsum(~flags[order])))
    highest = np.concatenate(([0], np.cumsum(flags[order[::-1]])))
    return tuple(int(lowest[r // 2] + highest[r // 2]) for r in counts)


def best_bound(
    scores: ArrayLike | Mapping[str, ArrayLike],
    member: ArrayLike,
    delta: float,
    confidence: float = 0.95,
    how: How = "one_run",
    counts: tuple[int, ...] | None = None,
    more: int = 1,
) -> BestBound:
    """The best bound over a grid of guess counts and over attacks, corrected for both choices.

    scores: float (m,), higher = more likely a member, or several by name.  member: bool (m,).
    counts: the grid, fixed before the coins were seen.  more: a further factor on the number of
    comparisons, for a caller that chooses among several such results (seeds, say).
    """
    if not 0 < confidence < 1 or more < 1:
        raise AttackError(f"confidence {confidence!r} and {more} choices: give (0, 1) and ≥ 1")
    named = dict(scores) if isinstance(scores, Mapping) else {"": scores}
    m = np.asarray(member).size
    grid = guess_counts(m) if counts is None else counts
    comparisons = len(grid) * len(named) * more
    if comparisons == 0:
        raise AttackError(f"{m} canaries: a one-run audit needs at least 2, and one attack")
    each = 1 - (1 - confidence) / comparisons
    rows = [
        Chosen(name, r, v)
        for name, s in named.items()
        for r, v in zip(grid, right(s, member, grid))
    ]
    epsilon, at = _largest(m, [(c.r, c.v) for c in rows], delta, each, how)
    chosen = rows[at]
    return BestBound(
        epsilon=epsilon,
        ceiling=best_ceiling(m, grid, delta, each, how),
        chosen=chosen,
        comparisons=comparisons,
        confidence=confidence,
        each=each,
        price=lower(m, chosen.r, chosen.v, delta, confidence, how) - epsilon,
    )


@lru_cache(maxsize=4096)
def best_ceiling(m: int, grid: tuple[int, ...], delta: float, each: float, how: How) -> float:
    """The best that any r of the grid can show at confidence `each`."""
    return _largest(m, [(r, r) for r in reversed(grid)], delta, each, how)[0]


def _largest(
    m: int, rows: list[tuple[int, int]], delta: float, each: float, how: How
) -> tuple[float, int]:
    """(the largest bound over (r, v), its place); the first of equals.

    One that does not reject the best so far is not solved for.
    """
    best, at = 0.0, 0
    for i, (r, v) in enumerate(rows):
        if how == "one_run" and one_run.p_value(m, r, v, best, delta) > 1 - each:
            continue
        found = lower(m, r, v, delta, each, how)
        if found > best:
            best, at = found, i
    return best, at


@lru_cache(maxsize=65536)
def lower(m: int, r: int, v: int, delta: float, confidence: float, how: How) -> float:
    """One comparison: v of r guesses right on m canaries."""
    if how == "one_run":
        return one_run.epsilon_lower(m, r, v, delta, confidence)
    return fdp.epsilon(m, r, v, delta, True, confidence).epsilon
