"""Who is most exposed: the AUC of one attack by label, by group of records, and by patient.

Groups are cut by what is public of a record (its labels, length, similarity), never by a coin, so
within each of them the coins are as fair as in the whole. They are given at once and describe: the
intervals are not adjusted for their number.

By label: the attack again, on a view in which that label alone is known. By patient: all candidate
reports of a patient attacked together. Where coins were flipped per report a patient may be a
member in part; of the patients with two or more candidate reports, those whose coins all fell alike
are taken, and given that, in and out are equally likely whatever their number. Such a figure
describes; it tests no claim about single reports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from radpriv.attacks import metrics
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.attacks.evaluation.summary import CONFIDENCE, Scored, resolved_auc
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.metrics import Bools, Floats
from radpriv.benchmark.store.attack_schema import Interval, Patients, Subgroup

RARE = 0.05
"""A label is rare where less than this share of the test records that observe it have it."""


def groups_of(outputs: Outputs) -> dict[str, Bools]:
    """By name: which candidates belong to it, bool (m,). A candidate may belong to several."""
    with np.errstate(invalid="ignore", divide="ignore"):
        positives = np.nansum(outputs.population.labels > 0.5, axis=0)
        observed = (~np.isnan(outputs.population.labels)).sum(axis=0)
        rare = np.flatnonzero(positives < RARE * observed)
    has = outputs.labels > 0.5  # NaN is not
    length, similarity = outputs.length, outputs.similarity
    seldom, some = np.asarray(has[:, rare].any(axis=1)), np.asarray(has.any(axis=1))
    return {
        "a rare label": seldom,
        "other labels only": some & ~seldom,
        "no label": ~some,
        "shortest quarter": length <= np.quantile(length, 0.25),
        "longest quarter": length >= np.quantile(length, 0.75),
        "least similar quarter": similarity <= np.quantile(similarity, 0.25),
        "most similar quarter": similarity >= np.quantile(similarity, 0.75),
    }


def group_rows(seeds: Sequence[Scored], groups: Mapping[str, Bools]) -> tuple[Subgroup, ...]:
    """One row per group, of clean candidates (near_copies.py); not resolvable below `FEWEST`."""
    return tuple(
        _row(name, [s.only(inside & s.clean_mask()) for s in seeds])
        for name, inside in groups.items()
    )


def label_rows(
    names: Sequence[str], score: Callable[[int], Sequence[Scored]]
) -> tuple[Subgroup, ...]:
    """One row per label, most exposed first; score(j): the seeds, scored through label j alone.

    Candidates that do not observe the label are left out of its row by `score`.
    """

    def exposure(row: Subgroup) -> tuple[bool, float, str]:
        return row.auc is None, -(row.auc.value if row.auc else 0.0), row.name

    return tuple(sorted((_row(name, score(j)) for j, name in enumerate(names)), key=exposure))


def _row(name: str, seeds: Sequence[Scored]) -> Subgroup:
    return Subgroup(name, seeds[0].member.size, resolved_auc(seeds))


def patient_row(patients: Sequence[str], seeds: Sequence[tuple[Floats, Bools]]) -> Patients | None:
    """Patients with several candidate reports, attacked as one; None where there is none.

    patients: m pseudonyms; seeds: (scores, member), (m,) each. A patient's score is the sum of the
    normal scores of the ranks of its reports. The mean AUC over seeds; since which patients count
    differs from seed to seed, its error is taken as if all seeds had seen the same patients.
    """
    number = np.unique(np.array(patients), return_inverse=True)[1]
    count = np.bincount(number)
    if not (count > 1).any():
        return None
    areas, errors, sizes = [], [], []
    for scores, member in seeds:
        total, coin, kept = _together(number, count, scores, member)
        sizes.append(int(kept.sum()))
        if min(coin[kept].sum(), (~coin[kept]).sum()) < FEWEST:
            areas.append(math.nan)
            continue
        areas.append(metrics.auc(total[kept], coin[kept]))
        errors.append(float(np.sum(metrics.auc_influence(total[kept], coin[kept]) ** 2)))
    resolvable = not np.isnan(areas).any()
    return Patients(
        patients=int(np.median(sizes)),
        reports=float(count[count > 1].mean()),
        auc=_patient_auc(areas, errors) if resolvable else None,
    )


def _patient_auc(areas: Sequence[float], errors: Sequence[float]) -> Interval:
    """The mean over seeds; errors: DeLong's variance in each."""
    k, mean = len(areas), float(np.mean(areas))
    between = float(np.var(areas, ddof=1)) / k if k > 1 else 0.0
    records = float(np.mean(errors))
    freedom = (k - 1) * ((between + records) / between) ** 2 if between > 0 else math.inf
    half = float(student.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(between + records)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), CONFIDENCE)


def _together(
    number: NDArray[np.int64], count: NDArray[np.int64], scores: Floats, member: Bools
) -> tuple[Floats, Bools, Bools]:
    """Per patient: the summed score, the coin of all its reports, and whether they agree."""
    normal = norm.ppf((rankdata(scores) - 0.5) / scores.size)
    total = np.bincount(number, weights=normal).astype(np.float64)
    inside = np.bincount(number, weights=member)
    kept = (count > 1) & ((inside == 0) | (inside == count))
    return total, np.asarray(inside > 0), np.asarray(kept)
