"""The audit set: coins are fair, independent and never balanced; the rest is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw, prf
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.errors import DataError

CARD = Card("made up", "none", "none", "open", "by construction")
SEEDS = 60


@pytest.fixture(scope="module")
def large() -> Dataset:
    """1,200 rows of two labels, every sixth of them test, some labels unobserved."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (1200, 2)).astype(np.float32)
    y[rng.random(y.shape) < 0.2] = np.nan
    ids = tuple(f"r{i:04d}" for i in range(1200))
    splits = tuple("test" if i % 6 == 0 else "train" for i in range(1200))
    return Dataset("made-up", ("a", "b"), CARD, ids, ids, splits, ids, y)


@pytest.fixture(scope="module")
def coins(large: Dataset) -> np.ndarray:
    """bool (seeds, candidates)."""
    drawn = [draw(large, AuditPolicy(share=0.4), b"audit", 1000, s) for s in range(SEEDS)]
    return np.array([u.member[u.candidate] for u in drawn])


def test_candidates_are_the_same_for_every_seed(large: Dataset) -> None:
    sets = {
        draw(large, AuditPolicy(share=0.4), b"audit", 1000, s).candidate.tobytes() for s in range(9)
    }
    assert len(sets) == 1
    other = draw(large, AuditPolicy(share=0.4), b"another key", 1000, 0)
    assert other.candidate.tobytes() not in sets


def test_coins_are_fair_for_each_seed_and_each_unit(coins: np.ndarray) -> None:
    seeds, units = coins.shape
    assert stats.binomtest(int(coins.sum()), coins.size).pvalue > 1e-4
    by_seed = [stats.binomtest(int(n), units).pvalue for n in coins.sum(1)]
    by_unit = [stats.binomtest(int(n), seeds).pvalue for n in coins.sum(0)]
    assert min(by_seed) > 1e-4 / seeds and min(by_unit) > 1e-4 / units


def test_counts_of_members_spread_as_independent_coins_do(coins: np.ndarray) -> None:
    """A balanced draw has no spread at all, per seed or per unit: both would give variance 0."""
    seeds, units = coins.shape
    for counts, n in ((coins.sum(1), units), (coins.sum(0), seeds)):
        dispersion = (counts.astype(float) - n / 2).var() * len(counts) / (n / 4)
        low, high = stats.chi2.ppf([1e-5, 1 - 1e-5], len(counts))
        assert low < dispersion < high
    assert len(set(coins.sum(1))) > 5


def test_coins_of_two_seeds_or_two_units_are_uncorrelated(coins: np.ndarray) -> None:
    for table in (coins, coins.T[:60]):
        correlation = np.corrcoef(table.astype(float))[np.triu_indices(len(table), 1)]
        z = correlation * np.sqrt(table.shape[1])
        assert np.abs(z).max() < 5.5 and abs(z.mean()) < 5 / np.sqrt(len(z))
        assert z.std() == pytest.approx(1.0, abs=0.15)


def test_members_are_non_candidates_and_candidates_by_their_coin(
    large: Dataset,
) -> None:
    """Members are all non-candidates and the candidates whose coin says so."""
    universe = draw(large, AuditPolicy(share=0.4), b"audit", 1000, 3)
    assert universe.member[~universe.candidate].all()
    for slot in np.flatnonzero(universe.candidate):
        coin = prf(b"audit", "member", 3, universe.ids[slot]) < 0.5
        assert universe.member[slot] == coin


def test_a_coin_depends_on_its_own_unit_alone(large: Dataset) -> None:
    def coin(universe: Universe) -> dict[str, tuple[bool, bool]]:
        return {
            i: (bool(c), bool(m))
            for i, c, m in zip(universe.ids, universe.candidate, universe.member)
        }

    keep = np.arange(len(large)) != 7
    less = replace(
        large,
        ids=tuple(np.array(large.ids)[keep]),
        patients=tuple(np.array(large.patients)[keep]),
        splits=tuple(np.array(large.splits)[keep]),
        texts=tuple(np.array(large.texts)[keep]),
        y=large.y[keep],
    )
    policy = AuditPolicy(share=0.4)
    whole, part = coin(draw(large, policy, b"k", 1000, 0)), coin(draw(less, policy, b"k", 1000, 0))
    assert {i: whole[i] for i in part} == part and len(part) == len(whole) - 1


