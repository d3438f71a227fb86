"""What crossing from one dataset to another costs: F1 there over F1 at home, on one test set.

For a `transfer` whose test set is also in the plan with models trained on its own training split.
Both sides score the same test records, so the ratio is paired by seed and by patient resample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from radpriv.reports.render.numbers import epsilon_name, with_interval
from radpriv.reports.render.table import Table, TableCell, record
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.results.dataset_scores import DatasetScores, ScoreRow
from radpriv.reports.sections import EVERYWHERE, Section, SectionPlace, table
from radpriv.reports.statistics.intervals import RATIO, Floats, ResampledScore, estimate, pool_seeds


@dataclass(frozen=True)
class RatioRecord:
    """Weighted F1 of one method across datasets, at home, and their ratio, ± half its interval."""

    method: str
    epsilon: float
    across: float
    home: float
    ratio: float
    ratio_half: float


@table("home", SectionPlace(Section.UTILITY, 30), formats=EVERYWHERE)
def home_table(of: DatasetResults) -> Table | None:
    """Rows: methods. None where nothing was transferred, or there is no home to compare with."""
    across = of.scores
    home = None if across is None else _home(across, of.all_scores)
    if across is None or home is None:
        return None
    pairs = [(a, b) for a in across.rows for b in home.rows if _same(a, b)]
    ratios = [_ratio(a, b) for a, b in pairs]
    pool = pool_seeds([r.values for r, (a, _) in zip(ratios, pairs) if not a.deterministic])
    rows, records = [], []
    for (a, b), ratio in zip(pairs, ratios):
        found = estimate(ratio, pool, a.deterministic, RATIO)
        ours, theirs = a.estimates["weighted"], b.estimates["weighted"]
        rows.append(
            (
                TableCell(a.name, "name"),
                TableCell(epsilon_name(a.epsilon), "label"),
                TableCell(with_interval(ours), "number"),
                TableCell(with_interval(theirs), "number"),
                TableCell(with_interval(found), "number", "; ".join(found.flags)),
            )
        )
        line = RatioRecord(a.name, a.epsilon, ours.mean, theirs.mean, found.mean, found.half)
        records.append(record(line))
    return Table(
        "home",
        f"Trained on {across.trained_on}, against trained on {home.dataset}",
        ("method", "budget", "weighted F1 here", f"trained on {home.dataset}", "ratio"),
        tuple(rows),
        (
            f"Both are tested on the same {across.test_records:,} records of {across.tested_on}, "
            "on the same labels. The ratio is paired by seed and patient resample, ± half of its "
            "95% interval.",
        ),
        records=tuple(records),
    )


def _home(across: DatasetScores, all_scores: Iterable[DatasetScores]) -> DatasetScores | None:
    """The first dataset of the plan that is trained and tested on this test set."""
    if not across.transferred:
        return None
    for other in all_scores:
        at_home = not other.transferred and other.tested_on == across.tested_on
        if at_home and (other.records, other.labels) == (across.records, across.labels):
            return other
    return None


def _same(one: ScoreRow, two: ScoreRow) -> bool:
    """Whether two rows are one method with the same seeds, and both are complete."""
    key = (one.label, one.encoder, one.epsilon, one.seeds)
    both = one.complete and two.complete and not one.trivial
    return both and key == (two.label, two.encoder, two.epsilon, two.seeds)


def _ratio(one: ScoreRow, two: ScoreRow) -> ResampledScore:
    """NaN where the F1 at home is 0."""
    a, b = one.measured["weighted"], two.measured["weighted"]
    return ResampledScore(_over(a.values, b.values), _over(a.resamples, b.resamples))


def _over(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)
