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

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from radpriv.attacks import metrics
from radpriv.attacks.epsilon import one_run
from radpriv.attacks.evaluation.near_copies import FEWEST, STRATA, Stratum, clean
from radpriv.attacks.evaluation.roc import Curve, family_curve, grid
from radpriv.attacks.metrics import Bools, Floats
from radpriv.benchmark.store.attack_schema import (
    CanaryKind,
    Interval,
    Roc,
    Role,
    SeedRow,
    SimilarityRange,
    Summary,
    Truth,
)
from radpriv.benchmark.store.audit_schema import Audit, GuessedBound, LowerBound
from radpriv.errors import AttackError

CONFIDENCE = 0.95
RATES = (0.05, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Scored:
    """One seed's scores with its coins, (m,) each; slots are those of the family, in order.

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

    def tpr_at_fpr(self) -> dict[str, float | None]:
        """{"0.05": 0.12, …}; None where the rate cannot be resolved."""
        non_members = int((~self.member).sum())
        return {
            f"{rate:g}": metrics.tpr_at_fpr(self.scores, self.member, rate)
            if metrics.resolvable(non_members, rate)
            else None
            for rate in RATES
        }


def row(
    scored: Scored, cell_id: str, seed: int, role: Role, references: int, delta_source: str
) -> SeedRow:
    """One model in one role, at 95%."""
    kept = scored.clean()
    bound, top = scored.bound(CONFIDENCE)
    return SeedRow(
        cell_id=cell_id,
        seed=seed,
        role=role,
        references=references,
        candidates=kept.scores.size,
        left_out=scored.scores.size - kept.scores.size,
        audited=scored.scores.size,
        members=int(kept.member.sum()),
        auc=metrics.auc_interval(kept.scores, kept.member, CONFIDENCE),
        tpr_at_fpr=kept.tpr_at_fpr(),
        bound=GuessedBound(bound, top, *scored.guessed(), CONFIDENCE),
        delta=scored.delta,
        delta_source=delta_source,
    )


def family_row(
    seeds: Sequence[Scored],
    references: int | None = None,
    canaries: Sequence[CanaryKind] = (),
    audit: Audit | None = None,
    truth: Truth | None = None,
) -> Summary:
    """The summary of one role over the k seeds of a family; references: of each target."""
    k = len(seeds)
    kept = [s.clean() for s in seeds]
    area, freedom = mean_auc(kept)
    rates = np.union1d(grid(), RATES)
    curve = family_curve([(s.scores, s.member) for s in kept], rates)
    return Summary(
        k=k,
        references=k - 1 if references is None else references,
        candidates=kept[0].scores.size,
        left_out=seeds[0].scores.size - kept[0].scores.size,
        audited=seeds[0].scores.size,
        auc=area,
        interval_method="DeLong" if k == 1 else "t * sqrt(s^2/k + v)",
        replicates="records within a model" if k == 1 else "seeds, and records over all seeds",
        degrees_of_freedom=freedom,
        tpr_at_fpr=_rates(curve),
        roc=Roc(
            fpr=tuple(curve.rates.tolist()),
            tpr=tuple(curve.tpr.tolist()),
            low=tuple(curve.low.tolist()),
            high=tuple(curve.high.tolist()),
            resolvable=tuple(curve.resolvable.tolist()),
        ),
        advantage=Interval(curve.advantage, curve.advantage_low, curve.advantage_high, CONFIDENCE),
        delta=max(s.delta for s in seeds),
        by_similarity=tuple(similarity_row(seeds, stratum) for stratum in STRATA),
        canaries=tuple(canaries),
        audit=audit,
        truth=truth,
    )


def _rates(curve: Curve) -> dict[str, Interval | None]:
    """TPR by rate, as "0.05"; None where not resolvable."""
    found: dict[str, Interval | None] = {}
    for rate in RATES:
        i = int(np.argmin(abs(curve.rates - rate)))
        value, low, high = (float(v[i]) for v in (curve.tpr, curve.low, curve.high))
        can = bool(curve.resolvable[i])
        found[f"{rate:g}"] = Interval(value, low, high, CONFIDENCE) if can else None
    return found


def similarity_row(seeds: Sequence[Scored], stratum: Stratum) -> SimilarityRange:
    """The mean AUC among candidates of one stratum of similarity, near-copies included."""
    inside = [s.only(stratum.holds(s.similarity)) for s in seeds]
    return SimilarityRange(
        similarity_from=stratum.start,
        similarity_below=stratum.end,
        candidates=inside[0].member.size,
        auc=resolved_auc(inside),
    )


def resolved_auc(seeds: Sequence[Scored]) -> Interval | None:
    """The mean AUC; None below `FEWEST` members or non-members in some seed."""
    fewest = min(min(int(s.member.sum()), int((~s.member).sum())) for s in seeds)
    return mean_auc(seeds)[0] if fewest >= FEWEST else None


def canary_rows(kinds: Mapping[str, Sequence[Scored]]) -> list[CanaryKind]:
    """By kind of canary: mean AUC, and the bound on ε where a canary is one unit."""
    rows = []
    for kind, seeds in sorted(kinds.items()):
        bound = None
        if "*" not in kind:
            bounds = [s.bound(1 - (1 - CONFIDENCE) / len(seeds)) for s in seeds]
            bound = LowerBound(max(low for low, _ in bounds), max(top for _, top in bounds))
        rows.append(CanaryKind(kind, seeds[0].member.size, resolved_auc(seeds), bound))
    return rows


def mean_auc(
    seeds: Sequence[Scored], confidence: float = CONFIDENCE
) -> tuple[Interval, float | None]:
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
