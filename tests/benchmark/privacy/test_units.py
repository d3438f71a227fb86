"""What one unit can do to a release: at most the clip, whatever its records hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.features import FeatureCache, Features
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.bounded import Totals
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords, Records, Sample
from radpriv.errors import PrivacyError

CLIP = 0.7
Tensors = dict[str, Tensor]
MakeUniverse = Callable[..., Universe]


def norm(a: Tensors, b: Tensors | None = None) -> float:
    square = sum(float((t - (b[n] if b else 0)).square().sum()) for n, t in a.items())
    return math.sqrt(square)


class Factors:
    """text "f s" -> (f, four numbers of seed s); any other text gives factor 1."""

    key = ""
    ragged = False

    def __call__(self, text: str) -> np.ndarray:
        try:
            factor, seed = (float(word) for word in text.split())
        except ValueError:
            factor, seed = 1.0, float(len(text))
        return np.append(factor, np.random.default_rng(int(seed)).normal(size=4))


class Planted(nn.Module):
    """A linear map; its loss is multiplied by the record's factor, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3, dtype=torch.float64)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4))
            self.head.bias.fill_(0.1)

    def losses(self, records: Records) -> Tensor:
        x, _ = records.inputs()
        return x[:, 0] * self.head(x[:, 1:]).square().mean(1)


def summed(make_run: Any, universe: Universe, rate: float = 1.0) -> Tensors:
    """The exact sum of one step, through run.poisson."""
    records = PrivateRecords(universe, ("a", "b", "c"), 30, FeatureCache(None)).map("f", Factors())
    model = Planted().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = make_run(units=universe.units, ledger=Ledger(None))
    found = {}
    for step in run.poisson(records, rate, 1, state=(model, optimizer)):
        total = clipped_sum(model, step.records, CLIP)
        noised = step.gaussian("g", total, 2.0)
        assert all(torch.isfinite(t).all() for t in noised.tensors.values())
        found = total.tensors
    return found


def influence(make_run: Any, universe: Universe, unit: int = 0) -> Tensors:
    """Sum with the unit − sum without it."""
    with_it = summed(make_run, universe)
    member = universe.member & (universe.unit != unit)
    without = summed(make_run, replace(universe, member=member))
    assert norm(without) > CLIP  # the others are there
    return {n: t - without[n] for n, t in with_it.items()}


OTHERS = [f"{1 + i / 3} {100 + i}" for i in range(6)]

PLANTED: dict[str, tuple[list[str], float | None]] = {
    "ordinary": (["3 0"], CLIP),
    "tiny": (["1e-30 0"], None),
    "nearly nothing": (["1e-300 0"], None),
    "zero": (["0 0"], 0.0),
    "huge": (["1e30 0"], CLIP),
    "too huge to square": (["1e200 0"], 0.0),
    "NaN": (["nan 0"], 0.0),
    "infinite": (["inf 0"], 0.0),
    "minus infinite": (["-inf 0"], 0.0),
    "50 reports": ([f"1 {i}" for i in range(50)], CLIP),
    "50 huge reports": ([f"1e30 {i}" for i in range(50)], CLIP),
    "50 tiny reports": ([f"1e-30 {i}" for i in range(50)], None),
    "50 copies of one report": (["1 0"] * 50, CLIP),
    "50 reports, one of them NaN": ([f"{'nan' if i == 17 else 1} {i}" for i in range(50)], 0.0),
    "50 reports, one of them infinite": (
        [f"{'inf' if i == 49 else 1} {i}" for i in range(50)],
        0.0,
    ),
    "reports that cancel": (["1e3 0", "-1e3 0"], 0.0),
    "infinities that cancel": (["inf 0", "-inf 0"], 0.0),
}
"""Texts of the planted unit, and the norm of what it adds (None: below 1e-25)."""


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_unit_adds_at_most_the_clip(
    name: str, make_run: Any, universe_of: MakeUniverse
) -> None:
    texts, expected = PLANTED[name]
    owners = [*[0] * len(texts), *range(1, 1 + len(OTHERS))]
    found = norm(influence(make_run, universe_of(owners, [*texts, *OTHERS])))
    assert found <= CLIP * (1 + 1e-12)
    if expected is None:
        assert found < 1e-15  # what rounding leaves of the others
    else:
        assert found == pytest.approx(expected, abs=1e-12)


