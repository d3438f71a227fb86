"""Leakage at a glance: each family, what every attack found of it, and the best bound on ε."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from radpriv.benchmark.store.attack_schema import AttackResult, Role, Summary
from radpriv.benchmark.store.audit_schema import Audit
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import (
    BLIND,
    FamilyResult,
    attack_names,
    attacks_on,
    families,
    summaries,
)
from radpriv.reports.results.load import Results
from radpriv.reports.sections import EVERYWHERE, Section, SectionPlace, table
from radpriv.reports.tables.format_bounds import (
    HOW,
    audit_cells,
    corrected_for,
    range_cells,
    range_of,
)
from radpriv.reports.tables.leakage import FEWEST, auc_cell, findings, left_out, range_auc
from radpriv.reports.tables.leakage_records import head_of

AUC = ", AUC"
NOTES = (
    "AUC with its 95% interval; 0.5 is guessing. One column per attack; what each did in full is "
    "in a table of its own.",
    HOW,
    "Descriptive only: a refutation is a test at α = 0.001 on a run with a secret key; 95% bounds "
    "describe, and so does every audit of a replayable run.",
)


def _limits(names: Sequence[str], whole: Sequence[FamilyResult], rivals: int | None) -> list[str]:
    """What the number of attacks, references or candidates takes from the table."""
    said = []
    if rivals is not None and len(names) > rivals:
        said.append(
            f"{len(names)} attacks were made: the ε lower bounds are corrected for a choice among "
            f"{rivals}, so the largest of them is no bound."
        )
    every = [s for f in whole if f.result for s in f.result.summary.values()]
    if every and not all(s.references for s in every) and len(names) > 1:
        said.append(
            "No other seed to compare with in some families: there reference, LiRA and RMIA rank "
            "by the target alone, about as the loss does."
        )
    if every and min(s.candidates for s in every) < FEWEST:
        said.append(f"Fewer than {FEWEST} candidates in some families: nothing can be told there.")
    return said


def compact(wide: Table) -> Table:
    """For the terminal: of three and more attacks the AUC without its interval."""
    columns = [i for i, name in enumerate(wide.columns) if name.endswith(AUC)]
    if len(columns) < 3:
        return wide
    rows = [
        tuple(
            replace(cell, text=cell.text.split(" [")[0]) if i in columns else cell
            for i, cell in enumerate(row)
        )
        for row in wide.rows
    ]
    return replace(wide, rows=tuple(rows))


@table("leakage", SectionPlace(Section.LEAKAGE, 10), formats=EVERYWHERE, narrow=compact)
def overview_table(of: DatasetResults) -> Table:
    """Families × attacks; apart: the blind attack, the null, known mechanisms, the control."""
    results, dataset = of.results, of.dataset
    names = attack_names(results, dataset)
    by_attack = {name: families(results, dataset, name) for name in names}
    whole = families(results, dataset)
    attacked = [f for f in whole if not f.family.is_control]
    controls = [f for f in whole if f.family.is_control]
    rows = [_row(results, f, by_attack, "attack") for f in attacked]
    apart = _apart(results, dataset, by_attack)
    apart += [_row(results, f, by_attack, "control") for f in controls]
    blind = summaries(families(results, dataset, BLIND), "attack")
    nulls = [s for found in by_attack.values() for s in summaries(found, "null")]
    known = [f for found in by_attack.values() for f in found]
    return Table(
        "leakage",
        f"Leakage: membership inference on the audit set{of.marks}",
        (
            "method",
            "budget",
            *(name + AUC for name in names or ("no attack",)),
            "ε lower bound",
            "ceiling",
            "k",
            "references",
        ),
        tuple(rows + apart),
        NOTES,
        (
            *left_out(whole),
            *_limits(names, whole, corrected_for(_audits(by_attack))),
            *findings(blind, nulls, known, controls),
        ),
        len(apart),
        tuple(head_of(f.family.axes, dataset) for f in whole),
    )


def _row(
    results: Results,
    one: FamilyResult,
    by_attack: Mapping[str, Sequence[FamilyResult]],
    role: Role,
) -> tuple[TableCell, ...]:
    name = one.name if role == "attack" else f"positive control: {one.name}, mislabelled"
    head = (TableCell(name, "name"), TableCell(epsilon_name(one.family.epsilon), "label"))
    count = max(1, len(by_attack))
    if one.result is None:
        absent = (TableCell(NOT_ASKED, "absent") for _ in range(count + 3))
        return (*head, TableCell(one.reason, "missing"), *absent)
    summary = one.result.summary[role]
    own = one.family.key
    return (
        *head,
        *(_auc(found, own, role) for found in by_attack.values()),
        *audit_cells(best_bound(attacks_on(results, "records"), own, role)),
        TableCell(str(summary.k), "number"),
        TableCell(str(summary.references), "number"),
    )


def _auc(found: Sequence[FamilyResult], family: str, role: Role) -> TableCell:
    for f in found:
        if f.result and f.result.family == family and role in f.result.summary:
            return auc_cell(f.result.summary[role])
    return TableCell(NOT_ASKED, "absent", "not attacked, or nothing to attack")


def audited(found: Sequence[FamilyResult], role: Role) -> list[Audit]:
    """The audits of one role."""
    return [a for f in found if f.result and (a := f.result.audit(role))]


def best_bound(attacks: Sequence[AttackResult], family: str, role: Role) -> Audit | None:
    """The audit whose one-run bound is the largest; each is corrected for the choice."""
    own = [a for a in attacks if a.family == family and a.attack != BLIND]
    audits = [audit for a in own if (audit := a.audit(role))]
    return max(audits, key=lambda audit: audit.one_run.epsilon, default=None)


def _audits(by_attack: Mapping[str, Sequence[FamilyResult]]) -> list[Audit]:
    """Every audit from which a family's best is taken."""
    results = [f.result for found in by_attack.values() for f in found if f.result]
    return [s.audit for r in results for s in r.summary.values() if s.audit]


