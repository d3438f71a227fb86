"""Certified, empirical and detectable ε side by side: what each audit shows of each private family.

A figure is a bound (it exceeds the true ε in at most 5% of audits) or an estimate, and says which.
"""

from __future__ import annotations

from radpriv.benchmark.store.audit_schema import Audit
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import FamilyResult, attacks_on, families
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.format_bounds import TOO_FEW, bound_cells
from radpriv.reports.tables.overview import best_bound

NOTES = (
    "black box: the scores of the final model on its audit set, the best of the attacks. white "
    "box: gradient canaries, a contribution of full clip norm each, seen in every noised sum.",
    "certified ε: from the ledger, the largest over seeds. one-run: a bound at 95% (Steinke, Nasr, "
    "Jagielski 2023), corrected for choosing among attacks, seeds and numbers of guesses. ideal: "
    "the median of the same rule if each canary were seen through exactly the accounted mechanism, "
    "with the best possible score. ceiling: if every guess were right. f-DP (Mahloujifar, Melis, "
    "Chaudhuri 2024): a bound where nothing was sampled, otherwise an estimate (marked ~). GDP: an "
    "estimate. over runs: Clopper and Pearson, one canary of each run.",
    "The same, of a mechanism of exactly this ε: known mechanism.",
)


@table("audit", SectionPlace(Section.LEAKAGE, 30))
def audits_table(of: DatasetResults) -> Table | None:
    """Private families and the non-private ones that some audit bounds; known mechanisms apart."""
    results, dataset = of.results, of.dataset
    rows: list[tuple[TableCell, ...]] = []
    known: dict[float, Audit] = {}
    for one in families(results, dataset):
        if one.result is None:
            continue
        key, control = one.family.key, one.family.is_control
        for kind, on in (("black box", "records"), ("white box", "gradients")):
            found = best_bound(attacks_on(results, on), key, "control" if control else "attack")
            if found is not None:
                rows.append(_row(results, one, kind, found))
            if on == "records" and (exact := best_bound(attacks_on(results, on), key, "known")):
                known.setdefault(one.family.epsilon, exact)
    apart = [_known(epsilon, found) for epsilon, found in sorted(known.items())]
    if not rows + apart:
        return None
    findings = [_refuted(r) for r in rows if _refuted(r)]
    return Table(
        "audit",
        f"Empirical ε beside the certified one{of.marks}",
        (
            "method",
            "budget",
            "audit",
            "certified ε",
            "one-run ε ≥",
            "ideal",
            "ceiling",
            "f-DP",
            "GDP",
            "over runs",
            "canaries",
        ),
        tuple(rows + apart),
        NOTES,
        tuple(findings),
        len(apart),
    )


def certified(results: Results, one: FamilyResult) -> float | None:
    """The largest ε of the family's certificates; None where one is missing."""
    given = [results.done[e.cell_id].record.certificate for e in one.family.cells]
    values = [c.epsilon for c in given if c]
    return max(values) if values and len(values) == len(given) else None


def _row(results: Results, one: FamilyResult, kind: str, found: Audit) -> tuple[TableCell, ...]:
    control = "positive control: " if one.family.is_control else ""
    own = certified(results, one)
    return (
        TableCell(control + one.name, "name"),
        TableCell(epsilon_name(one.family.epsilon), "label"),
        TableCell(kind, "label"),
        TableCell(NOT_ASKED, "absent") if own is None else TableCell(f"{own:.3g}", "number"),
        *_figures(found),
    )


def _known(epsilon: float, found: Audit) -> tuple[TableCell, ...]:
    return (
        TableCell("known mechanism: Gaussian", "name"),
        TableCell(epsilon_name(epsilon), "label"),
        TableCell(NOT_ASKED),
        TableCell(f"{epsilon:.3g}", "number"),
        *_figures(found),
    )


def _figures(found: Audit) -> tuple[TableCell, ...]:
    ideal, runs, share = found.ideal, found.runs, found.share
    beside = "" if share is None else f"{share:.0%} of the ideal value"
    bound, ceiling = bound_cells(found.one_run, beside)
    mark = "" if found.fdp_kind == "bound" else "~ "
    over = f"needs {runs.needed} runs" if runs.epsilon is None else f"{runs.epsilon:.2f}"
    return (
        bound,
        TableCell(NOT_ASKED, "absent")
        if ideal is None
        else TableCell(f"{ideal.epsilon:.2f}", "number"),
        ceiling,
        TableCell(f"{mark}{found.fdp.epsilon:.2f}", "number", found.fdp_kind),
        TableCell(f"~ {found.gdp:.2f}", "number", "estimate"),
        TableCell(over, "number" if runs.epsilon is not None else "absent"),
        TableCell(f"{found.m:,} × {found.seeds}", "number"),
    )


def _refuted(row: tuple[TableCell, ...]) -> str:
    """A sentence where a bound lies above what was certified."""
    name, budget, kind, own, bound = (c.text for c in row[:5])
    if NOT_ASKED in (own, bound) or bound == TOO_FEW or float(bound) <= float(own):
        return ""
    return (
        f"{name}, {budget}, {kind}: the bound {bound} lies above the certified {own}. At 95% one "
        "in twenty may; look for a fault in the method or in the audit."
    )