def test_mislabelling_flips_observed_labels_of_candidates_alone(
    large: Dataset,
) -> None:
    """Mislabelling flips observed labels of candidates and nothing else."""
    plain = draw(large, AuditPolicy(share=0.4), b"audit", 1000, 0)
    flipped = draw(large, AuditPolicy(share=0.4, canaries="mislabelled"), b"audit", 1000, 0)
    c = plain.candidate
    np.testing.assert_array_equal(flipped.candidate, c)
    np.testing.assert_array_equal(flipped.member, plain.member)
    np.testing.assert_array_equal(flipped.y[~c], plain.y[~c])
    np.testing.assert_array_equal(flipped.y[c], 1 - plain.y[c])
    assert np.isnan(plain.y[c]).any()
    assert {k for k, f in zip(flipped.kinds, c) if f} == {"mislabelled"}
    assert {k for k, f in zip(plain.kinds, c) if not f} == {""}
    np.testing.assert_array_equal(large.y[large.rows("train")], plain.y)


def test_test_records_are_never_in_the_universe(large: Dataset) -> None:
    universe = draw(large, AuditPolicy(share=1.0), b"audit", 1000, 0)
    assert set(universe.ids).isdisjoint(large.ids[r] for r in large.rows("test"))
    assert len(universe) == 1000 and universe.candidate.all()


@pytest.mark.parametrize(
    ("n_public", "expected"), [(100, 20), (2400, 480), (5000, 1000), (50_000, 1000)]
)
def test_default_audit_set_is_a_fifth_up_to_a_thousand_units(n_public: int, expected: int) -> None:
    """The default audit set is a fifth, but at most a thousand units."""
    assert AuditPolicy().rate(n_public) * n_public == pytest.approx(expected)


def test_an_empty_training_split_is_refused(large: Dataset) -> None:
    empty = replace(large, splits=tuple("test" for _ in large.ids))
    with pytest.raises(DataError, match="training split is empty"):
        draw(empty, AuditPolicy(), b"k", 1000, 0)


# Unit patient.


def of_patients(reports: dict[str, list[int]]) -> Dataset:
    """patient -> numbers of its reports; ids sort by number, so patients lie interleaved."""
    rows = sorted((number, p) for p, numbers in reports.items() for number in numbers)
    ids = tuple(f"r{n:05d}-{p}" for n, p in rows)
    y = np.zeros((len(ids), 2), np.float32)
    splits = ("train",) * len(ids)
    return Dataset("made-up", ("a", "b"), CARD, ids, tuple(p for _, p in rows), splits, ids, y)


def by_patient(universe: Universe) -> dict[str, tuple[tuple[str, ...], bool, bool]]:
    """patient -> (reports kept, candidate, member); a coin that is split fails here."""
    found = {}
    for p in set(universe.patients):
        own = np.array(universe.patients) == p
        for flags in (universe.candidate, universe.member, universe.unit):
            assert len(set(flags[own].tolist())) == 1, p
        kept = tuple(i for i, o in zip(universe.ids, own) if o)
        found[p] = (kept, bool(universe.candidate[own][0]), bool(universe.member[own][0]))
    return found


NUMBERS = st.lists(st.integers(0, 200), min_size=1, max_size=25, unique=True)
PATIENTS = st.dictionaries(st.sampled_from("abcdefgh"), NUMBERS, min_size=1)
BY_PATIENT = AuditPolicy(share=0.5, unit="patient")


