"""What was extracted: how much leaked of members, beside what the same inference gets of others."""

from __future__ import annotations

from radpriv.benchmark.store.attack_schema import ExtractedKind, Interval, Role
from radpriv.reports.render.numbers import NOT_ASKED, epsilon_name
from radpriv.reports.render.table import Table, TableCell
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.families import extractions
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.leakage import NOT_RESOLVABLE

NOTES = (
    "members, others: the mean amount over candidates that were trained on, and over those that "
    "were not, where the same inference guesses. difference: with its 95% interval; it is what "
    "leaked. null: the same amounts against coins permuted, whose interval must hold 0.",
    "Not resolvable: fewer than 10 members, or others, in a seed. name*k: a canary planted k times "
    "by one coin, more than one unit: it bounds no ε.",
)


@table("extracted", SectionPlace(Section.LEAKAGE, 60))
def extracted_table(of: DatasetResults) -> Table | None:
    """Families × extraction attacks × kinds of candidates; None where none was made."""
    rows, said, amounts = [], dict[str, None](), dict[str, None]()
    for family, found, extracted in extractions(of.results, of.dataset):
        role: Role = "control" if family.is_control else "attack"
        name = f"positive control: {family.name}" if family.is_control else family.name
        nulls = {n.kind: n for n in extracted.kinds["null"]}
        amounts |= dict.fromkeys([f"{found.attack}: {extracted.quantity}."])
        said |= dict.fromkeys(f"{found.attack}: {k}: {v}." for k, v in extracted.remarks.items())
        for line in extracted.kinds[role]:
            rows.append(
                (
                    TableCell(name, "name"),
                    TableCell(epsilon_name(family.epsilon), "label"),
                    TableCell(found.attack, "label", extracted.quantity),
                    TableCell(line.kind, "label"),
                    *_cells(line, nulls.get(line.kind)),
                )
            )
    if not rows:
        return None
    return Table(
        "extracted",
        f"Extraction: what leaked of members beside what is guessed of others{of.marks}",
        (
            "method",
            "budget",
            "attack",
            "candidates",
            "members",
            "others",
            "difference",
            "null",
            "asked",
        ),
        tuple(rows),
        (*amounts, *NOTES),
        tuple(said),
    )


def _cells(line: ExtractedKind, null: ExtractedKind | None) -> tuple[TableCell, ...]:
    asked = TableCell(f"{line.asked:,}", "number", f"{line.left_out:,} left out")
    found = line.amounts
    if found is None:
        why = f"{line.members} in, {line.non_members} out"
        absent = (TableCell(NOT_ASKED, "absent") for _ in range(3))
        return (TableCell(NOT_RESOLVABLE, "absent", why), *absent, asked)
    return (
        TableCell(f"{found.member_mean:.3g}".replace("-", "−"), "number"),
        TableCell(f"{found.non_member_mean:.3g}".replace("-", "−"), "number"),
        TableCell(
            _signed(found.difference), "number", f"{line.interval_method}; {line.replicates}"
        ),
        TableCell(_signed(null.amounts.difference), "number")
        if null and null.amounts
        else TableCell(NOT_ASKED, "absent"),
        asked,
    )


def _signed(gap: Interval) -> str:
    return f"{gap.value:+.3g} [{gap.low:+.3g}, {gap.high:+.3g}]".replace("-", "−")
