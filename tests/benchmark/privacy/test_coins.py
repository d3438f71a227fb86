"""The coins of Poisson sampling: each unit's own, with the probability that the ledger says.

Tables of draws are bool (steps, units). All is seeded; a sound sampler crosses a threshold with
probability below 1e-5 in each test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import run as run_module
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateFeatures, PrivateRecords
from radpriv.benchmark.privacy.streams import keystream, uniforms
from radpriv.errors import PrivacyError

Table = NDArray[np.bool_]
KEY = b"k" * 32
WORDS = HashedWords(32, 1, True)
MakeUniverse = Callable[..., Universe]


def mapped(universe: Universe, cache: FeatureCache | None = None) -> PrivateFeatures:
    train = PrivateRecords(universe, ("a", "b", "c"), 30, cache or FeatureCache(None))
    return train.map("words", WORDS)


def draws(run: Any, records: PrivateFeatures, rate: float, steps: int) -> Table:
    """Which units were in each step, by the sampler behind run.poisson and run.once."""
    table = np.zeros((steps, run._units), bool)
    for t in range(steps):
        table[t, run._sample(records, rate).records.owners] = True
    return table


def flaws(table: Table, rate: float) -> set[str]:
    """What is wrong with a table of independent coins; false alarms below 1e-6 each."""
    steps, units = table.shape
    found = set()
    if stats.binomtest(int(table.sum()), table.size, rate).pvalue < 1e-6:
        found.add("rate")
    each = [stats.binomtest(int(n), steps, rate).pvalue for n in table.sum(0)]
    if min(each) < 1e-6 / units:
        found.add("rate of a unit")
    for counts, n, flaw in (
        (table.sum(1), units, "spread of batch sizes"),
        (table.sum(0), steps, "spread of a unit's counts"),
    ):
        dispersion = ((counts - n * rate) ** 2).sum() / (n * rate * (1 - rate))
        # A sum of binomials is a little wider than chi2 says: kurtosis 3 + (1 − 6pq)/(npq).
        low, high = stats.chi2.ppf([5e-8, 1 - 5e-8], len(counts))
        if not low < dispersion < high:
            found.add(flaw)
    centred = (table - rate) / math.sqrt(rate * (1 - rate))
    pairs = (centred.T @ centred / math.sqrt(steps))[np.triu_indices(units, 1)]
    if np.abs(pairs).max() > 6.5:
        found.add("units hang together")
    lags = [
        (centred[lag:] * centred[:-lag]).sum() / math.sqrt(table[lag:].size) for lag in (1, 2, 3)
    ]
    if np.abs(lags).max() > 5.5:
        found.add("steps hang together")
    return found


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.5, 0.9])
def test_coins_are_independent_with_the_booked_probability(
    rate: float, make_run: Any, universe_of: MakeUniverse
) -> None:
    """Coins are independent with exactly the booked probability."""
    everyone = universe_of(range(40))
    table = draws(make_run(units=40), mapped(everyone), rate, 5000)
    assert flaws(table, rate) == set()


def fixed_size(rng: np.random.Generator, shape: tuple[int, int], rate: float) -> Table:
    take = round(rate * shape[1])
    return np.array(
        [np.isin(np.arange(shape[1]), rng.permutation(shape[1])[:take]) for _ in range(shape[0])]
    )


def shuffled_epochs(rng: np.random.Generator, shape: tuple[int, int], rate: float) -> Table:
    """Each unit once per epoch, as a DataLoader with shuffle=True gives."""
    per_epoch = round(1 / rate)
    blocks = []
    for _ in range(-(-shape[0] // per_epoch)):
        slot = rng.permutation(shape[1]) % per_epoch
        blocks.append(slot[None, :] == np.arange(per_epoch)[:, None])
    return np.concatenate(blocks)[: shape[0]]


BROKEN: dict[str, tuple[Callable[..., Table], str]] = {
    "batches of one size": (fixed_size, "spread of batch sizes"),
    "shuffled epochs": (shuffled_epochs, "spread of a unit's counts"),
    "one coin for all": (
        lambda rng, shape, rate: np.repeat(rng.random((shape[0], 1)) < rate, shape[1], 1),
        "units hang together",
    ),
    "one coin for a pair": (
        lambda rng, shape, rate: np.repeat(rng.random((shape[0], shape[1] // 2)) < rate, 2, 1),
        "units hang together",
    ),
    "the coins of the last step": (
        lambda rng, shape, rate: np.repeat(rng.random((shape[0] // 2, shape[1])) < rate, 2, 0),
        "steps hang together",
    ),
    "another rate": (lambda rng, shape, rate: rng.random(shape) < 1.05 * rate, "rate"),
    "weights": (
        lambda rng, shape, rate: rng.random(shape) < rate * np.linspace(0.5, 1.5, shape[1]),
        "rate of a unit",
    ),
    "drawn with replacement": (
        lambda rng, shape, rate: np.array(
            [
                np.isin(np.arange(shape[1]), rng.integers(0, shape[1], round(rate * shape[1])))
                for _ in range(shape[0])
            ]
        ),
        "rate",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_sampler_that_is_not_the_accounted_one_is_told_apart(name: str) -> None:
    broken, flaw = BROKEN[name]
    table = broken(np.random.default_rng(0), (5000, 40), 0.2)
    assert table.shape == (5000, 40) and flaw in flaws(table, 0.2)
    sound = np.random.default_rng(1).random((5000, 40)) < 0.2
    assert flaws(sound, 0.2) == set()


def test_run_poisson_and_run_once_take_the_sampler_tested_here(
    make_run: Any, universe_of: MakeUniverse
) -> None:
    """`run.poisson` and `run.once` take the sampler that is tested here."""
    records = mapped(universe_of([0, 0, 1, 2, 2, 2, 3, 4]))
    expected = draws(make_run(units=5), records, 0.4, 30)
    model = LinearModel(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(units=5, ledger=Ledger(None))
    seen = []
    for step in run.poisson(records, 0.4, 30, state=(model, optimizer)):
        step.gaussian("g", clipped_sum(model, step.records, 1.0), 2.0)
        seen.append(np.isin(np.arange(5), step.records.owners))
        assert step.rate == 0.4 and run.releases[-1].rate == step.rate
    assert np.array_equal(seen, expected) and 0 < expected.mean() < 1
    with pytest.raises(RuntimeError), run.once(records) as query:
        assert list(query.records.slots) == list(range(8)) and query.rate == 1.0
        raise RuntimeError


# A coin is its unit's own.


def without(universe: Universe, unit: int) -> Universe:
    return replace(universe, member=universe.member & (universe.unit != unit))


def moved_coins(run: Any, universe: Universe, rate: float = 0.4, steps: int = 12) -> int:
    """How many units see another coin when one unit is taken away, over all units."""
    whole, cache, moved = universe, FeatureCache(None), 0
    table = draws(run(units=universe.units), mapped(whole, cache), rate, steps)
    for unit in range(universe.units):
        less = draws(run(units=universe.units), mapped(without(whole, unit), cache), rate, steps)
        assert not less[:, unit].any()
        others = np.arange(universe.units) != unit
        moved += int((less[:, others] != table[:, others]).any(0).sum())
    assert 0 < table.mean() < 1
    return moved


OWNERS = {
    "report": list(range(20)),
    "patient": [0, 1, 1, 2, 3, 3, 3, 4, 5, 5, 6, 7, 7, 7, 7, 8, 9, 1, 3, 9],
}


@pytest.mark.parametrize("unit", OWNERS)
def test_adding_or_removing_any_unit_moves_no_other_coin(
    unit: str, make_run: Any, universe_of: MakeUniverse
) -> None:
    assert moved_coins(make_run, universe_of(OWNERS[unit])) == 0


@pytest.mark.parametrize("unit", OWNERS)
def test_coins_from_a_generator_that_all_share_are_told_apart(
    unit: str, make_run: Any, universe_of: MakeUniverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One draw for each unit that is there, in order: who follows one that is gone is shifted."""
    sound = PrivateFeatures._select

    def broken(self: Any, chosen: Table, device: torch.device) -> Any:
        there = np.unique(self._universe.unit[self._universe.member])
        shared = np.zeros(len(chosen), bool)
        shared[there] = np.random.default_rng(int(chosen.sum())).random(len(there)) < 0.4
        return sound(self, shared, device)

    monkeypatch.setattr(PrivateFeatures, "_select", broken)
    assert moved_coins(make_run, universe_of(OWNERS[unit])) > 20


