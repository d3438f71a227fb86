"""What a family says: the mean AUC with an honest interval."""

from __future__ import annotations

import numpy as np
import pytest

from radpriv.attacks import metrics
from radpriv.attacks.evaluation.summary import Scored, family_row, mean_auc


def scored(scores: np.ndarray, member: np.ndarray) -> Scored:
    """Candidates without near-copies."""
    return Scored(scores, member, 1e-5, np.zeros(len(scores), np.float32))


def seeds(
    k: int, gain: float, rng: np.random.Generator, training: float = 0.0, m: int = 240
) -> list[Scored]:
    """k models over the same m candidates: shared hardness, own coins, own strength of leakage."""
    hardness = rng.standard_normal(m)
    made = []
    for _ in range(k):
        member = rng.random(m) < 0.5
        shift = gain + training * rng.standard_normal()
        made.append(scored(hardness + rng.standard_normal(m) + shift * member, member))
    return made


def test_one_seed_gets_delongs_interval() -> None:
    """One seed gets DeLong's interval and says that records are its replicates."""
    (one,) = seeds(1, 0.5, np.random.default_rng(0))
    summary = family_row([one])
    alone = metrics.auc_interval(one.scores, one.member)
    assert summary.auc == alone
    assert summary.replicates == "records within a model" and summary.references == 0


def test_few_seeds_that_differ_widen_the_mean() -> None:
    """The mean is over seeds, and few seeds that differ widen its interval."""
    rng = np.random.default_rng(1)
    same, apart = seeds(2, 0.5, rng), [*seeds(1, 0.0, rng), *seeds(1, 2.0, rng)]
    area, freedom = mean_auc(apart)
    assert area.value == pytest.approx(np.mean([metrics.auc(s.scores, s.member) for s in apart]))
    assert 1 <= freedom < 1.5
    calm, calm_freedom = mean_auc(same)
    assert calm_freedom > freedom and calm.high - calm.low < (area.high - area.low) / 3


def test_record_alike_in_every_model_is_no_new_evidence() -> None:
    """A record that behaves alike in every model is not counted as new evidence."""
    rng = np.random.default_rng(2)
    one = seeds(1, 0.5, rng)[0]
    alone, repeated = mean_auc([one])[0], mean_auc([one, one, one])[0]
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=1e-9)


def test_perfect_leakage_in_every_seed_keeps_an_interval() -> None:
    member = np.arange(100) % 2 == 0
    area, _ = mean_auc([scored(member.astype(float), member)] * 2)
    assert area.high == 1.0 and 0.9 < area.low < 1.0


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("training", [0.0, 0.25])
def test_interval_covers_the_true_mean_auc(k: int, training: float) -> None:
    rng = np.random.default_rng(3)
    truth = np.mean([mean_auc(seeds(1, 0.5, rng, training, m=2000))[0].value for _ in range(400)])
    runs = 250
    hits = 0
    for _ in range(runs):
        area, _ = mean_auc(seeds(k, 0.5, rng, training))
        hits += area.low <= truth <= area.high
    assert hits / runs >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / runs)


def test_rate_that_one_seed_cannot_resolve_has_no_mean() -> None:
    rng = np.random.default_rng(5)
    scores = rng.standard_normal(400)
    few, enough = np.arange(400) >= 199, np.arange(400) >= 200
    summary = family_row([scored(scores, few), scored(scores, enough)])
    assert summary.tpr_at_fpr["0.05"] is None
    both = family_row([scored(scores, enough)] * 2)
    rate = both.tpr_at_fpr["0.05"]
    assert rate is not None and rate.value == metrics.tpr_at_fpr(scores, enough, 0.05)
    assert both.tpr_at_fpr["0.01"] is None
