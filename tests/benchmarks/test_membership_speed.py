"""Speed of LiRA and RMIA on 64 models × 20,000 records × 18 labels, beside NumPy and a peer.

    pytest tests/benchmarks/test_membership_speed.py -m slow --benchmark-enable

The reference is the obvious vectorised program on the whole (models, records, labels) array; it is
also an oracle, since both must agree. The peer is `privacy_guard` (privacyguard-platform on PyPI),
where it is installed: it starts from one score per record and model, so its time leaves out the
labels. Nothing is timed by assertion; peak memory is, as NumPy's allocations are exact.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from radpriv.attacks.attack import Attack
from radpriv.attacks.membership.lira import Lira, LiraOffline
from radpriv.attacks.membership.rmia import Rmia
from radpriv.attacks.view import Population, Reference, View

Benchmark = Callable[..., Any]
GROUP = "{}, {} models × {:,} records × {} labels"
FULL = (64, 20_000, 18)


@dataclass(frozen=True, eq=False)
class Family:
    """logits (S, m, L), labels (m, L), member (S, m); tested (S, n, L), test_labels (n, L)."""

    logits: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.float32] = field(repr=False)
    member: NDArray[np.bool_] = field(repr=False)
    tested: NDArray[np.float32] = field(repr=False)
    test_labels: NDArray[np.float32] = field(repr=False)

    @staticmethod
    def make(seeds: int, m: int, width: int) -> Family:
        rng = np.random.default_rng(0)
        labels = (rng.random((2, m, width)) < 0.2).astype(np.float32)
        labels[rng.random(labels.shape) < 0.1] = np.nan
        labels[:, :, 0] = 0
        logits = rng.standard_normal((2, seeds, m, width), dtype=np.float32)
        member = rng.random((seeds, m)) < 0.5
        member[1:3], member[3:5] = True, False  # both sides for every record, whoever the target
        return Family(logits[0], labels[0], member, logits[1], labels[1])

    def views(self) -> list[View]:
        """Every model as a target, with nothing computed yet."""
        m = len(self.labels)
        slots = np.arange(m)
        references = [
            Reference(s, z, self.labels, slots, c, Population(t, self.test_labels))
            for s, (z, c, t) in enumerate(zip(self.logits, self.member, self.tested))
        ]
        return [
            View(
                logits=r.logits,
                labels=self.labels,
                slots=slots,
                length=np.ones(m, np.int32),
                similarity=np.zeros(m, np.float32),
                patient=("a",) * m,
                references=tuple(o for o in references if o is not r),
                population=r.population,
            )
            for r in references
        ]


def losses(logits: NDArray[np.float32], labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cross-entropies (S, m, L), NaN where not observed."""
    sign = (1 - 2 * np.nan_to_num(labels)).astype(np.float64)
    return np.where(np.isnan(labels), np.nan, np.logaddexp(0, sign * logits))


def plain_lira(family: Family, target: int = 0) -> NDArray[np.float64]:
    """Online, pooled variance, on masked arrays of all references."""
    total = np.nansum(losses(family.logits, family.labels), axis=2)
    phi = -total - np.log(-np.expm1(-total))
    others, member = np.delete(phi, target, 0), np.delete(family.member, target, 0)
    score = np.zeros(phi.shape[1])
    for sign, coins in ((1, member), (-1, ~member)):
        side = np.where(coins, others, np.nan)
        mean = np.nanmean(side, axis=0)
        freedom = (coins.sum(axis=0) - 1).sum()
        sigma = np.sqrt(np.nansum((side - mean) ** 2) / freedom)
        score += sign * norm.logpdf(phi[target], mean, sigma)
    return score


def plain_rmia(family: Family, target: int = 0, a: float = 0.8) -> NDArray[np.float64]:
    """The share of test records dominated, a thousand candidates against all at a time."""
    p = np.exp(-np.nanmean(losses(family.logits, family.labels), axis=2))
    q = np.exp(-np.nanmean(losses(family.tested, family.test_labels), axis=2))
    coins = np.delete(family.member, target, 0)
    out = np.nanmean(np.where(coins, np.nan, np.delete(p, target, 0)), axis=0)
    r = p[target] / (0.5 * ((1 + a) * out + 1 - a))
    z = q[target] / (0.5 * ((1 + a) * np.delete(q, target, 0).mean(axis=0) + 1 - a))
    parts = np.split(r, np.arange(1000, len(r), 1000))
    return np.concatenate([(part[:, None] / z >= 1).mean(axis=1) for part in parts])


