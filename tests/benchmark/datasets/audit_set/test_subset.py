"""Subsets of whole patients: nested, in the splits' shares, and a public function of the ids."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.cell import Cell
from radpriv.benchmark.datasets.audit_set.subset import Subset, subset
from radpriv.benchmark.datasets.base import Card, Dataset, make_loader
from radpriv.benchmark.datasets.texts import Texts
from radpriv.benchmark.runs.runner import Context, _run_key, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.suite import Overrides, Suite, parse
from radpriv.errors import DataError, SuiteError

CARD = Card("made up", "none", "none", "open", "by construction")


def with_patients(sizes: list[int], seed: int = 0) -> Dataset:
    """One patient for each size, with so many reports; splits by turns 7 : 1 : 2."""
    turns = ["train"] * 7 + ["validate"] + ["test"] * 2
    owners = [p for p, size in enumerate(sizes) for _ in range(size)]
    owners = list(np.random.default_rng(seed).permutation(owners))
    n = len(owners)
    return Dataset(
        "made-up",
        ("a",),
        CARD,
        tuple(f"r{i:05d}" for i in range(n)),
        tuple(f"p{p:04d}" for p in owners),
        tuple(turns[p % 10] for p in owners),
        tuple(f"text {i}" for i in range(n)),
        (np.arange(n) % 2).astype(np.float32)[:, None],
    )


sizes_of_patients = st.lists(st.integers(1, 6), min_size=60, max_size=90)


@given(sizes_of_patients, st.integers(0, 1 << 30), st.data())
@settings(max_examples=40)
def test_a_larger_subset_keeps_every_record_of_a_smaller_one(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    whole = with_patients(sizes)
    few, many = sorted(data.draw(st.integers(50, len(whole))) for _ in range(2))
    small, large = subset(whole, few, seed), subset(whole, many, seed)
    assert set(small.ids) <= set(large.ids) <= set(whole.ids)


@given(sizes_of_patients, st.integers(0, 1 << 30), st.data())
@settings(max_examples=40)
def test_patients_are_whole_and_shares_stay(
    sizes: list[int], seed: int, data: st.DataObject
) -> None:
    whole = with_patients(sizes)
    n = data.draw(st.integers(50, len(whole)))
    small = subset(whole, n, seed)
    everything = Counter(whole.patients)
    assert all(count == everything[p] for p, count in Counter(small.patients).items())
    for split in ("train", "validate", "test"):
        room = n * len(whole.rows(split)) // len(whole)
        assert room - 6 < len(small.rows(split)) <= room
    assert len(small) <= n


def test_the_whole_dataset_is_its_largest_subset() -> None:
    whole = with_patients([1, 2, 3, 4] * 20)
    assert subset(whole, len(whole), 3).ids == whole.ids


def test_shares_are_met_to_one_report_with_one_report_a_patient() -> None:
    """With one report a patient, the shares are met to one report."""
    small = subset(with_patients([1] * 1000), 333)
    assert [len(small.rows(s)) for s in ("train", "validate", "test")] == [233, 33, 66]


def test_rows_stay_together_and_in_order() -> None:
    whole = with_patients([2] * 100)
    small = subset(whole, 80, 5)
    where = {name: r for r, name in enumerate(whole.ids)}
    rows = [where[name] for name in small.ids]
    assert rows == sorted(rows)
    for column in ("patients", "splits", "texts"):
        assert getattr(small, column) == tuple(getattr(whole, column)[r] for r in rows)
    np.testing.assert_array_equal(small.y, whole.y[rows])
    texts = Texts(pa.chunked_array([pa.array(whole.texts, pa.large_string())]))
    mapped = subset(replace(whole, texts=texts), 80, 5)
    assert isinstance(mapped.texts, Texts) and mapped.texts == small.texts


def test_who_is_taken_depends_on_seed_and_patient_alone() -> None:
    whole = with_patients([2] * 200)
    other = replace(whole, texts=("x",) * len(whole), y=1 - whole.y)
    assert subset(other, 100).ids == subset(whole, 100).ids
    assert subset(whole, 100, 1).ids != subset(whole, 100, 0).ids
    # Pinned: the hash is public, so the choice may never drift.
    assert sorted(set(subset(whole, 20).patients)) == PINNED


PINNED = ["p0050", "p0053", "p0058", "p0068", "p0097", "p0102", "p0122", "p0126", "p0184", "p0195"]


def test_too_many_too_few_or_a_patient_in_two_splits_is_refused() -> None:
    whole = with_patients([4] * 50)
    for n in (0, -1, 201):
        with pytest.raises(DataError, match="made-up has 200; give 1 to that many"):
            subset(whole, n)
    with pytest.raises(DataError, match=r"no patient of the test split .* share of 1; give more"):
        subset(whole, 9)
    assert not len(subset(whole, 25).rows("validate"))  # an empty validation split is allowed
    mixed = replace(whole, splits=("test",) + ("train",) * (len(whole) - 1))
    with pytest.raises(DataError, match=r"patient of record .* more than one split"):
        subset(mixed, 100)


SUITE = """
epsilons = [1, inf]
seeds = 2
[[datasets]]
name = "synthetic-plain"
n_public = 90
options = { reports = 200 }
[[methods]]
name = "dp_bow"
params = { steps = 5, size = 64 }
[[methods]]
name = "prior"
"""


def asked(line: str = "") -> Suite:
    return parse(SUITE.replace("[[methods]]", f"{line}\n[[methods]]", 1), "s.toml", "s")


def cells(line: str = "") -> list[Cell]:
    return [job.cell for job in expand(asked(line), None)]


def test_a_suite_without_a_subset_keeps_its_ids() -> None:
    identity = make_loader("synthetic-plain", {"reports": 200}).identity(None)
    for cell in cells():
        assert cell.dataset_identity == identity and "subset" not in str(cell.as_dict())
    assert {j.subset for j in expand(asked(), None)} == {None}


def test_cells_of_different_subsets_never_share_an_id() -> None:
    lines = ["", *(f"subset = {{ reports = {n}, seed = {s} }}" for n in (100, 120) for s in (0, 1))]
    ids = [{c.id for c in cells(line)} for line in lines]
    assert len(set().union(*ids)) == sum(map(len, ids))
    families = [{c.family for c in cells(line)} for line in lines]
    assert len(set().union(*families)) == sum(map(len, families))
    assert {c.id for c in cells("subset = { reports = 100 }")} == ids[1]
    shown = cells("subset = { reports = 100 }")[0].dataset_identity["subset"]
    assert shown == {"reports": 100, "seed": 0}


def test_replayable_noise_is_not_shared_between_subsets(tmp_path: Path) -> None:
    lines = ["", "subset = { reports = 100 }", "subset = { reports = 100, seed = 1 }"]
    jobs = [expand(asked(line), None)[0] for line in lines]
    keys = [_run_key(job, tmp_path, False)[0] for job in jobs]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("subset = 100", "subset = 100: expected a table"),
        ("subset = { seed = 1 }", "subset: key 'reports' is missing"),
        ("subset = { reports = 0 }", "subset: reports = 0: give a positive count"),
        ("subset = { reports = 10, seed = -1 }", "subset: seed = -1: none may be negative"),
        ("subset = { reports = 1.5 }", "reports = 1.5: expected a whole number"),
        ("subset = { reports = 100, patients = 3 }", "unknown key 'patients'"),
    ],
)
def test_a_wrong_subset_is_one_line_that_names_the_key(line: str, said: str) -> None:
    with pytest.raises(SuiteError) as caught:
        asked(line)
    assert str(caught.value).startswith("s.toml: ") and said in str(caught.value)


def test_a_limit_is_taken_from_the_subset() -> None:
    limit = Overrides(limit=40)
    suite = limit.apply(asked("subset = { reports = 100 }"))
    for job in expand(suite, None, limit):
        small = job.dataset(None)
        assert len(small) == 40 and set(small.ids) < set(whole_subset(100).ids)


def whole_subset(n: int) -> Dataset:
    return subset(make_loader("synthetic-plain", {"reports": 200}).load(None), n)


def test_a_cell_is_trained_and_tested_on_its_subset(how: Fingerprint, context: Context) -> None:
    suite = asked("subset = { reports = 100 }")
    job = next(j for j in expand(suite, None) if j.cell.method == "prior")
    assert job.subset == Subset(100, 0)
    record = run_cell(job, how, context).record
    assert record["status"] == "done"
    assert record["cell"]["dataset_identity"]["subset"] == {"reports": 100, "seed": 0}
    assert job.dataset(None).ids == whole_subset(100).ids
    assert set(job.universe(job.dataset(None)).ids) <= set(whole_subset(100).ids)


def test_the_stand_in_brings_a_subset_of_its_own(tmp_path: Path) -> None:
    line = 'otherwise = { name = "synthetic-plain", n_public = 9, subset = { reports = 60 } }'
    text = SUITE.replace('name = "synthetic-plain"\n', 'name = "openi"\n', 1)
    text = text.replace("options = { reports = 200 }", f"subset = {{ reports = 100 }}\n{line}")
    jobs = expand(parse(text, "s", "s"), tmp_path)
    assert {j.subset for j in jobs} == {Subset(60)}


def test_a_gated_dataset_shows_its_subset_beside_the_seal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loader = type(make_loader("synthetic-plain", {}))
    monkeypatch.setattr(loader, "card", replace(loader.card, release="nothing"))
    jobs = expand(asked("subset = { reports = 100 }"), None, secret=lambda: b"store")
    for job in jobs:
        shown = job.cell.dataset_identity
        assert set(shown) == {"loader", "options", "sources_hmac", "subset"}
