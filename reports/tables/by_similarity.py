"""Leakage by likeness: the AUC among candidates that resemble other training records, or do not.

A model that repeats templates shows it here: where leakage is found among near-copies alone, it is
not the record that leaks but the text it shares.
"""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.benchmark.store.attack_schema import SimilarityRange
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import FamilyResult, families
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.format_bounds import range_of
from radpriv.reports.tables.leakage import NOT_RESOLVABLE, between

NOTES = (
    "Similarity: Jaccard similarity of the sets of three-word shingles without dates, numbers and "
    "scrub marks, to the nearest record of another unit in the training split, in or out alike. In "
    "brackets behind the interval: candidates.",
    "attack: the strongest of those that were made on the family, by its AUC in the headline.",
    "A stratum needs 10 members and 10 non-members in every seed, otherwise it is “not "
    "resolvable”. The intervals describe; they are not adjusted for the number of strata.",
)


@table("strata", SectionPlace(Section.LEAKAGE, 90))
def strata_table(of: DatasetResults) -> Table | None:
    """Families × strata, then the range of the nulls and the positive control."""
    results, dataset = of.results, of.dataset
    rows: list[tuple[TableCell, ...]] = []
    apart: list[tuple[TableCell, ...]] = []
    nulls: list[Sequence[SimilarityRange]] = []
    for one in families(results, dataset):
        for role, summary in sorted(one.result.summary.items()) if one.result else ():
            if role == "known":
                continue
            if role == "null":
                nulls.append(summary.by_similarity)
            else:
                made = _row(one, role, summary.by_similarity)
                (apart if role == "control" else rows).append(made)
    if nulls:
        ranges = map(_null, zip(*nulls))
        apart.insert(
            0,
            (
                TableCell("null: coins permuted", "name"),
                TableCell(NOT_ASKED),
                TableCell(NOT_ASKED),
                *ranges,
            ),
        )
    if not rows + apart:
        return None
    spans = [(s.similarity_from, s.similarity_below) for s in nulls[0]] if nulls else []
    return Table(
        "strata",
        f"Leakage by similarity to the nearest other training record: AUC{of.marks}",
        ("method", "budget", "attack", *(span_name(*span) for span in spans)),
        tuple(rows + apart),
        NOTES,
        apart=len(apart),
    )


def span_name(start: float, end: float | None) -> str:
    """ "below 0.5", "0.5 to 0.7", "0.7 and more"."""
    if end is None:
        return f"{start:g} and more"
    return f"{start:g} to {end:g}" if start else f"below {end:g}"


def _row(one: FamilyResult, role: str, strata: Sequence[SimilarityRange]) -> tuple[TableCell, ...]:
    name = one.name if role == "attack" else f"positive control: {one.name}, mislabelled"
    budget = TableCell(epsilon_name(one.family.epsilon), "label")
    attack = TableCell(one.result.attack if one.result else NOT_ASKED, "label")
    return (TableCell(name, "name"), budget, attack, *map(_cell, strata))


def _cell(stratum: SimilarityRange) -> TableCell:
    count = f"({stratum.candidates:,})"
    if stratum.auc is None:
        return TableCell(f"{NOT_RESOLVABLE} {count}", "absent", "too few members or non-members")
    return TableCell(f"{between(stratum.auc)} {count}", "number")


def _null(strata: Sequence[SimilarityRange]) -> TableCell:
    known = [s.auc.value for s in strata if s.auc]
    if not known:
        return TableCell(NOT_RESOLVABLE, "absent")
    return TableCell(range_of(known), "number")
