"""One statement per family and role: the mean AUC over seeds, TPR and the curve.

Seeds of a family share their candidates; coins and training are their own. So two errors add up:
v, of the candidates and their coins, from DeLong's influences averaged per record over the seeds
before squaring (a record that behaves alike in every model counts once), and s²/k, of training.
The interval is mean ± t · sqrt(s²/k + v) with Satterthwaite's degrees of freedom, at least k − 1.
s² contains the coins a second time, so the interval errs on the wide side: in simulations (300
candidates, k = 2, 3, 5) 95% intervals cover 92–99%. Where training moves the AUC by 0.1 (standard
deviation between seeds; luck of the coins: 0.03) they cover 86–88% at k = 2, 92% and more from 3
seeds on. With k = 1 the interval is DeLong's and holds for that model alone.

TPR, the curve and the advantage have bootstrap intervals over candidates and seeds (roc.py). The
bound on ε of a family is the audit's (epsilon/audit_report.py); that of a single seed is by guesses
fixed beforehand, a tenth of the candidates.

AUC and TPR count candidates without a near-copy (near_copies.py says why, and why no coin decides
it); ε counts all. Beside them stands the AUC of each stratum of similarity, for description: strata
are not adjusted for their number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from radpriv.attacks import metrics
from radpriv.attacks.epsilon import one_run
from radpriv.attacks.evaluation.near_copies import FEWEST, STRATA, Stratum, clean
from radpriv.attacks.evaluation.roc import Curve, family_curve, grid
from radpriv.attacks.metrics import Bools, Floats, Interval
from radpriv.errors import AttackError

CONFIDENCE = 0.95
RATES = (0.05, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Scored:
    """One seed's answer with its coins, (m,) each; slots are those of the family, in order.

    similarity: float32 (m,), to the nearest record of another unit; the same in every seed.
    """

    scores: Floats
    member: Bools
    delta: float
    similarity: NDArray[np.float32]

    def only(self, mask: Bools) -> Scored:
        """Some of the candidates."""
        picked = (self.scores[mask], self.member[mask], self.delta, self.similarity[mask])
        return Scored(*picked)

    def clean_mask(self) -> Bools:
        """Which candidates count for AUC and TPR (near_copies.py), by a rule that sees no coin."""
        return clean(self.similarity)

    def clean(self) -> Scored:
        """The candidates that count for AUC and TPR."""
        kept = self.only(self.clean_mask())
        m, left = self.member.size, self.member.size - kept.member.size
        if left and (kept.member.all() or not kept.member.any()):
            which = "non-members" if kept.member.any() else "members"
            raise AttackError(
                f"{left} of {m} candidates have a near-copy in the data and are left out; none of "
                f"the other {m - left} are {which}: use a larger audit set or another seed"
            )
        return kept

    def guessed(self) -> tuple[int, int]:
        """(r, v) of the one-run rule, over all candidates."""
        r = one_run.guess_count(self.scores.size)
        return r, one_run.correct(one_run.guess(self.scores, r), self.member)

    def bound(self, confidence: float) -> tuple[float, float]:
        """(ε lower bound, ceiling), over all candidates."""
        m, (r, v) = self.scores.size, self.guessed()
        return (
            one_run.epsilon_lower(m, r, v, self.delta, confidence),
            one_run.ceiling(m, r, self.delta, confidence),
        )

    def tpr_at_fpr(self) -> dict[str, dict[str, Any]]:
        """{"0.05": {"value": float or None, "resolvable": bool}, …}; None if not resolvable."""
        non_members = int((~self.member).sum())
        cells: dict[str, dict[str, Any]] = {}
        for rate in RATES:
            can = metrics.resolvable(non_members, rate)
            value = metrics.tpr_at_fpr(self.scores, self.member, rate) if can else None
            cells[f"{rate:g}"] = {"value": value, "resolvable": can}
        return cells


def row(seed: Scored) -> dict[str, Any]:
    """The measured part of one row of a result: one model, at 95%.

    candidates: clean ones; left_out: the others; audited: all, for the bound on ε.
    """
    kept = seed.clean()
    area = metrics.auc_interval(kept.scores, kept.member, CONFIDENCE)
    bound, top = seed.bound(CONFIDENCE)
    r, v = seed.guessed()
    return {
        "candidates": kept.scores.size,
        "left_out": seed.scores.size - kept.scores.size,
        "audited": seed.scores.size,
        "members": int(kept.member.sum()),
        "auc": area.value,
        "auc_low": area.low,
        "auc_high": area.high,
        "tpr_at_fpr": kept.tpr_at_fpr(),
        "epsilon_lower": bound,
        "confidence": CONFIDENCE,
        "guesses": r,
        "correct": v,
        "ceiling": top,
        "delta": seed.delta,
    }


def family_row(seeds: Sequence[Scored], references: int | None = None) -> dict[str, Any]:
    """The summary of one role over the k seeds of a family; references: of each target."""
    k = len(seeds)
    kept = [s.clean() for s in seeds]
    area, freedom = mean_auc(kept)
    rates = np.union1d(grid(), RATES)
    curve = family_curve([(s.scores, s.member) for s in kept], rates)
    return {
        "k": k,
        "references": k - 1 if references is None else references,
        "candidates": kept[0].scores.size,
        "left_out": seeds[0].scores.size - kept[0].scores.size,
        "audited": seeds[0].scores.size,
        "auc": area.value,
        "auc_low": area.low,
        "auc_high": area.high,
        "confidence": CONFIDENCE,
        "interval": "DeLong" if k == 1 else "t * sqrt(s^2/k + v)",
        "replicates": "records within a model" if k == 1 else "seeds, and records over all seeds",
        "degrees_of_freedom": freedom,
        "tpr_at_fpr": _rates(curve),
        "roc": {
            "fpr": curve.rates.tolist(),
            "tpr": curve.tpr.tolist(),
            "low": curve.low.tolist(),
            "high": curve.high.tolist(),
            "resolvable": curve.resolvable.tolist(),
        },
        "advantage": curve.advantage,
        "advantage_low": curve.advantage_low,
        "advantage_high": curve.advantage_high,
        "delta": max(s.delta for s in seeds),
        "strata": [stratum_row(seeds, stratum) for stratum in STRATA],
    }


def _rates(curve: Curve) -> dict[str, dict[str, Any]]:
    """{"0.05": {"value", "low", "high", "resolvable"}, …}; None where not resolvable."""
    found: dict[str, dict[str, Any]] = {}
    for rate in RATES:
        i = int(np.argmin(abs(curve.rates - rate)))
        can = bool(curve.resolvable[i])
        ends = ("value", curve.tpr), ("low", curve.low), ("high", curve.high)
        found[f"{rate:g}"] = {n: float(v[i]) if can else None for n, v in ends}
        found[f"{rate:g}"]["resolvable"] = can
    return found


def stratum_row(seeds: Sequence[Scored], stratum: Stratum) -> dict[str, Any]:
    """The mean AUC among candidates of one stratum of similarity, near-copies included.

    Not resolvable (AUC None) below `FEWEST` members or non-members in some seed.
    """
    inside = [s.only(stratum.holds(s.similarity)) for s in seeds]
    return {
        "similarity_from": stratum.start,
        "similarity_below": stratum.end,
        **area_row(inside),
    }


def area_row(seeds: Sequence[Scored]) -> dict[str, Any]:
    """candidates, resolvable, and the mean AUC with its interval (None below `FEWEST`)."""
    fewest = min(min(int(s.member.sum()), int((~s.member).sum())) for s in seeds)
    found: dict[str, Any] = {
        "candidates": seeds[0].member.size,
        "resolvable": fewest >= FEWEST,
        **dict.fromkeys(("auc", "auc_low", "auc_high")),
    }
    if found["resolvable"]:
        area, _ = mean_auc(seeds)
        found |= {"auc": area.value, "auc_low": area.low, "auc_high": area.high}
    return found


def canary_rows(kinds: Mapping[str, Sequence[Scored]]) -> list[dict[str, Any]]:
    """One row per kind of canary: mean AUC, and the bound on ε where a canary is one unit.

    Copies of a canary change a model by more than one unit may, so they bound nothing: ε is None.
    Not resolvable (AUC None) below `FEWEST` members or non-members in some seed.
    """
    rows = []
    for kind, seeds in sorted(kinds.items()):
        found = {"kind": kind, **area_row(seeds), "epsilon_lower": None, "ceiling": None}
        if "*" not in kind:
            bounds = [s.bound(1 - (1 - CONFIDENCE) / len(seeds)) for s in seeds]
            found["epsilon_lower"] = max(bound for bound, _ in bounds)
            found["ceiling"] = max(top for _, top in bounds)
        rows.append(found)
    return rows


def mean_auc(seeds: Sequence[Scored], confidence: float = CONFIDENCE) -> tuple[Interval, Any]:
    """The mean AUC with its interval, and the degrees of freedom (None: normal).

    Where some seed has a single member or non-member, the interval is [0, 1].
    """
    k = len(seeds)
    if k == 1:
        return metrics.auc_interval(seeds[0].scores, seeds[0].member, confidence), None
    areas = np.array([metrics.auc(s.scores, s.member) for s in seeds])
    mean = float(areas.mean())
    influence = np.mean([metrics.auc_influence(s.scores, s.member) for s in seeds], axis=0)
    records, training = float(np.sum(influence**2)), float(areas.var(ddof=1)) / k
    if math.isnan(records):
        return Interval(mean, 0.0, 1.0, confidence), None
    if np.all(areas == areas[0]) and areas[0] in (0.0, 1.0):
        # No error is visible in any seed; the widest single model's interval still holds.
        alone = [metrics.auc_interval(s.scores, s.member, confidence) for s in seeds]
        low, high = min(a.low for a in alone), max(a.high for a in alone)
        return Interval(mean, low, high, confidence), None
    if training == 0:
        freedom, quantile = None, float(student.ppf((1 + confidence) / 2, np.inf))
    else:
        freedom = (k - 1) * ((training + records) / training) ** 2
        quantile = float(student.ppf((1 + confidence) / 2, freedom))
    half = quantile * math.sqrt(training + records)
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half), confidence), freedom
