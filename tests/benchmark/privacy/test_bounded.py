"""bounded_sum against the slow, obvious loop; and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from radpriv.benchmark.encoders.features import Features
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.bounded import (
    ClippedSum,
    Declared,
    Totals,
    _rows,
    bounded_sum,
    sha256_of,
    within_memory,
)
from radpriv.benchmark.privacy.records import MicroBatches, PrivateRecords, Records, Sample
from radpriv.errors import CellFailed, PrivacyError

SIZE = 5
Sums = dict[str, Tensor]


def queried(
    x: np.ndarray, units: np.ndarray | None = None, plan: MicroBatches | None = None
) -> Records:
    """Records of a query over features x (B, SIZE), with random labels of two kinds and NaN."""

    def records(values: np.ndarray, owners: np.ndarray, public: Records | None) -> Records:
        n = len(values)
        y = np.random.default_rng(n).choice([0.0, 1.0, np.nan], (n, 2)).astype(np.float32)
        features = Features(values, np.arange(n + 1), ragged=False)
        sample = Sample(public=public)
        labels = torch.from_numpy(y)
        return Records(
            np.arange(n),
            features,
            labels,
            units=owners,
            _sample=sample,
            _plan=plan or MicroBatches(),
        )

    public = records(np.random.default_rng(9).normal(size=(3, SIZE)), np.arange(3), None)
    return records(x, np.arange(len(x)) if units is None else units, public)


def both(part: Records) -> Sums:
    """Gram matrix and moments of one record, as two tensors under one norm."""
    x = part.inputs()[0].double()
    y = part.labels.double().nan_to_num(0.0)
    return {"gram": x[:, :, None] * x[:, None, :], "moments": x[:, :, None] * y[:, None, :]}


def loop(f: Callable[[Records], Mapping[str, Tensor]], records: Records, max_norm: float) -> Sums:
    """One unit, one sum of its records' contributions taken alone, one joint norm, one clip."""
    total: Sums = {}
    for unit in sorted(set(records.owners.tolist())):
        own: Sums = {}
        for i in np.flatnonzero(records.owners == unit):
            for name, value in f(records.take(np.array([i]))).items():
                own[name] = own.get(name, 0.0) + value[0].double()  # type: ignore[operator]
        norm = math.sqrt(sum(float((v * v).sum()) for v in own.values()))
        for name, value in own.items():
            kept = value * min(1.0, max_norm / norm) if math.isfinite(norm) and norm else 0 * value
            kept = kept if math.isfinite(norm) else torch.zeros_like(value)
            total[name] = total.get(name, torch.zeros_like(value)) + kept
    return total


def wrong_by(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], max_norm: float) -> float:
    """Largest difference of an entry, in units of the clip."""
    assert found.keys() == expected.keys() and expected
    return max(float((found[n] - expected[n]).abs().max()) for n in found) / max_norm


