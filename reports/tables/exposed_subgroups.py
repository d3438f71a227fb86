"""Who is most exposed: the strongest attack's AUC by group of records, by patient and by label."""

from __future__ import annotations

from radpriv.benchmark.store.attack_schema import Interval, Patients, Subgroup
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import FamilyResult, families
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.leakage import NOT_RESOLVABLE, between

MOST = 3
GROUP_NOTES = (
    "AUC of the family's strongest attack among candidates without near-copies, with 95% intervals "
    "that are not adjusted for the number of groups; in brackets behind: candidates. Groups are "
    "cut by labels, length and similarity, never by a coin. A rare label: fewer than 5% of the "
    "test records that observe it have it. Not resolvable: fewer than 10 members, or others, in "
    "some seed.",
    "patients: all candidate reports of a patient attacked together (of patients with two or more, "
    "whose coins fell alike). Under a claim for single reports it describes and tests nothing.",
)
LABEL_NOTES = (
    "The same attack made again through one label at a time: the labels with the highest AUC, and "
    "the range over all that are resolvable. The highest of many is high by luck, too: read its "
    "interval, and the null row of the attack's table.",
)


@table("groups", SectionPlace(Section.LEAKAGE, 70))
def groups_table(of: DatasetResults) -> Table | None:
    """Families × groups of records, and patients; None where no attack was cut so."""
    rows, names = [], list[str]()
    for one in families(of.results, of.dataset):
        found = one.result.subgroups if one.result else None
        if found is None or not found.groups:
            continue
        names = names or [g.name for g in found.groups]
        rows.append(
            (
                *_head(one),
                *(_cell(g.auc, g.candidates) for g in found.groups),
                _patients(found.patients),
            )
        )
    if not rows:
        return None
    return Table(
        "groups",
        f"Who is most exposed: AUC by group of records{of.marks}",
        ("method", "budget", "attack", *names, "patients"),
        tuple(rows),
        GROUP_NOTES,
    )


@table("label_leakage", SectionPlace(Section.LEAKAGE, 80))
def label_leakage_table(of: DatasetResults) -> Table | None:
    """Families with the labels through which they leak most; None where none was cut so."""
    rows = []
    for one in families(of.results, of.dataset):
        found = one.result.subgroups if one.result else None
        labels: tuple[Subgroup, ...] = found.labels if found else ()
        known = [(row.name, row.auc) for row in labels if row.auc]
        if not labels:
            continue
        top = [f"{name} {between(auc)}" for name, auc in known[:MOST]]
        span = f"{known[-1][1].value:.2f} to {known[0][1].value:.2f}" if known else NOT_RESOLVABLE
        rows.append(
            (
                *_head(one),
                *(TableCell(t, "text") for t in top),
                *(TableCell(NOT_ASKED, "absent") for _ in range(MOST - len(top))),
                TableCell(span, "number"),
                TableCell(f"{len(known)} of {len(labels)}", "number"),
            )
        )
    if not rows:
        return None
    return Table(
        "label_leakage",
        f"Who is most exposed: AUC through single labels{of.marks}",
        ("method", "budget", "attack", "highest", "second", "third", "range", "resolvable"),
        tuple(rows),
        LABEL_NOTES,
    )


def _head(one: FamilyResult) -> tuple[TableCell, ...]:
    budget = TableCell(epsilon_name(one.family.epsilon), "label")
    attack = TableCell(one.result.attack if one.result else NOT_ASKED, "label")
    return TableCell(one.name, "name"), budget, attack


def _cell(auc: Interval | None, count: int) -> TableCell:
    if auc is None:
        return TableCell(
            f"{NOT_RESOLVABLE} ({count:,})", "absent", "too few members or non-members"
        )
    return TableCell(f"{between(auc)} ({count:,})", "number")


def _patients(row: Patients | None) -> TableCell:
    if row is None:
        return TableCell(NOT_ASKED, "absent", "no patient has several candidate reports")
    return _cell(row.auc, row.patients)
