"""How a lower bound on ε is printed beside its ceiling, and among how many attacks it was chosen.

    bound_cells(audit["one_run"]["epsilon"], audit["one_run"]["ceiling"])

A ceiling of 0 means that no number of right guesses could have shown anything: that is neither a
bound of 0 nor safe, and is printed as "too few".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from radpriv.reports.render.numbers import NOT_ASKED
from radpriv.reports.render.table import Cell

TOO_FEW = "too few"
WHY = "too few candidates: even with every guess right this rule would show no ε above 0"
HOW = (
    "ε lower bound: one-run audit (Steinke, Nasr, Jagielski 2023), 95%, corrected for choosing "
    "among seeds, numbers of guesses and attacks, so the largest of a family's bounds is one "
    "too. ceiling: what the same rule would print if every guess were right; “too few”: nothing. "
    "A bound of 0 far below its ceiling means that nothing was found, not that nothing leaks."
)


def bound_cells(epsilon: float | None, ceiling: float | None, how: str = "") -> tuple[Cell, Cell]:
    """(bound, ceiling) of one audit; None where there was none."""
    if epsilon is None or ceiling is None:
        return Cell(NOT_ASKED, "absent"), Cell(NOT_ASKED, "absent")
    if ceiling <= 0:
        return Cell(TOO_FEW, "absent", WHY), Cell(NOT_ASKED, "absent")
    return Cell(f"{epsilon:.2f}", "number", how), Cell(f"{ceiling:.2f}", "number")


def guessed(right: int, asked: int) -> str:
    """ "57 of 60 guesses right" """
    return f"{right} of {asked} guesses right"


def range_cells(found: Iterable[tuple[float | None, float | None]]) -> tuple[Cell, Cell]:
    """The ranges of (bound, ceiling) over several families; audits that were not made are apart."""
    made = [(e, c) for e, c in found if e is not None and c is not None]
    if not made:
        return bound_cells(None, None)
    if max(c for _, c in made) <= 0:
        return bound_cells(0.0, 0.0)
    bounds, tops = zip(*made)
    return Cell(range_of(bounds), "number"), Cell(range_of(tops), "number")


def range_of(values: Sequence[float], form: str = "{:.2f}") -> str:
    """ "0.48 to 0.51", or one of them where they read alike."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def corrected_for(audits: Sequence[Mapping[str, Any]]) -> int | None:
    """For a choice among how many attacks each of these bounds holds; None without an audit."""
    return min((int(a["attacks"]) for a in audits), default=None)
