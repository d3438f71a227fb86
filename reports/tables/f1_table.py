"""F1 of each method at each ε, weighted and macro, with what a paired difference says of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from radpriv.reports.facts.dataset_facts import planted_in_words
from radpriv.reports.render.numbers import epsilon_name, with_interval
from radpriv.reports.render.table import Table, TableCell, record
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.dataset_scores import DatasetScores, PairedDifference, ScoreRow, best
from radpriv.reports.results.load import Results
from radpriv.reports.sections import EVERYWHERE, Section, SectionPlace, table
from radpriv.reports.statistics.intervals import Pool
from radpriv.reports.tables.score_cell import score_cell
from radpriv.reports.tables.score_records import f1_records

LINEAR = ("dp_linear_probe", "dp_bow")


@table("weighted", SectionPlace(Section.UTILITY, 10), formats=EVERYWHERE, csv="f1.csv")
def weighted_table(of: DatasetResults) -> Table | None:
    """Weighted F1, with how its intervals are made."""
    if (scores := of.scores) is None:
        return None
    planted = _planted(of.results, of.dataset)
    seeds = ", ".join(str(k) for k in sorted({len(r.seeds) for r in scores.rows}))
    notes = [
        *([f"Trained with {planted}, so F1 is not that of the dataset alone."] if planted else []),
        "Weighted F1 is scikit-learn's average=\"weighted\" over labels: each label's F1 of the "
        "positive class, weighted by its observed positives; labels that were not observed are "
        "skipped. An all-negative classifier scores 0.",
        "Mean ± half of the 95% interval, t · √(s²/k + v): s² is the seed variance, v the "
        f"variance over {scores.test_patients:,} test patients (2,000 resamples, the same for "
        f"every row), k the number of seeds (here {seeds}).",
        *(
            pool_note(scores.pools(p), name)
            for p, name in ((True, "Private"), (False, "Non-private"))
        ),
        "prior, keyword, all positive and all negative draw no randomness: they stay out of the "
        "pools, and their interval covers patients only.",
        "(best), (tied best): highest mean at its ε, and all whose paired difference to it may "
        "be 0.",
    ]
    return f1_table(scores, "weighted", f"Weighted F1{of.marks}", notes)


@table("macro", SectionPlace(Section.UTILITY, 20), folded=10)
def macro_table(of: DatasetResults) -> Table | None:
    """Macro F1."""
    if of.scores is None:
        return None
    note = "Plain mean over labels that are true or predicted at least once."
    return f1_table(of.scores, "macro", f"Macro F1{of.marks}", [note])


def f1_table(scores: DatasetScores, metric: str, title: str, notes: Iterable[str] = ()) -> Table:
    """Rows: method × encoder, the trivial ones last; columns: ε. metric: as in Row.estimates."""
    epsilons = sorted({r.epsilon for r in scores.rows} | {math.inf})
    ranked = [r.epsilon for r in scores.rows if r.estimates and not r.trivial]
    rivals = {e for e in epsilons if metric == "weighted" and ranked.count(e) > 1}
    marks = {e: best(scores, e) for e in rivals}
    groups: dict[tuple[bool, str], dict[float, ScoreRow]] = {}
    for r in [*scores.rows, *scores.trivial]:
        groups.setdefault((r.trivial, r.name), {})[r.epsilon] = r
    rows, trivial = [], 0
    for (apart, name), by_epsilon in sorted(groups.items(), key=lambda g: g[0][0]):
        trivial += apart
        cells = [score_cell(by_epsilon.get(e), metric, *marks.get(e, (None, ()))) for e in epsilons]
        rows.append((TableCell(name, "name"), *cells))
    return Table(
        metric,
        title,
        ("method (encoder)", *(epsilon_name(e) for e in epsilons)),
        tuple(rows),
        (*notes, *_caveats([*scores.rows, *scores.trivial], metric)),
        tuple(linear_against_lora(scores.differences)) if metric == "weighted" else (),
        trivial,
        tuple(map(record, f1_records(scores))) if metric == "weighted" else (),
    )


def _caveats(rows: Iterable[ScoreRow], metric: str) -> list[str]:
    """What the stars stand for, row by row."""
    return [
        f"* {r.name}, {epsilon_name(r.epsilon)}: {'; '.join(r.estimates[metric].flags)}"
        for r in rows
        if metric in r.estimates and r.estimates[metric].flags
    ]


def linear_against_lora(differences: Iterable[PairedDifference]) -> list[str]:
    """What a paired difference says where a DP linear model scores above dp_lora."""
    found = []
    for d in differences:
        if d.first.method != "dp_lora" or d.second.method not in LINEAR or d.estimate.mean >= 0:
            continue
        e = d.estimate
        text = with_interval(replace(e, mean=-e.mean), 3)
        where = f"At {epsilon_name(d.first.epsilon)}, {d.second.name}"
        paired = f"(paired difference in weighted F1: {text}, k = {e.k})"
        if d.resolved:
            found.append(f"{where} beats {d.first.name} {paired}.")
        else:
            found.append(
                f"{where} is ahead of {d.first.name}, but the interval holds 0: a tie {paired}."
            )
    return found


def pool_note(pool: Pool | None, kind: str) -> str:
    if pool is None:
        return f"{kind} rows: no seed variance is known (one seed each)"
    return (
        f"{kind} rows: s = {math.sqrt(pool.s2):.4f}, df = {pool.df}, pooled over {pool.rows} rows"
    )


def _planted(results: Results, dataset: str) -> str:
    """What was planted in the cells of a dataset that are no controls; "" if nothing."""
    for done in results.done.values():
        audit = done.record.cell.audit
        if done.entry.dataset == dataset and audit.planted:
            return planted_in_words(audit)
    return ""
