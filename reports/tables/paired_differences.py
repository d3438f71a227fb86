"""Paired differences in F1 between methods at one ε."""

from __future__ import annotations

from radpriv.reports.render.numbers import epsilon_name, with_interval
from radpriv.reports.render.table import Table, TableCell, record
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, table
from radpriv.reports.tables.score_records import difference_record


@table("differences", SectionPlace(Section.DETAILS, 20))
def differences_table(of: DatasetResults) -> Table | None:
    """Paired differences in weighted F1 at the same ε, seed and patient resample."""
    if (scores := of.scores) is None:
        return None
    rows = []
    for d in scores.differences:
        e = d.estimate
        if d.identical:
            smallest = 2.0 ** (1 - e.k)
            verdict = f"no difference to test (smallest attainable p at k = {e.k}: {smallest:g})"
        elif d.resolved:
            verdict = f"{(d.first if e.mean > 0 else d.second).name} is higher"
        else:
            verdict = "tie: the interval holds 0"
        df = "∞" if e.df is None else str(e.df)
        rows.append(
            (
                TableCell(f"{d.first.name} − {d.second.name}", "name"),
                TableCell(epsilon_name(d.first.epsilon), "label"),
                TableCell(with_interval(e, 3, sign=True), "number", "; ".join(e.flags)),
                TableCell(str(e.k), "number"),
                TableCell(df, "number"),
                TableCell(verdict, "text"),
            )
        )
    return Table(
        "differences",
        "Paired differences in weighted F1",
        ("difference", "budget", "mean, 95% interval", "k", "df", "reading"),
        tuple(rows),
        (
            "Same dataset, ε, seed and patient resamples on both sides; not adjusted for the "
            "number of comparisons.",
        ),
        records=tuple(record(difference_record(d)) for d in scores.differences),
    )
