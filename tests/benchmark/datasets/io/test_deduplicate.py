"""Groups of near-copies, against all pairs; what a dataset repeats, counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.audit_set.similarity import COPY, WordShingles, nearest
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.io import deduplicate as module
from radpriv.benchmark.datasets.io.deduplicate import Bands, copies, duplicates, groups
from radpriv.benchmark.datasets.texts import Texts
from radpriv.benchmark.encoders.features import evaluate
from radpriv.errors import DataError


def families(seed: int, count: int = 60, members: int = 5) -> list[str]:
    """Texts of 30 words in families whose members differ from the first in 0 to 4 words."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        words = [f"w{i}" for i in rng.integers(0, 400, 30)]
        for changes in range(members):
            mine = list(words)
            for at in rng.choice(30, changes, replace=False):
                mine[at] = f"w{rng.integers(0, 400)}"
            texts.append(" ".join(mine))
    return texts


def linked_by_hand(texts: Sequence[str], threshold: float) -> list[int]:
    """The first record of each one's group, by checking every pair."""
    words = [compared_words(t) for t in texts]
    sets = [{tuple(w[i : i + 3]) for i in range(max(1, len(w) - 2))} if w else set() for w in words]
    head = list(range(len(texts)))
    for i, j in combinations(range(len(texts)), 2):
        union = len(sets[i] | sets[j])
        if union == 0 or len(sets[i] & sets[j]) >= threshold * union:
            low, high = sorted((head[i], head[j]))
            head = [low if h == high else h for h in head]
    return head


@pytest.mark.parametrize("threshold", [0.5, COPY, 0.8, 1.0])
def test_groups_are_those_of_all_pairs(threshold: float) -> None:
    texts = [*families(0, 40), "no acute finding", "NO ACUTE FINDING."]
    expected = linked_by_hand(texts, threshold)
    assert 40 < len(set(expected)) < 202
    assert groups(texts, threshold).tolist() == expected


def test_a_band_net_that_is_too_coarse_misses_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bands, "of", staticmethod(lambda threshold: Bands(2, 16)))
    texts = families(0)
    assert len(set(groups(texts, 0.8))) > len(set(linked_by_hand(texts, 0.8)))


def test_candidates_below_the_threshold_are_never_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bands, "of", staticmethod(lambda threshold: Bands(128, 1)))
    texts = families(1)
    assert groups(texts, 0.8).tolist() == linked_by_hand(texts, 0.8)


@pytest.mark.parametrize("pairs", [1, 7, 1 << 16])
def test_how_many_pairs_are_checked_at_once_changes_nothing(
    pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["the same words in every report again"] * 5 + families(2, 4)
    expected = groups(texts, 0.8)
    monkeypatch.setattr(module, "PAIRS", pairs)
    np.testing.assert_array_equal(groups(texts, 0.8), expected)


@given(st.permutations(range(41)))
@settings(max_examples=12)
def test_the_order_of_records_does_not_matter(order: list[int]) -> None:
    texts = [*families(3, 7), *["", "...", "a b", "A  b", "a", "a 5 b"]]
    straight, moved = groups(texts), groups([texts[i] for i in order])
    as_sets = {frozenset(np.flatnonzero(straight == g)) for g in set(straight)}
    assert as_sets == {frozenset(order[i] for i in np.flatnonzero(moved == g)) for g in set(moved)}


def test_a_threshold_gets_the_widest_bands_that_find_it() -> None:
    assert Bands.of(0.8) == Bands(25, 5)
    assert Bands.of(0.8).recall(0.8) == pytest.approx(1 - (1 - 0.8**5) ** 25)
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        bands = Bands.of(threshold)
        assert bands.count * bands.rows <= 128 and bands.recall(threshold) >= 0.999
    for bad in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(DataError, match=r"give a number in \(0, 1\]"):
            Bands.of(bad)


def test_recall_is_what_is_stated() -> None:
    rng = np.random.default_rng(5)
    bands, found, pairs, alike = Bands(25, 5), 0, 600, []
    for _ in range(pairs):
        words = [f"w{i}" for i in range(60)]
        for at in rng.choice(60, 5, replace=False):
            words[at] = "other"
        texts = [" ".join(f"w{i}" for i in range(60)), " ".join(words)]
        keys = module._band_keys(evaluate(WordShingles(), texts), bands, int(rng.integers(1 << 30)))
        found += bool((keys[0] == keys[1]).any())
        alike.append(float(nearest(evaluate(WordShingles(), texts), np.arange(2), np.arange(1))[0]))
    expected = np.mean([bands.recall(s) for s in alike])
    assert 0.5 < np.mean(alike) < 0.8 and 0.6 < expected < 0.99
    assert abs(found / pairs - expected) < 4 * np.sqrt(expected * (1 - expected) / pairs)


def test_signatures_are_the_same_on_every_platform() -> None:
    keys = module._band_keys(evaluate(WordShingles(), ["the heart is normal"]), Bands(2, 2), 1)
    assert keys.tolist() == [PINNED]


PINNED = [7791313087189070723, 218564672057354698]


def test_texts_apart_in_a_number_are_near_copies_not_copies() -> None:
    """Collapsing equal texts is stricter than grouping near-copies."""
    texts = ["nodule of 5 mm", "nodule of 6 mm", "nodule of ___", "___", "3/4/2019"]
    assert copies(texts).tolist() == [0, 1, 2, 3, 4]
    assert groups(texts).tolist() == [0, 0, 0, 3, 3]


def test_equal_texts_are_copies_whatever_their_case() -> None:
    assert copies(["a b", "c", "A, b.", "", "c"]).tolist() == [0, 1, 0, 3, 1]
    assert copies([]).shape == (0,)


def dataset(made_up: Dataset, texts: Sequence[str], splits: Sequence[str]) -> Dataset:
    n = len(texts)
    ids = tuple(f"r{i:03d}" for i in range(n))
    y = np.zeros((n, 3), np.float32)
    return replace(made_up, ids=ids, patients=ids, splits=tuple(splits), texts=tuple(texts), y=y)


def test_what_a_dataset_repeats_is_counted(made_up: Dataset) -> None:
    words = [f"w{i}" for i in range(30)]
    changed = " ".join([*words[:15], "other", *words[16:]])
    texts = [" ".join(words), " ".join(words).upper(), changed, "x y z", "x y z.", "alone it is"]
    found = duplicates(dataset(made_up, texts, ["train", "test", "test", "test", "test", "train"]))
    assert (found.records, found.texts, found.copies, found.copied) == (6, 4, 2, 4)
    assert (found.near, found.groups, found.largest) == (5, 2, 3)
    assert (found.test, found.crossing) == (4, 2)
    assert found.threshold == COPY


def test_a_dataset_without_copies_or_without_records_counts_none(made_up: Dataset) -> None:
    found = duplicates(made_up)
    assert (found.records, found.copies, found.near, found.groups) == (40, 0, 0, 0)
    assert found.largest == 1 and found.crossing == 0
    assert duplicates(dataset(made_up, [], [])).largest == 0


def test_texts_on_disk_give_the_same_counts(made_up: Dataset) -> None:
    texts = families(6, 8)
    plain = dataset(made_up, texts, ["train", "test"] * 20)
    mapped = replace(plain, texts=Texts(pa.chunked_array([pa.array(texts, pa.large_string())])))
    assert duplicates(plain) == duplicates(mapped)
    assert duplicates(plain).near > 8