def hard(rng: np.random.Generator, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Features of very different length, with NaN, infinite, huge and zero rows; 9 units."""
    x = rng.normal(size=(n, SIZE)) * rng.choice([0.05, 1.0, 20.0], (n, 1))
    x[0], x[1, 2], x[2, 0], x[3] = 0.0, np.nan, np.inf, 1e120
    return x, rng.integers(0, 9, n)


@pytest.mark.parametrize("max_norm", [0.01, 1.0, 1e3])
@pytest.mark.parametrize("grouped", [False, True])
def test_a_bounded_sum_is_the_sum_of_units_clipped_one_by_one(
    max_norm: float, grouped: bool
) -> None:
    x, units = hard(np.random.default_rng(0))
    records = queried(x, units if grouped else None)
    found = bounded_sum(both, records, max_norm).tensors
    expected = loop(both, records, max_norm)
    assert any(t.any() for t in expected.values())
    assert wrong_by(found, expected, max_norm) < 1e-10
    assert all(t.dtype == torch.float64 for t in found.values())
    assert found["gram"].shape == (SIZE, SIZE) and found["moments"].shape == (SIZE, 2)


def broken_sums(records: Records, max_norm: float) -> dict[str, Sums]:
    """What common mistakes would give in place of the sum."""
    rows = {n: t.double() for n, t in both(records).items()}
    flat = torch.cat([t.flatten(1) for t in rows.values()], 1)
    joint = (max_norm / flat.norm(dim=1)).clamp(max=1.0)
    apart = {n: (max_norm / t.flatten(1).norm(dim=1)).clamp(max=1.0) for n, t in rows.items()}
    whole = min(1.0, max_norm / float(flat.sum(0).norm()))
    return {
        "clip per record, not per unit": {
            n: torch.einsum("b,b...->...", joint, t) for n, t in rows.items()
        },
        "clip per tensor": {n: torch.einsum("b,b...->...", apart[n], t) for n, t in rows.items()},
        "clip after the sum": {n: t.sum(0) * whole for n, t in rows.items()},
        "no clip": {n: t.sum(0) for n, t in rows.items()},
    }


def test_the_oracle_tells_the_sum_from_what_common_mistakes_give() -> None:
    rng = np.random.default_rng(1)
    records = queried(rng.normal(size=(24, SIZE)), rng.integers(0, 9, 24))
    expected = loop(both, records, 1.0)
    broken = broken_sums(records, 1.0)
    assert len(broken) == 4
    for name, sums in broken.items():
        assert wrong_by(sums, expected, 1.0) > 1e-2, name


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), elements=st.integers(1, 400), tokens=st.integers(1, 40))
def test_micro_batches_do_not_change_the_sum(seed: int, elements: int, tokens: int) -> None:
    x, units = hard(np.random.default_rng(seed))
    whole = bounded_sum(both, queried(x, units), 0.7)
    parts = bounded_sum(both, queried(x, units, MicroBatches(tokens, elements)), 0.7)
    assert wrong_by(parts.tensors, whole.tensors, 0.7) < 1e-10


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), gone=st.integers(0, 8))
def test_a_unit_moves_a_bounded_sum_by_at_most_the_clip(seed: int, gone: int) -> None:
    x, units = hard(np.random.default_rng(seed))
    records = queried(x, units)
    left = records.take(np.flatnonzero(units != gone))
    a, b = bounded_sum(both, records, 0.7), bounded_sum(both, left, 0.7)
    moved = math.sqrt(sum(float((a.tensors[n] - b.tensors[n]).square().sum()) for n in a.tensors))
    assert moved <= 0.7 * (1 + 1e-9) and a.sensitivity == 0.7


def test_a_unit_with_fifty_records_fills_the_clip_and_no_more() -> None:
    x = np.ones((51, SIZE))
    units = np.array([0] * 50 + [1])
    records = queried(x, units)
    a = bounded_sum(both, records, 0.5)
    b = bounded_sum(both, records.take(np.array([50])), 0.5)
    moved = math.sqrt(sum(float((a.tensors[n] - b.tensors[n]).square().sum()) for n in a.tensors))
    assert moved == pytest.approx(0.5)


def test_one_bad_record_voids_its_own_unit_and_no_other() -> None:
    x = np.full((3, SIZE), 0.1)
    x[1, 0] = np.nan
    records = queried(x, np.array([0, 0, 1]))
    found = bounded_sum(both, records, 1.0).tensors
    alone = bounded_sum(both, records.take(np.array([2])), 1.0).tensors
    assert found["gram"].any() and wrong_by(found, alone, 1.0) == 0.0


def test_a_sum_over_nobody_is_zero_and_can_be_released() -> None:
    records = queried(np.zeros((4, SIZE))).take(np.array([], np.int64))
    total = bounded_sum(both, records, 1.0)
    assert not total.tensors["gram"].any() and total.tensors["gram"].shape == (SIZE, SIZE)
    assert total.name in records._sample.sums


def test_a_contribution_is_left_as_its_function_gave_it() -> None:
    kept = []

    def keep(part: Records) -> Sums:
        kept.append(part.inputs()[0].double())
        return {"x": kept[-1]}

    x, _ = hard(np.random.default_rng(3))
    bounded_sum(keep, queried(x), 1.0)
    np.testing.assert_array_equal(torch.cat(kept[-1:]).numpy(), x)


def centred(part: Records) -> Sums:
    x = part.inputs()[0]
    return {"x": x - x.mean(0)}


def ranked(part: Records) -> Sums:
    return {"x": part.inputs()[0].argsort(0).double()}


@pytest.mark.parametrize("mixing", [centred, ranked])
def test_function_that_mixes_records_is_refused_unread(mixing: Any) -> None:
    """A function that mixes records is refused before one is read."""
    seen = []

    def spied(part: Records) -> Any:
        seen.append(part.size)
        return mixing(part)

    with pytest.raises(CellFailed, match="depends on the others"):
        bounded_sum(spied, queried(np.ones((20, SIZE))), 1.0)
    assert seen and max(seen) <= 3


def test_one_row_per_record_is_required() -> None:
    def shorter(part: Records) -> Sums:
        x = part.inputs()[0]
        return {"x": x if part.size <= 3 else x[:-1]}

    with pytest.raises(PrivacyError, match="give one row for each"):
        bounded_sum(shorter, queried(np.ones((20, SIZE))), 1.0)


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan, math.inf])
def test_a_clip_that_bounds_nothing_is_refused(max_norm: float) -> None:
    with pytest.raises(PrivacyError, match="clip"):
        bounded_sum(both, queried(np.ones((3, SIZE))), max_norm)


def test_a_bounded_sum_belongs_to_a_sample(make_run: Any, train: PrivateRecords) -> None:
    """Of a query or of a step; records of neither have nothing that bounds them."""
    step = make_run()._sample(train.map("words", HashedWords(8, 1, True)), 0.5)
    assert bounded_sum(both, step.records, 1.0).sensitivity == 1.0
    step.records._sample.public = None
    with pytest.raises(PrivacyError, match=r"run\.once"):
        bounded_sum(both, step.records, 1.0)


@pytest.mark.parametrize("bound", [0.0, -1.0, math.nan, math.inf])
def test_a_declared_bound_is_positive_finite_and_has_a_source(bound: float) -> None:
    with pytest.raises(PrivacyError, match="sensitivity"):
        Declared({"w": torch.zeros(2)}, bound, "a theorem")
    with pytest.raises(PrivacyError, match="source"):
        Declared({"w": torch.zeros(2)}, 1.0, " ")


def test_query_releases_only_what_was_summed_over_its_records(
    make_run: Any, train: PrivateRecords
) -> None:
    """A query releases only what was summed over its own records."""
    records = train.map("words", HashedWords(8, 1, True))
    run = make_run()
    with run.once(records) as query:
        total = bounded_sum(both, query.records, 1.0)
        scaled = ClippedSum({n: t * 2 for n, t in total.tensors.items()}, 1.0)
        with pytest.raises(PrivacyError, match="bounds"):
            query.gaussian("gram", scaled, 2.0)
        query.gaussian("gram", total, 2.0)
    assert [(r.name, r.rate, r.sensitivity) for r in run.releases] == [("gram", 1.0, 1.0)]


def test_a_declared_value_is_kept_in_float64() -> None:
    third = torch.full((2,), 1 / 3, dtype=torch.float64)
    kept = Declared({"w": third, "b": torch.ones(1)}, 1.0, "a theorem").tensors
    assert torch.equal(kept["w"], third) and kept["b"].dtype == torch.float64


def test_a_hash_tells_shapes_names_and_values_apart() -> None:
    told = {
        sha256_of({"a": torch.zeros(2, 3)}),
        sha256_of({"a": torch.zeros(3, 2)}),
        sha256_of({"a": torch.zeros(6)}),
        sha256_of({"b": torch.zeros(6)}),
        sha256_of({"a": torch.zeros(6)}, "head"),
        sha256_of({"a": torch.full((6,), 1e-300, dtype=torch.float64)}),
    }
    assert len(told) == 6


def test_sums_lie_on_the_device_that_was_asked_for() -> None:
    totals = Totals({"a": torch.Size([2])}, 1.0, torch.device("meta"))
    assert totals._sums["a"].device.type == "meta"


@pytest.mark.parametrize("words", ["not enough memory", "can't allocate memory", "ALLOC_FAILED"])
def test_each_allocator_s_words_for_no_memory_are_known(words: str) -> None:
    said = {"ALLOC_FAILED": "cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED"}.get(words, words)
    plan, tries = MicroBatches(64, 64), []

    def attempt() -> str:
        tries.append(plan.tokens)
        if len(tries) < 3:
            raise RuntimeError(f"[enforce fail] {said} when making a tensor")
        return "done"

    assert within_memory(plan, attempt) == "done" and tries == [64, 32, 16]


def test_a_contribution_without_a_row_axis_is_refused() -> None:
    with pytest.raises(PrivacyError, match="one row for each"):
        _rows(lambda part: {"a": torch.tensor(1.0)}, queried(np.ones((3, SIZE), np.float32)))


@pytest.mark.parametrize("width", [None, 0])
def test_a_function_that_gives_nothing_is_refused(width: int | None) -> None:
    def nothing(part: Records) -> Sums:
        return {} if width is None else {"a": torch.zeros(part.size, width)}

    with pytest.raises(PrivacyError, match="gives no number"):
        bounded_sum(nothing, queried(np.ones((3, SIZE), np.float32)), 1.0)


def test_a_name_that_comes_with_company_is_refused() -> None:
    def f(records: Records) -> dict[str, Tensor]:
        x = records.inputs()[0].double()
        return {"x": x, "y": x} if records.size > 1 else {"x": x}

    with pytest.raises(CellFailed, match="what 'y' says of one record depends on the others"):
        bounded_sum(f, queried(np.ones((4, SIZE))), 1.0)


@pytest.mark.parametrize(("error", "sound"), [(5e-7, True), (5e-6, False)])
def test_rounding_near_zero_is_no_mixing(error: float, sound: bool) -> None:
    def f(records: Records) -> dict[str, Tensor]:
        x = torch.zeros(records.size, 4, dtype=torch.float64)
        return {"x": x + error * (records.size > 1)}

    records = queried(np.ones((4, SIZE)))
    if sound:
        assert bounded_sum(f, records, 1.0).tensors["x"].shape == (4,)
        return
    with pytest.raises(CellFailed, match="depends on the others"):
        bounded_sum(f, records, 1.0)