def test_coins_by_record_would_be_told_apart_for_patients(
    make_run: Any, universe_of: MakeUniverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coins drawn by record would be told apart for patients."""
    universe = universe_of(OWNERS["patient"])

    def broken(self: Any, chosen: Table, device: torch.device) -> Any:
        """A coin for each report, not for the patient."""
        again = uniforms(KEY, ("report", int(np.packbits(chosen)[0])), len(universe))
        everyone = replace(universe, unit=np.arange(len(universe)))
        return sound(replace(self, _universe=everyone), again < 0.4, device)

    assert halves(make_run(units=10), mapped(universe), universe) == 0
    sound = PrivateFeatures._select
    monkeypatch.setattr(PrivateFeatures, "_select", broken)
    assert halves(make_run(units=10), mapped(universe), universe) > 20


def halves(run: Any, records: PrivateFeatures, universe: Universe) -> int:
    """How often some records of a unit were in a step, but not all of them, in 40 steps."""
    found = 0
    for _ in range(40):
        taken = np.isin(np.arange(len(universe)), run._sample(records, 0.4).records.slots)
        shares = np.bincount(universe.unit, taken) / np.bincount(universe.unit)
        found += int(((shares > 0) & (shares < 1)).sum())
    return found


@given(
    owners=st.lists(st.integers(0, 6), min_size=1, max_size=25),
    absent=st.sets(st.integers(0, 6)),
    rate=st.floats(0.01, 1.0),
)
@settings(max_examples=60)
def test_all_records_of_a_unit_come_together_or_not_at_all(
    owners: list[int], absent: set[int], rate: float
) -> None:
    number = {u: i for i, u in enumerate(sorted(set(owners)))}
    unit = np.array([number[u] for u in owners])
    n = len(unit)
    member = ~np.isin(unit, list(absent))
    names = tuple(f"r{i:02d}" for i in range(n))
    nothing = np.zeros(n, bool)
    y = np.zeros((n, 3), np.float32)
    universe = Universe(names, names, names, y, unit, nothing, member, ("",) * n)
    chosen = uniforms(KEY, ("coin", 0), universe.units) < rate
    records = mapped(universe)._select(chosen, torch.device("cpu"))
    expected = [i for i in range(n) if chosen[unit[i]] and member[i]]
    assert records.slots.tolist() == expected
    assert records.owners.tolist() == [int(unit[i]) for i in expected]


# Ends of the range.


def test_rate_one_takes_every_unit_in_every_step(make_run: Any, universe_of: MakeUniverse) -> None:
    universe = universe_of(OWNERS["patient"])
    assert draws(make_run(units=10), mapped(universe), 1.0, 200).all()
    assert not draws(make_run(units=10), mapped(without(universe, 3)), 1.0, 9)[:, 3].any()


def test_tiny_rates_are_met_too() -> None:
    coins = np.concatenate([uniforms(KEY, ("coin", t), 10**6) for t in range(5)])
    for rate in (1e-3, 1e-5, 3e-6):
        assert stats.binomtest(int((coins < rate).sum()), coins.size, rate).pvalue > 1e-5, rate


@given(st.floats(1e-6, 1.0))
def test_probability_is_the_rate_within_one_cell_of_uniforms(rate: float) -> None:
    """The probability is the rate but for one cell of the uniforms.

    A coin is u < rate with u a multiple of 2^-53: ⌈rate · 2^53⌉ of 2^53 words say yes.
    """
    yes = math.ceil(rate * 2**53)
    assert 0 <= yes / 2**53 / rate - 1 <= 2.0**-53 / rate < 2e-10
    assert (yes - 1) * 2.0**-53 < rate and not yes * 2.0**-53 < rate


def test_a_rate_below_the_grid_of_the_uniforms_is_refused_or_met(
    make_run: Any, universe_of: MakeUniverse
) -> None:
    model = LinearModel(32, 3, 1.0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(units=5, ledger=Ledger(None))
    try:
        next(run.poisson(mapped(universe_of(range(5))), 1e-18, 1, state=(model, optimizer)))
    except PrivacyError:
        return
    assert math.ceil(1e-18 * 2**53) == pytest.approx(1e-18 * 2**53, abs=0)


# Coins and what else is drawn.


def test_coins_share_no_word_with_noise_nor_with_another_step() -> None:
    """Coins share no word with the noise nor with another step."""
    paths = [("coin", t) for t in range(40)]
    noise = [("noise", t, name, "w") for t in range(40) for name in ("g", "coin")]
    words = np.concatenate([keystream(KEY, p, 200) for p in [*paths, *noise]])
    assert len(np.unique(words)) == len(words) == 120 * 200


def test_coins_are_independent_of_the_noise_of_their_step(
    make_run: Any, universe_of: MakeUniverse
) -> None:
    """With the broken variant in which the noise is made of the words that chose the batch."""
    table = draws(make_run(units=40), mapped(universe_of(range(40))), 0.5, 1500)
    sound = np.array([uniforms(KEY, ("noise", t, "g", "w"), 40) for t in range(1500)])
    broken = np.array([uniforms(KEY, ("coin", t), 40) for t in range(1500)])

    def correlation(noise: NDArray[np.float64]) -> float:
        return abs(float(np.corrcoef(table.ravel(), noise.ravel())[0, 1])) * math.sqrt(table.size)

    assert correlation(sound) < 5 and correlation(broken) > 50


@pytest.mark.parametrize("unit", ["report", "patient"])
def test_coins_are_independent_of_the_audit_coins(unit: str, make_run: Any) -> None:
    """Over many units and steps; where one secret served both, members would come in step 0."""
    n = 2000
    ids = tuple(f"r{i:05d}" for i in range(n))
    patients = tuple(f"p{i // 2:05d}" for i in range(n)) if unit == "patient" else ids
    y = np.zeros((n, 3), np.float32)
    data = Dataset("d", ("a", "b", "c"), Card("d", "none", "none", "open", "construction"), ids,
                   patients, ("train",) * n, ids, y)  # fmt: skip
    universe = draw(data, AuditPolicy(share=1.0, unit=unit), KEY, n, 0)
    member = np.zeros(universe.units, bool)
    member[universe.unit[universe.member]] = True
    everyone = replace(universe, member=np.ones(n, bool))
    table = draws(make_run(units=universe.units), mapped(everyone), 0.5, 60)

    def apart(coins: Table) -> float:
        z = (coins - 0.5) * 2 * (member - 0.5) * 2
        return float(np.abs(z.mean(1)).max() * math.sqrt(universe.units))

    assert 0.4 < member.mean() < 0.6
    assert apart(table) < 5.5
    broken = table.copy()
    broken[0] = member
    assert apart(broken) > 20


def test_sampler_takes_one_coin_per_unit_of_the_universe(
    make_run: Any, universe_of: MakeUniverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sampler asks for as many coins as the universe has units.

    Present or absent: never the number of members.
    """
    asked: list[tuple[Any, int]] = []

    def spy(key: bytes, path: Any, size: int) -> NDArray[np.float64]:
        asked.append((path, size))
        return uniforms(key, path, size)

    monkeypatch.setattr(run_module, "uniforms", spy)
    universe = universe_of(OWNERS["patient"])
    for members in (
        universe,
        without(universe, 1),
        replace(universe, member=universe.member & False),
    ):
        draws(make_run(units=10), mapped(members), 0.3, 3)
    assert asked == 3 * [(("coin", t), 10) for t in range(3)]
