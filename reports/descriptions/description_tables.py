"""The tables of a description: for page and terminal alike."""

from __future__ import annotations

from radpriv.benchmark.store.description_schema import Description
from radpriv.reports.descriptions.compared import (
    labels_table,
    number,
    outside_table,
    published_table,
    value,
)
from radpriv.reports.descriptions.description_figures import measured, percent
from radpriv.reports.render.table import Table, TableCell

LENGTHS = (
    ("words", "words per report"),
    ("sentences", "sentences per report"),
    ("tokens", "MiniLM tokens per report"),
    ("reports_per_patient", "reports per patient"),
)
QUANTILES = ("mean", "p5", "p50", "p95", "p99")


def tables(data: Description) -> dict[str, Table]:
    """By key, in the order of the page; empty ones are left out."""
    found = (
        labels_table(data),
        outside_table(data),
        splits_table(data),
        lengths_table(data),
        repetition_table(data),
        cues_table(data),
        counts_table(data),
        published_table(data),
    )
    return {t.key: t for t in found if t.rows}


def splits_table(data: Description) -> Table:
    """Reports and patients of each split, then patients by how many reports they have."""
    total = measured(data, "reports")
    rows = [
        (
            TableCell(name, "name"),
            TableCell(f"{facts.reports:,}", "number"),
            TableCell(percent(facts.reports / total), "number"),
            TableCell(f"{facts.patients:,}", "number"),
        )
        for name, facts in data.splits.items()
    ]
    patients = sum(n for _, _, n in data.reports_per_patient)
    groups = [
        f"{_range(least, most)}: {percent(n / patients)}"
        for least, most, n in data.reports_per_patient
        if n
    ]
    rows.append(
        (
            TableCell("all", "name"),
            TableCell(f"{total:,.0f}", "number"),
            TableCell("100%", "number"),
            TableCell(f"{patients:,}", "number"),
        )
    )
    return Table(
        "splits",
        "Splits",
        ("split", "reports", "share", "patients"),
        tuple(rows),
        (f"Patients by their number of reports: {'; '.join(groups)}.",),
        apart=1,
    )


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def lengths_table(data: Description) -> Table:
    v = data.values
    rows = [
        (TableCell(name, "name"), *(number(v[f"{key}/{q}"]) for q in QUANTILES))
        for key, name in LENGTHS
        if v[f"{key}/mean"] is not None
    ]
    over = {n: v[f"tokens_over/{n}"] for n in (128, 256, 512)}
    notes = ["Words: what blanks separate. Sentences end in . ? or ! or at an empty line."]
    if None not in over.values():
        longer = ", ".join(f"{n}: {percent(share or 0.0)}" for n, share in over.items())
        notes.append(f"Reports with more tokens than {longer}. A shorter limit cuts them.")
    else:
        notes.append("Tokens were not counted: MiniLM's tokenizer is not installed (offline).")
    heads = ("length", "mean", "5%", "median", "95%", "99%")
    return Table("lengths", "Lengths", heads, tuple(rows), tuple(notes))


def repetition_table(data: Description) -> Table:
    """Vocabulary and repetition, for all reports and for as many as Open-i has."""
    v, openi = data.values, data.openi
    size = f"{openi.reports:,}"
    rows = []
    for key, name in (
        ("vocabulary", "distinct words"),
        ("vocabulary_once", "of them seen once"),
        ("unique_reports", "distinct reports, share"),
        ("unique_sentences", "distinct sentences, share"),
        ("duplicates/copied", "reports whose text another has"),
        ("duplicates/near", "reports with a near-copy"),
        ("duplicates/crossing", "test reports near-copied in training"),
    ):
        if key in v:
            at = (v.get(f"{key}/at/{openi.reports}"), getattr(openi, key, None))
            rows.append((TableCell(name, "name"), *(_cell(key, n) for n in (v[key], *at))))
    notes = (
        "Words here are runs of letters and digits in lower case; equal reports and sentences have "
        "equal such words.",
        f"Among {size}: expected among so many of these reports drawn at random. Open-i: its "
        f"{size} reports with text, before copies are collapsed.",
    )
    heads = ("what", "all reports", f"among {size}", "Open\u2011i")
    return Table("repetition", "Vocabulary and repetition", heads, tuple(rows), notes)


def cues_table(data: Description) -> Table:
    v = data.values
    rows = [
        (
            TableCell(cue, "name"),
            TableCell(kind),
            TableCell(percent(measured(data, f"cue/{cue}")), "number"),
            number(v[f"cue_rate/{cue}"]),
        )
        for kind, cues in data.cues.items()
        for cue in cues
    ]
    negated, hedged = (measured(data, f"{kind}_reports") for kind in ("negated", "hedged"))
    found = (
        f"{percent(v['negated_sentences'] or 0)} of the sentences deny something and "
        f"{percent(v['hedged_sentences'] or 0)} hedge; {percent(negated)} and "
        f"{percent(hedged)} of the reports have such a sentence.",
    )
    heads = ("cue", "kind", "reports with it", "per 1,000 words")
    return Table("cues", "Negation, hedges and other cues", heads, tuple(rows), (), found)


def counts_table(data: Description) -> Table:
    rows = [
        (TableCell(key.replace("_", " "), "name"), TableCell(f"{n:,}", "number"))
        for key, n in data.counts.items()
    ]
    return Table("counts", "What the loader counted", ("what", "number"), tuple(rows))


def _cell(figure: str, number: float | None) -> TableCell:
    return TableCell(value(figure, number), "absent" if number is None else "number")