def agree(family: Family) -> None:
    view = family.views()[0]
    assert Lira(per_record=99).score(view) == pytest.approx(plain_lira(family), abs=1e-6)
    share, n = plain_rmia(family), len(family.test_labels)
    mine = np.floor(Rmia().score(view) * (n + 1) + 1e-10) / n
    assert np.abs(mine - share).max() <= 2 / n  # the same ratio, divided or subtracted as logs


def test_they_agree_with_the_plain_programs() -> None:
    agree(Family.make(9, 500, 4))


@pytest.fixture(scope="module")
def full() -> Family:
    return Family.make(*FULL)


@pytest.mark.slow
def test_they_agree_at_full_size_too(full: Family) -> None:
    agree(full)


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP.format("LiRA", *FULL))
def test_lira(benchmark: Benchmark, full: Family) -> None:
    benchmark.pedantic(lambda v: Lira().score(v), setup=lambda: ((full.views()[0],), {}), rounds=3)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP.format("LiRA", *FULL))
def test_lira_in_plain_numpy(benchmark: Benchmark, full: Family) -> None:
    benchmark.pedantic(plain_lira, args=(full,), rounds=1)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP.format("RMIA", *FULL))
def test_rmia(benchmark: Benchmark, full: Family) -> None:
    benchmark.pedantic(lambda v: Rmia().score(v), setup=lambda: ((full.views()[0],), {}), rounds=3)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP.format("RMIA", *FULL))
def test_rmia_in_plain_numpy(benchmark: Benchmark, full: Family) -> None:
    benchmark.pedantic(plain_rmia, args=(full,), rounds=1)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("attack", [Lira(), LiraOffline(), Rmia()], ids=lambda a: type(a).__name__)
@pytest.mark.benchmark(group=GROUP.format("all 64 targets, leave-one-out", *FULL))
def test_every_model_as_a_target(benchmark: Benchmark, full: Family, attack: Attack) -> None:
    def whole(views: list[View]) -> None:
        for view in views:
            attack.score(view)

    benchmark.pedantic(whole, setup=lambda: ((full.views(),), {}), rounds=1)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("attack", [Lira(), Rmia()], ids=lambda a: type(a).__name__)
def test_the_attack_needs_little_memory(full: Family, attack: Attack) -> None:
    views = full.views()
    tracemalloc.start()
    for view in views[:4]:
        attack.score(view)
    peak = tracemalloc.get_traced_memory()[1] / 2**30
    tracemalloc.stop()
    print(f"{type(attack).__name__}: {peak:.2f} GiB beside the logits")
    assert peak < 0.5


def peer_frames(family: Family) -> dict[str, Any]:
    """What privacy_guard reads: a table of members, of others, and of the population."""
    pd = pytest.importorskip("pandas")
    p = np.exp(-np.nanmean(losses(family.logits, family.labels), axis=2))
    q = np.exp(-np.nanmean(losses(family.tested, family.test_labels), axis=2))

    def frame(scores: NDArray[np.float64], coins: NDArray[np.bool_]) -> Any:
        columns = {"user_id": np.arange(scores.shape[1]), "score_orig": scores[0]}
        for j in range(1, len(scores)):
            columns[f"score_ref_{j}"] = scores[j]
            columns[f"member_ref_{j}"] = coins[j]
        return pd.DataFrame(columns)

    member = family.member[0]
    none = np.zeros_like(family.member)
    return {
        "df_train_merge": frame(p[:, member], family.member[:, member]),
        "df_test_merge": frame(p[:, ~member], family.member[:, ~member]),
        "df_population": frame(q, none),
    }


@pytest.mark.slow
@pytest.mark.benchmark(group=GROUP.format("RMIA", *FULL))
def test_rmia_of_a_peer(benchmark: Benchmark, full: Family) -> None:
    peer = pytest.importorskip("privacy_guard.attacks.rmia_attack", exc_type=ImportError)
    frames = peer_frames(full)
    how = peer.AggregationType.MAX

    def run() -> Any:
        attack = peer.RmiaAttack(**frames, row_aggregation=how, alpha_coefficient=0.8)
        attack.run_attack()
        return attack

    attack = benchmark.pedantic(run, rounds=1)  # type: ignore[attr-defined]
    theirs = np.empty(full.member.shape[1])
    theirs[full.member[0]] = attack.df_train_merge["score"]
    theirs[~full.member[0]] = attack.df_test_merge["score"]
    # It averages the upper half of scores, IN ones set to 0, and not those of OUT references alone.
    assert np.corrcoef(theirs, plain_rmia(full))[0, 1] > 0.8