def _apart(
    results: Results, dataset: str, by_attack: Mapping[str, Sequence[FamilyResult]]
) -> list[tuple[TableCell, ...]]:
    """One row each: a range over families for every attack."""
    rows: list[tuple[str, list[TableCell], list[Summary], list[Audit]]] = []
    seen = families(results, dataset, BLIND)
    if blind := summaries(seen, "attack"):
        same = [range_auc(blind)] + [TableCell(NOT_ASKED, "absent") for _ in list(by_attack)[1:]]
        rows.append(("blind: sees no model", same, blind, audited(seen, "attack")))
    nulls = {name: summaries(found, "null") for name, found in by_attack.items()}
    if any(nulls.values()):
        cells = [range_auc(s) if s else TableCell(NOT_ASKED, "absent") for s in nulls.values()]
        audits = [a for found in by_attack.values() for a in audited(found, "null")]
        every = [s for n in nulls.values() for s in n]
        rows.append(("null: coins permuted", cells, every, audits))
    known = [s for found in by_attack.values() for s in summaries(found, "known")]
    for epsilon in sorted({s.truth.epsilon for s in known if s.truth}):
        own = [s for s in known if s.truth and s.truth.epsilon == epsilon]
        cells = [range_auc(own)] + [TableCell(NOT_ASKED, "absent") for _ in list(by_attack)[1:]]
        same_budget = [
            [f for f in found if f.family.epsilon == epsilon] for found in by_attack.values()
        ]
        audits = [a for found in same_budget for a in audited(found, "known")]
        rows.append((f"known mechanism, ε = {epsilon:g}", cells, own, audits))
    return [
        (
            TableCell(name, "name"),
            TableCell(NOT_ASKED),
            *cells,
            *range_cells(audits),
            TableCell(range_of([s.k for s in own], "{}"), "number"),
            TableCell(NOT_ASKED, "absent"),
        )
        for name, cells, own, audits in rows
    ]