def test_a_unit_is_summed_before_it_is_clipped(make_run: Any, universe_of: MakeUniverse) -> None:
    """Two reports that nearly cancel leave their small sum; clipped apart they would leave none."""
    texts = ["1000 0", "-999.99 0"]
    left = influence(make_run, universe_of([0, 0, *range(1, 7)], [*texts, *OTHERS]))
    alone = influence(make_run, universe_of([0, *range(1, 7)], ["0.01 0", *OTHERS]))
    assert 1e-3 < norm(alone) < CLIP and norm(left, alone) < 1e-9
    apart = influence_per_report(make_run, universe_of([0, 0, *range(1, 7)], [*texts, *OTHERS]))
    assert norm(apart) < 1e-9


def influence_per_report(make_run: Any, universe: Universe) -> Tensors:
    """The broken variant: each report of a patient is clipped for itself."""
    with pytest.MonkeyPatch.context() as patch:
        sound = Totals.add

        def broken(self: Totals, part: Records, contributions: Any) -> None:
            sound(self, replace(part, units=None, _sample=Sample()), contributions)

        patch.setattr(Totals, "add", broken)
        return influence(make_run, universe)


@pytest.mark.parametrize("name", ["50 reports", "50 huge reports", "50 copies of one report"])
def test_a_clip_per_report_would_exceed_the_bound_of_a_patient(
    name: str, make_run: Any, universe_of: MakeUniverse
) -> None:
    texts, _ = PLANTED[name]
    universe = universe_of([*[0] * 50, *range(1, 7)], [*texts, *OTHERS])
    assert norm(influence_per_report(make_run, universe)) > 3 * CLIP


