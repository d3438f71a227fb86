"""The leakage table of one attack: what it found, beside what luck finds and what must be found.

Each family of cells has a row. Apart from them, from the same run: the blind attack, which sees the
record and not the model; the null, the same scores against coins permuted; mechanisms of known ε
seen through the same coins; and the positive control, a model made to leak.
"""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.store.attack_schema import Interval, Role, Summary
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.render.words import counted
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import (
    BLIND,
    FamilyResult,
    attack_names,
    families,
    summaries,
)
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.format_bounds import HOW, audit_cells, range_cells, range_of
from radpriv.reports.tables.leakage_records import leakage_records

NOT_RESOLVABLE = "not resolvable"
COLUMNS = (
    "method",
    "budget",
    "AUC, 95% interval",
    "TPR at 5% FPR",
    "TPR at 1% FPR",
    "TPR at 0.1% FPR",
    "advantage",
    "ε lower bound",
    "ceiling",
    "candidates",
    "k",
    "references",
)
RATES = ("0.05", "0.01", "0.001")
FEWEST = 20
"""Candidates below which the blind row says nothing."""
WIDER = 1.5
"""Half-widths from 0.5 at which the blind row raises the alarm: what it learns from one other seed
errs alike in both, and its interval over two seeds holds 0.5 in 86% of splits that do not leak."""
NOTES = (
    "AUC: 0.5 is guessing. The interval covers the candidates, their coins and the k training "
    "seeds. references: models of other seeds, over the same candidates, that each target was "
    "compared with; few of them understate what LiRA and RMIA could find.",
    "TPR at a false-positive rate f: the most members called at no more than that share of false "
    "alarms; no hull, nothing is interpolated. It needs at least 10/f non-members; below that it "
    "is “not resolvable”, which is neither 0 nor safe. advantage: the largest TPR − FPR, chosen "
    "on the same candidates, so above 0 even in the null row. Both: 95% over candidates, and "
    "seeds where there are several (bootstrap).",
    "blind: sees the record, not the model; above chance, the split leaks and no row means what "
    "it says. known mechanism: the same coins through a Gaussian mechanism of exactly this ε "
    "and δ; what is left between its bound and the ε in its name is what such an audit misses.",
    HOW,
    "candidates: those without a near-copy among the training records of other units, in or out. "
    "A near-copy of a member is no clean non-member; which ones are left out of AUC and TPR "
    "depends on the texts alone, never on a coin, for otherwise what is left would tell the "
    "coins. The ε bound counts all: it holds with copies too, which can only weaken it.",
    "Descriptive only: a refutation is a test at α = 0.001 on a run with a secret key; 95% bounds "
    "describe, and so does every audit of a replayable run.",
)


@table("leakage:", SectionPlace(Section.LEAKAGE, 100), csv="leakage.csv", folded=30)
def leakage_tables(of: DatasetResults) -> list[Table]:
    """One for each attack, the loss first."""
    names = attack_names(of.results, of.dataset)
    found = [leakage_table(of.results, of.dataset, name, of.marks) for name in names]
    return [t for t in found if t.rows]


def leakage_table(results: Results, dataset: str, attack: str, marks: str = "") -> Table:
    """One row per family; then the blind attack, the null, known mechanisms and the control."""
    found = families(results, dataset, attack)
    attacked = [f for f in found if not f.family.is_control]
    controls = [f for f in found if f.family.is_control]
    nulls = summaries(found, "null")
    blind = summaries(families(results, dataset, BLIND), "attack")
    rows = [_row(f, "attack") for f in attacked]
    apart = [_range_row("blind: sees no model", blind)] if blind else []
    apart += [_range_row("null: coins permuted", nulls)] if nulls else []
    apart += known_rows(attacked)
    apart += [_row(f, "control") for f in controls]
    return Table(
        f"leakage:{attack}",
        f"Membership inference by {attack}{marks}",
        COLUMNS,
        tuple(rows + apart),
        NOTES,
        (*left_out(found), *findings(blind, nulls, attacked, controls)),
        len(apart),
        tuple(r for f in found for r in leakage_records(f, dataset)),
    )


def _without_control(controls: Sequence[FamilyResult]) -> str:
    """Why no control says whether the attack can see anything."""
    if not controls:
        return "No positive control was run"
    if controls[0].family.done:
        return "The positive control was trained and not attacked"
    count = controls[0].reason.partition(" (")[0]  # its row says the rest
    return f"The positive control has not finished ({count})"


def known_rows(found: Sequence[FamilyResult]) -> list[tuple[TableCell, ...]]:
    """One row for each ε: families of one budget share coins, δ and so the mechanism's truth."""
    by_epsilon: dict[float, list[Summary]] = {}
    for summary in summaries(found, "known"):
        if summary.truth:
            by_epsilon.setdefault(summary.truth.epsilon, []).append(summary)
    return [
        _range_row(f"known mechanism, ε = {epsilon:g}", known)
        for epsilon, known in sorted(by_epsilon.items())
    ]


