"""How a lower bound on ε is printed beside its ceiling, and among how many attacks it was chosen.

    bound_cells(audit.one_run)

A ceiling of 0 means that no number of right guesses could have shown anything: that is neither a
bound of 0 nor safe, and is printed as "too few".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from radpriv.benchmark.store.audit_schema import Audit, LowerBound
from radpriv.reports.render.numbers import NOT_ASKED
from radpriv.reports.render.table import TableCell

TOO_FEW = "too few"
WHY = "too few candidates: even with every guess right this rule would show no ε above 0"
HOW = (
    "ε lower bound: one-run audit (Steinke, Nasr, Jagielski 2023), 95%, corrected for choosing "
    "among seeds, numbers of guesses and attacks, so the largest of a family's bounds is one "
    "too. ceiling: what the same rule would print if every guess were right; “too few”: nothing. "
    "A bound of 0 far below its ceiling means that nothing was found, not that nothing leaks."
)


def bound_cells(bound: LowerBound | None, how: str = "") -> tuple[TableCell, TableCell]:
    """(bound, ceiling) of one audit; None where there was none."""
    if bound is None:
        return TableCell(NOT_ASKED, "absent"), TableCell(NOT_ASKED, "absent")
    if bound.ceiling <= 0:
        return TableCell(TOO_FEW, "absent", WHY), TableCell(NOT_ASKED, "absent")
    return TableCell(f"{bound.epsilon:.2f}", "number", how), TableCell(
        f"{bound.ceiling:.2f}", "number"
    )


def audit_cells(audit: Audit | None) -> tuple[TableCell, TableCell]:
    """The same of a family's one-run bound, with how many guesses were right."""
    if audit is None:
        return bound_cells(None)
    chosen = audit.one_run.chosen
    return bound_cells(audit.one_run, f"{chosen.v} of {chosen.r} guesses right")


def range_cells(audits: Iterable[Audit | None]) -> tuple[TableCell, TableCell]:
    """The ranges of (bound, ceiling) over several families; audits that were not made are apart."""
    bounds = [a.one_run for a in audits if a]
    if not bounds:
        return bound_cells(None)
    if max(b.ceiling for b in bounds) <= 0:
        return bound_cells(LowerBound(0.0, 0.0))
    return (
        TableCell(range_of([b.epsilon for b in bounds]), "number"),
        TableCell(range_of([b.ceiling for b in bounds]), "number"),
    )


def range_of(values: Sequence[float], form: str = "{:.2f}") -> str:
    """ "0.48 to 0.51", or one of them where they read alike."""
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def corrected_for(audits: Sequence[Audit]) -> int | None:
    """For a choice among how many attacks each of these bounds holds; None without an audit."""
    return min((a.attacks for a in audits), default=None)