@given(mine=NUMBERS, others=PATIENTS, instead=PATIENTS, cap=st.integers(1, 20))
def test_kept_reports_of_a_patient_depend_on_that_patient_alone(
    mine: list[int], others: dict[str, list[int]], instead: dict[str, list[int]], cap: int
) -> None:
    """Which reports of a patient are kept depends on that patient alone."""
    seen = []
    for rest in (others, instead, {}):
        universe = draw(of_patients({**rest, "me": mine}), BY_PATIENT, b"k", 30, 0, cap)
        seen.append(by_patient(universe)["me"])
        assert universe.units == len(rest) + 1
    assert seen[0] == seen[1] == seen[2]
    first = tuple(f"r{n:05d}-me" for n in sorted(mine)[:cap])
    assert seen[0][0] == first and len(first) == min(cap, len(mine))


def test_a_cap_over_all_reports_would_be_told_apart() -> None:
    """The first reports of the whole list: what is kept of one patient then follows the others."""

    def broken(data: Dataset, most: int) -> set[str]:
        return {i for i, p in zip(data.ids[:most], data.patients) if p == "me"}

    crowd = {"a": list(range(9)), "me": [5, 6, 50]}
    assert broken(of_patients(crowd), 8) != broken(of_patients({"me": [5, 6, 50]}), 8)
    kept = [
        by_patient(draw(of_patients(d), BY_PATIENT, b"k", 30, 0, 2))["me"][0]
        for d in (crowd, {"me": [5, 6, 50]})
    ]
    assert kept[0] == kept[1] == ("r00005-me", "r00006-me")


def test_a_patient_with_fifty_reports_has_as_many_as_the_cap() -> None:
    data = of_patients({"many": list(range(50)), "one": [7], "two": [3, 60]})
    counts = {
        cap: {p: len(v[0]) for p, v in by_patient(draw(data, BY_PATIENT, b"k", 3, 0, cap)).items()}
        for cap in (1, 16, 50, None)
    }
    assert counts[1] == {"many": 1, "one": 1, "two": 1}
    assert counts[16] == {"many": 16, "one": 1, "two": 2}
    assert counts[50] == counts[None] == {"many": 50, "one": 1, "two": 2}


def test_patients_are_drawn_whole_by_fair_and_independent_coins() -> None:
    """Coins per report would split patients, and give a patient with many a member for sure."""
    data = of_patients(
        {f"p{i:03d}": [3 * i, 3 * i + 1, 3 * i + 2][: 1 + i % 3] for i in range(300)}
    )
    coins = []
    for seed in range(40):
        found = by_patient(draw(data, BY_PATIENT, b"audit", 300, seed, 16))
        assert all(member for _, candidate, member in found.values() if not candidate)
        coins.append([m for _, (_, c, m) in sorted(found.items()) if c])
    table = np.array(coins)
    seeds, patients = table.shape
    assert 110 < patients < 190
    assert stats.binomtest(int(table.sum()), table.size).pvalue > 1e-4
    counts = (table.sum(1) - patients / 2) ** 2 / (patients / 4)
    assert stats.chi2.ppf(1e-5, seeds) < counts.sum() < stats.chi2.isf(1e-5, seeds)
    correlation = np.corrcoef(table.T.astype(float))[np.triu_indices(patients, 1)]
    assert np.abs(correlation).max() * np.sqrt(seeds) < 5.5


def test_patient_has_one_coin_whatever_its_number_of_reports() -> None:
    """A patient has the same coin, whatever number of reports it has."""
    few, many = of_patients({"a": [1], "b": [2]}), of_patients({"a": [1, 3, 4], "b": [2, 5]})
    for seed in range(20):
        one = by_patient(draw(few, BY_PATIENT, b"k", 2, seed, 16))
        two = by_patient(draw(many, BY_PATIENT, b"k", 2, seed, 16))
        assert {p: v[1:] for p, v in one.items()} == {p: v[1:] for p, v in two.items()}