def test_non_finite_report_dropped_alone_would_leave_the_rest(
    make_run: Any, universe_of: MakeUniverse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A non-finite report dropped alone would leave the rest of its patient.

    Also within the clip; but then what is kept of a patient depends on one of the reports.
    """
    texts, _ = PLANTED["50 reports, one of them NaN"]
    universe = universe_of([*[0] * 50, *range(1, 7)], [*texts, *OTHERS])
    sound = Totals.add

    def broken(self: Totals, part: Records, contributions: Any) -> None:
        sound(self, part, {n: g.nan_to_num(0.0) for n, g in contributions.items()})

    assert norm(influence(make_run, universe)) == pytest.approx(0, abs=1e-12)
    monkeypatch.setattr(Totals, "add", broken)
    assert norm(influence(make_run, universe)) > 0.5 * CLIP


@pytest.mark.parametrize("scale", [1e-100, 1e-30, 1.0, 1e30, 1e100])
def test_the_clip_holds_at_any_scale(scale: float) -> None:
    """Squares neither vanish nor overflow between 1e-100 and 1e100."""
    records = Records(np.arange(3), Features(np.zeros((3, 1)), np.arange(4), False), torch.zeros(3))
    for size in (0.01, 1.0, 100.0):
        totals = Totals({"w": torch.Size([36])}, scale, torch.device("cpu"))
        rows = torch.zeros(3, 36, dtype=torch.float64)
        rows[1] = size * scale / 6
        totals.add(records, {"w": rows})
        total = totals.finish(records).tensors["w"] / scale
        assert float(total.norm()) == pytest.approx(min(size, 1.0), rel=1e-12)


def test_a_clip_at_which_squares_vanish_is_refused_or_holds() -> None:
    records = Records(np.arange(1), Features(np.zeros((1, 1)), np.arange(2), False), torch.zeros(1))
    try:
        totals = Totals({"w": torch.Size([36])}, 1e-200, torch.device("cpu"))
    except PrivacyError:
        return
    totals.add(records, {"w": torch.full((1, 36), 1e-180, dtype=torch.float64)})
    total = totals.finish(records).tensors["w"]
    assert float((total / 1e-200).norm()) <= 1 + 1e-9


@pytest.mark.parametrize("owners", [range(6), [0, 0, 0, 1, 2, 3]], ids=["report", "patient"])
def test_records_without_observed_label_add_nothing_and_no_trace(
    owners: Any, universe_of: MakeUniverse
) -> None:
    """Records without an observed label add nothing and leave no trace."""
    universe = universe_of(owners)
    y = universe.y.copy()
    gone = universe.unit == 0
    y[gone] = np.nan
    words = HashedWords(32, 1, True)
    model = LinearModel(32, 3, 1.0).train()

    def total(u: Universe) -> Tensors:
        train = PrivateRecords(u, ("a", "b", "c"), 30, FeatureCache(None)).map("w", words)
        chosen = np.ones(u.units, bool)
        records = train._select(chosen, torch.device("cpu"))
        return clipped_sum(model, records, CLIP).tensors

    unobserved = total(replace(universe, y=y))
    absent = total(replace(universe, member=~gone))
    assert norm(unobserved, absent) == 0.0 < norm(absent)
    assert norm(total(universe), absent) > 0.1


# Against the slow loop, for patients.


def test_sums_of_patients_equal_a_slow_loop_for_any_micro_batch(
    device: torch.device, lora_model: Any, batch: Records, unit_oracle: Any, distance: Any
) -> None:
    units = np.random.default_rng(4).integers(0, 9, batch.size)
    batch = replace(batch, units=units, labels=batch.labels.to(device), device=device)
    model = lora_model[0].to(device)
    for max_norm in (0.05, 2.0):
        slow = unit_oracle(model, batch, max_norm)
        assert norm(slow) > max_norm
        for tokens in (1, 50, 10**6):
            fast = clipped_sum(model, batch, max_norm, tokens=tokens).tensors
            assert distance(fast, slow) <= 1e-5 * norm(slow), tokens


def clip_per_report(totals: Totals, part: Records, rows: Tensors) -> None:
    SOUND(totals, replace(part, units=None, slots=np.arange(part.size)), rows)


def clip_after_the_sum(totals: Totals, part: Records, rows: Tensors) -> None:
    SOUND(totals, replace(part, units=np.zeros(part.size, np.int64)), rows)


def clip_per_tensor(totals: Totals, part: Records, rows: Tensors) -> None:
    sums = totals._sums
    for name, g in rows.items():
        totals._sums = {name: sums[name]}
        SOUND(totals, part, {name: g})
        sums[name] = totals._sums[name]
    totals._sums = sums


def mean_of_a_unit(totals: Totals, part: Records, rows: Tensors) -> None:
    _, owner, counts = np.unique(part.owners, return_inverse=True, return_counts=True)
    share = torch.from_numpy(1.0 / counts[owner])
    SOUND(totals, part, {n: g * share[:, None] for n, g in rows.items()})


def no_clip(totals: Totals, part: Records, rows: Tensors) -> None:
    for name, g in rows.items():
        totals._sums[name] += g.sum(0).view_as(totals._sums[name])


def scaled_to_the_clip(totals: Totals, part: Records, rows: Tensors) -> None:
    """Normalised instead of clipped: still bounded, but another sum."""
    SOUND(totals, part, {n: g * 1e12 for n, g in rows.items()})


SOUND = Totals.add
WRONG_SUMS = [clip_per_report, clip_after_the_sum, clip_per_tensor, mean_of_a_unit, no_clip,
              scaled_to_the_clip]  # fmt: skip


@pytest.mark.parametrize("broken", WRONG_SUMS, ids=lambda f: f.__name__)
def test_sums_that_are_not_of_clipped_units_are_told_apart(
    broken: Any,
    lora_model: Any,
    batch: Records,
    unit_oracle: Any,
    distance: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = replace(batch, units=np.random.default_rng(4).integers(0, 9, batch.size))
    slow = unit_oracle(lora_model[0], batch, 2.0)
    monkeypatch.setattr(Totals, "add", broken)
    fast = clipped_sum(lora_model[0], batch, 2.0).tensors
    assert distance(fast, slow) > 1e-2 * norm(slow)


def test_a_unit_split_over_micro_batches_is_told_apart(
    lora_model: Any, batch: Records, unit_oracle: Any, distance: Any, monkeypatch: Any
) -> None:
    batch = replace(batch, units=np.random.default_rng(4).integers(0, 9, batch.size))
    slow = unit_oracle(lora_model[0], batch, 2.0)

    def split(self: Records, tokens: int, most: int = 4096) -> Iterator[Records]:
        for i in range(0, self.size, 3):
            yield self.take(np.arange(i, min(i + 3, self.size)))

    monkeypatch.setattr(Records, "micro_batches", split)
    fast = clipped_sum(lora_model[0], batch, 2.0).tensors
    assert distance(fast, slow) > 1e-2 * norm(slow)


@given(
    lengths=st.lists(st.integers(0, 40), max_size=30),
    data=st.data(),
    tokens=st.integers(1, 200),
    most=st.integers(1, 20),
)
@settings(max_examples=200)
def test_micro_batches_hold_each_record_once_and_split_no_unit(
    lengths: list[int], data: Any, tokens: int, most: int
) -> None:
    """Micro-batches hold each record once and never split a unit."""
    n = len(lengths)
    units = np.array(data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    features = Features(np.zeros((int(offsets[-1]), 2)), offsets, True)
    records = Records(np.arange(n), features, torch.zeros(n, 3), units=units)
    parts = list(records.micro_batches(tokens, most))
    slots = [int(s) for p in parts for s in p.slots]
    assert sorted(slots) == list(range(n))
    for i, part in enumerate(parts):
        owners = set(part.owners.tolist())
        assert part.size > 0 and all(owners.isdisjoint(p.owners.tolist()) for p in parts[:i])
        assert (part.owners == units[part.slots]).all()
        if len(owners) > 1:
            assert part.size <= most and max(lengths[s] for s in part.slots) * part.size <= tokens


# The update.


@pytest.mark.parametrize("n", [3, 1000])
def test_one_record_less_moves_the_update_by_clip_over_divisor(
    n: int, make_run: Any, universe_of: MakeUniverse
) -> None:
    """One record less leaves the divisor, and moves the update by the clip over it.

    Streams are the same on both sides, so their noise cancels.
    """
    universe = universe_of(range(n), [f"{1 + (i % 7)} {i}" for i in range(n)])
    budget = Budget.of(8.0, n)
    assert budget.adjacency == "add_remove" and budget.unit == "report"

    def update(member: np.ndarray, broken: bool) -> tuple[float, Tensors]:
        data = replace(universe, member=member)
        records = PrivateRecords(data, ("a",), n, FeatureCache(None)).map("f", Factors())
        run = make_run(budget=budget, n_public=n, units=n, ledger=Ledger(None))
        model = Planted().train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        for step in run.poisson(records, 1.0, 1, state=(model, optimizer)):
            noised = step.gaussian("g", clipped_sum(model, step.records, CLIP), 2.0)
            divisor = float(member.sum()) if broken else step.expected_batch
            return divisor, (noised / divisor).tensors
        raise AssertionError

    for broken in (False, True):
        less = np.arange(n) != n // 2
        first, whole = update(universe.member, broken)
        second, part = update(less, broken)
        moved = norm(whole, part)
        assert (first == second) is not broken
        assert (0 < moved <= CLIP / n * (1 + 1e-9)) is not broken
