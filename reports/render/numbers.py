"""How numbers stand in a cell: a mean with its interval, ε, δ, and a dash for what is not there."""

from __future__ import annotations

import math

from radpriv.reports.statistics.intervals import Estimate

NON_PRIVATE = "non-private"
NOT_ASKED = "–"


def epsilon_name(epsilon: float) -> str:
    return f"ε = {epsilon:g}" if math.isfinite(epsilon) else NON_PRIVATE


def delta_name(delta: float) -> str:
    """ "10⁻⁵", or "2.5·10⁻⁶"."""
    head, exponent = f"{delta:.3g}".split("e") if "e" in f"{delta:.3g}" else (f"{delta:.3g}", "")
    if not exponent:
        return head
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if head == "1" else f"{head}·{power}"


def plus_minus(mean: float, half: float, digits: int = 2, sign: bool = False) -> str:
    """ "0.78 ± 0.02"; a half-width that would round to 0 gets one more digit."""
    more = digits if half == 0 or half >= 0.5 * 10**-digits else digits + 1
    plus = "+" if sign else ""
    if math.isnan(half):
        return f"{mean:{plus}.{digits}f} ± ?".replace("-", "−")
    return f"{mean:{plus}.{digits}f} ± {half:.{more}f}".replace("-", "−")


def with_interval(e: Estimate, digits: int = 2, sign: bool = False) -> str:
    """ "0.78 ± 0.02", or "0.78 [0.41, 1.00]" where the interval was cut."""
    if not e.cut:
        return plus_minus(e.mean, e.half, digits, sign)
    plus = "+" if sign else ""
    mean, low, high = (f"{x:{plus}.{digits}f}" for x in (e.mean, e.low, e.high))
    return f"{mean} [{low}, {high}]".replace("-", "−")
