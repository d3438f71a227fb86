"""A lower bound on ε from one training run (Steinke, Nasr and Jagielski 2023, arXiv 2305.08846).

m canaries enter the training set by independent fair coins. The attacker guesses r of the coins and
abstains on the others; v guesses are right. If training is (ε, δ)-DP for one canary, then with
q = e^ε / (1 + e^ε) (Theorem 5.2 there)

    P[v or more right] ≤ P[Bin(r, q) ≥ v] + 2 m δ · max over i of P[v > Bin(r, q) ≥ v − i] / i.

The bound is the largest ε at which the right-hand side is ≤ 1 − confidence. It assumes nothing of
the attack, but r and the rule of guessing are fixed before the coins are seen; and it cannot pass
its **ceiling**, the value with all guesses right: "ε ≥ 0" means nothing without it.

    epsilon_lower(m=1000, r=100, v=95, delta=1e-5)   # 2.165
    ceiling(m=1000, r=100, delta=1e-5)               # 3.465
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc, expit

from radpriv.attacks.public_random import public_words
from radpriv.errors import AttackError

TOLERANCE = 1e-6


def p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """An upper bound on P[v or more of r guesses right] under (ε, δ)-DP, in [0, 1].

    With c = 2 m δ / i, the i-th bound is (1 − c) P[≥ v] + c P[≥ v − i]. Where c > 1 its first term
    is dropped: the sum only grows, and every bound then increases with ε, which bisection needs
    (as printed in the paper it may fall again once 2 m δ > 1). For 2 m δ ≤ 1 nothing is changed.
    """
    _check(m, r, v, delta)
    if v == 0:
        return 1.0
    q = float(expit(epsilon))
    if delta == 0:
        return float(_tails(r, v, q, 0)[0])
    # An i beyond `near` gives at most P[≥ v] + 2 m δ / (near + 1): mostly less than a nearer one.
    near = min(v, int(2 * max(v - r * q, 0.0) + 8 * math.sqrt(r)) + 8)
    worst, first = _worst(m, r, v, q, delta, near)
    if near < v and first + 2 * m * delta / (near + 1) > worst:
        worst, first = _worst(m, r, v, q, delta, v)
    return min(1.0, worst)


def _worst(m: int, r: int, v: int, q: float, delta: float, most: int) -> tuple[float, float]:
    """(the largest bound over i = 1, …, most; P[v or more])."""
    tails = _tails(r, v, q, most)
    c = 2 * m * delta / np.arange(1, most + 1)
    bounds = np.maximum(1 - c, 0.0) * tails[0] + c * tails[1:]
    return float(bounds.max()), float(tails[0])


def epsilon_lower(m: int, r: int, v: int, delta: float, confidence: float = 0.95) -> float:
    """The largest ε that v right guesses of r reject, to 1e-6 from below; 0 where none is."""
    if not 0 < confidence < 1:
        raise AttackError(f"confidence {confidence!r}: give a number between 0 and 1, as 0.95")
    alpha = 1 - confidence
    if p_value(m, r, v, 0.0, delta) > alpha:
        return 0.0
    low, high = 0.0, 1.0
    while p_value(m, r, v, high, delta) <= alpha:  # ends: at ε = 40, q is 1 in double precision
        low, high = high, 2 * high
    edge = float(brentq(lambda e: p_value(m, r, v, e, delta) - alpha, low, high, xtol=1e-9))
    return max(0.0, edge - TOLERANCE / 2)


def ceiling(m: int, r: int, delta: float, confidence: float = 0.95) -> float:
    """The bound with every guess right: what r guesses on m canaries could show at most."""
    return epsilon_lower(m, r, r, delta, confidence)


def guess_count(m: int) -> int:
    """r = m/10 rounded down to an even number: the rule, fixed before any score is seen."""
    return 2 * (m // 20)


def guess(scores: ArrayLike, r: int) -> NDArray[np.int8]:
    """+1 (member) for the r/2 highest scores, −1 for the r/2 lowest, 0 = abstain; int8 (m,).

    `scores`: finite, (m,), in slot order. Equal scores are ordered by public pseudo-random words
    of the position, so that an attack that says nothing earns nothing from how slots are numbered.
    """
    order = ranking(scores)
    m = order.size
    if r % 2 or not 0 <= r <= m:
        raise AttackError(f"{r} guesses on {m} canaries: give an even number up to that many")
    answer = np.zeros(m, dtype=np.int8)
    answer[order[: r // 2]] = -1
    answer[order[m - r // 2 :]] = 1
    return answer


def ranking(scores: ArrayLike) -> NDArray[np.int64]:
    """Positions by increasing score, int64 (m,), with ties in the order of public words."""
    s = np.asarray(scores, dtype=np.float64)
    if s.ndim != 1 or not np.isfinite(s).all():
        raise AttackError("guesses need one finite score per canary: mend the attack")
    return np.lexsort((public_words(s.size, "one-run ties"), s)).astype(np.int64)


def correct(guesses: ArrayLike, member: ArrayLike) -> int:
    """v: guesses that agree with the coins; abstentions never count."""
    g, flags = np.asarray(guesses), np.asarray(member, dtype=np.bool_)
    if g.shape != flags.shape:
        raise AttackError(f"{g.size} guesses for {flags.size} coins: give one per canary")
    return int((((g == 1) & flags) | ((g == -1) & ~flags)).sum())


def _tails(r: int, v: int, q: float, most: int) -> NDArray[np.float64]:
    """P[Bin(r, q) ≥ v − i] for i = 0, …, most ≤ v, float64."""
    k = np.arange(v, v - most - 1, -1)
    tail = betainc(np.maximum(k, 1), r - np.maximum(k, 1) + 1, q)
    return np.where(k > 0, tail, 1.0)


def _check(m: int, r: int, v: int, delta: float) -> None:
    if not 0 <= v <= r <= m or m < 1:
        raise AttackError(f"{v} right of {r} guesses on {m} canaries: v ≤ r ≤ m is needed")
    if not 0 <= delta < 1:
        raise AttackError(f"delta {delta!r}: give a number in [0, 1)")