def _row(one: FamilyResult, role: Role) -> tuple[TableCell, ...]:
    name = one.name if role == "attack" else f"positive control: {one.name}, mislabelled"
    head = (TableCell(name, "name"), TableCell(epsilon_name(one.family.epsilon), "label"))
    summary = one.result.summary.get(role) if one.result else None
    if summary is None:
        cells = (TableCell(NOT_ASKED, "absent") for _ in COLUMNS[3:])
        return (*head, TableCell(one.reason or "no such role in the result", "missing"), *cells)
    return (
        *head,
        auc_cell(summary),
        *(_rate([summary], rate) for rate in RATES),
        TableCell(between(summary.advantage), "number"),
        *audit_cells(summary.audit),
        _candidates(summary),
        TableCell(str(summary.k), "number"),
        TableCell(str(summary.references), "number"),
    )


def _candidates(summary: Summary) -> TableCell:
    return TableCell(
        f"{summary.candidates:,}", "number", f"{summary.left_out:,} near-copies left out"
    )


def auc_cell(summary: Summary) -> TableCell:
    """The mean AUC with its interval."""
    df = summary.degrees_of_freedom
    how = f"{summary.interval_method}, df = {'∞' if df is None else f'{df:.1f}'}"
    return TableCell(between(summary.auc), "number", how)


def between(found: Interval) -> str:
    """ "0.56 [0.52, 0.60]" """
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def range_auc(found: Sequence[Summary]) -> TableCell:
    """The one interval, or the range of several that share candidates and coins."""
    if len(found) == 1:
        return auc_cell(found[0])
    inside = sum(s.auc.low <= 0.5 <= s.auc.high for s in found)
    held = f"{inside} of {len(found)} hold 0.5"
    return TableCell(range_of([s.auc.value for s in found]), "number", held)


def _range_row(name: str, found: Sequence[Summary]) -> tuple[TableCell, ...]:
    """Several families in one row: their range, for they share candidates and coins."""
    many = len(found)
    return (
        TableCell(name, "name"),
        TableCell(f"all {many} families" if many > 1 else NOT_ASKED),
        range_auc(found),
        *(_rate(found, rate) for rate in RATES),
        TableCell(range_of([s.advantage.value for s in found]), "number"),
        *range_cells(s.audit for s in found),
        TableCell(range_of([s.candidates for s in found], "{:,}"), "number"),
        TableCell(range_of([s.k for s in found], "{}"), "number"),
        TableCell(range_of([s.references for s in found], "{}"), "number"),
    )


def _rate(found: Sequence[Summary], rate: str) -> TableCell:
    known = [tpr for s in found if (tpr := s.tpr_at_fpr.get(rate))]
    if len(known) < len(found):
        return TableCell(NOT_RESOLVABLE, "absent", "fewer than 10/f non-members")
    if len(known) == 1:
        return TableCell(between(known[0]), "number")
    return TableCell(range_of([tpr.value for tpr in known]), "number")


def left_out(found: Sequence[FamilyResult]) -> list[str]:
    """How many near-copies the headline leaves out; families of a dataset share the audit set."""
    every = [s for f in found if f.result for s in f.result.summary.values()]
    if not any(s.left_out for s in every):
        return []
    left = range_of([s.left_out for s in every], "{:,}")
    audited = range_of([s.audited for s in every], "{:,}")
    near = range_of([part.similarity_from for s in every for part in s.by_similarity[-1:]], "{:g}")
    return [
        f"Near-copies: {left} of {audited} candidates resemble another training record "
        f"(similarity {near} or more) and are left out of AUC and TPR, in or out alike."
    ]


def findings(
    blind: Sequence[Summary],
    nulls: Sequence[Summary],
    attacked: Sequence[FamilyResult],
    controls: Sequence[FamilyResult],
) -> list[str]:
    """Whether the rows apart read as they must; where they do not, what must not be believed."""
    said = []
    blind = [b for b in blind if b.candidates >= FEWEST]
    if blind:
        every = f"all {len(blind)} families" if len(blind) > 1 else "the one family"
        odd = [b for b in blind if abs(b.auc.value - 0.5) > WIDER * (b.auc.high - b.auc.low) / 2]
        said.append(
            f"Blind: far from 0.5 in {len(odd)} of {counted(len(blind), 'family')} (AUC "
            f"{range_of([b.auc.value for b in odd])}): the split may leak; distrust the rows above."
            if odd
            else f"Blind: at chance in {every}; the split does not leak."
        )
    if nulls:
        inside = sum(n.auc.low <= 0.5 <= n.auc.high for n in nulls)
        said.append(f"Null: the interval holds 0.5 in {inside} of {counted(len(nulls), 'row')}.")
    above = [
        k
        for k in summaries(attacked, "known")
        if k.audit and k.truth and k.audit.one_run.epsilon > k.truth.epsilon
    ]
    if above:
        said.append(
            f"Known mechanism: in {counted(len(above), 'family')} its bound lies above its true ε. "
            "At 95% one in twenty may; more would mean a broken audit."
        )
    for one in controls:
        summary = one.result.summary.get("control") if one.result else None
        if summary is not None:
            verdict = (
                "leaks, as it must"
                if summary.auc.value >= 0.9
                else ("does NOT leak as it must (0.9 or more): distrust the rows above")
            )
            said.append(f"Positive control: AUC {summary.auc.value:.2f}, {verdict}.")
    if not any(f.result for f in controls):
        said.append(f"{_without_control(controls)}: a low AUC may be the attack's weakness.")
    return said
