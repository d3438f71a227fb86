"""Similarity of reports, against Jaccard worked out pair by pair on sets of words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.cell import AuditPolicy
from radpriv.benchmark.datasets.audit_set import similarity
from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.audit_set.similarity import (
    COPY,
    WordShingles,
    nearest,
    similarities,
)
from radpriv.benchmark.datasets.audit_set.universe import Universe, draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.io.deduplicate import groups
from radpriv.benchmark.datasets.texts import normalise
from radpriv.benchmark.encoders.features import FeatureCache, Features, evaluate
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.suites.job import Job

WORDS = ["no", "acute", "the", "heart", "lungs", "clear", "effusion", "small", "left", "is"]
LEFT_OUT = ["___", "XXXX", "3/4/2019", "5 mm"]
texts_of_few_words = st.lists(
    st.lists(st.sampled_from(WORDS + LEFT_OUT), max_size=9).map(" ".join), min_size=1, max_size=14
)


def shingled(texts: Sequence[str]) -> Features:
    return evaluate(WordShingles(), texts)


def tuples(text: str) -> set[tuple[str, ...]]:
    words = compared_words(text)
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()


def jaccard(one: str, two: str) -> float:
    a, b = tuples(one), tuples(two)
    return len(a & b) / len(a | b) if a | b else 1.0


def brute_force(texts: Sequence[str], unit: Sequence[int]) -> list[float]:
    return [
        max([jaccard(a, b) for j, b in enumerate(texts) if unit[j] != unit[i]], default=0.0)
        for i, a in enumerate(texts)
    ]


@given(texts_of_few_words, st.data())
@settings(max_examples=80)
def test_similarity_is_the_jaccard_of_every_pair(texts: list[str], data: st.DataObject) -> None:
    size = len(texts)
    unit = data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
    found = nearest(shingled(texts), np.array(unit), np.arange(size))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(brute_force(texts, unit), np.float32))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, reports: list[str]) -> None:
    texts, unit = [*reports, *reports[:7], "", ""], np.arange(49) // 2
    whole = nearest(shingled(texts), unit, np.arange(49))
    assert 0 < (whole == 1).sum() < 49
    monkeypatch.setattr(similarity, "QUERIES", 5)
    monkeypatch.setattr(similarity, "BLOCK", 3)
    np.testing.assert_array_equal(nearest(shingled(texts), unit, np.arange(49)), whole)
    np.testing.assert_array_equal(whole, np.array(brute_force(texts, list(unit)), np.float32))


@given(texts_of_few_words, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_records_does_not_matter(texts: list[str], random: object) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    unit = np.arange(len(texts)) // 2
    straight = nearest(shingled(texts), unit, np.arange(len(texts)))
    moved = nearest(shingled([texts[i] for i in order]), unit[order], np.arange(len(texts)))
    np.testing.assert_array_equal(moved, straight[order])


def test_near_copy_has_one_changed_word_in_thirty_and_not_two() -> None:
    """One changed word in thirty makes a near-copy, and two make none."""
    words = [f"w{i}" for i in range(30)]
    one, two = list(words), list(words)
    one[15] = two[10] = two[20] = "other"
    texts = [" ".join(w) for w in (words, one, two)]
    assert jaccard(texts[0], texts[1]) == 25 / 31 >= COPY > jaccard(texts[0], texts[2])
    found = nearest(shingled(texts[:2]), np.arange(2), np.arange(2))
    assert (found >= COPY).all()


SHORT = "Heart size is normal. No pleural effusion."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"Compared to 2019-03-04: {SHORT}", f"Compared to 2021-11-23: {SHORT}"),
        (f"{SHORT} Read on 3/4/2019.", f"{SHORT} Read on 23 November 2021."),
        (f"Compared to ___, {SHORT}", f"Compared to March 4, 2019, {SHORT}"),
        (f"{SHORT} Seen on ___ at ___.", f"{SHORT} Seen on 3/4/2019 at 10:45 AM."),
        (f"{SHORT} ___", SHORT),
        (SHORT.replace("pleural", "___ pleural"), SHORT),
        (SHORT.replace("pleural", "XXXX pleural"), SHORT.replace("pleural", "___ pleural")),
        ("Nodule of 5 mm on the left.", "Nodule of 3.4 x 2.1 cm on the left."),
    ],
)
def test_short_copies_apart_in_a_date_or_mark_are_copies(one: str, other: str) -> None:
    """A date, a number or a scrub mark makes no clean non-member of a short report."""
    assert list(nearest(shingled([one, other, "x y z"]), np.arange(3), np.arange(2))) == [1, 1]
    assert len(set(groups([one, other]))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Small left effusion, 5 mm.", "Small right effusion, 5 mm."),
        ("Compared to ___, no effusion.", "Compared to ___, new effusion."),
        ("Heart size is normal. Lungs clear.", "Heart size is enlarged. Lungs clear."),
        ("Compression fracture of T12.", "Compression fracture of L1."),
        (f"{SHORT} Clear lungs.", f"{SHORT} Basal opacity on both sides."),
    ],
)
def test_short_reports_of_other_findings_stay_apart(one: str, other: str) -> None:
    found = nearest(shingled([one, other]), np.arange(2), np.arange(2))
    assert (found < COPY).all()
    assert len(set(groups([one, other]))) == 2


def test_case_and_punctuation_do_not_make_another_text() -> None:
    assert normalise(" The HEART, is\r\nnormal. ") == "the heart is normal"
    texts = ["The heart is normal.", "THE HEART\nIS (NORMAL)", "the heart is large"]
    found = nearest(shingled(texts), np.arange(3), np.arange(3))
    np.testing.assert_allclose(found, [1, 1, 1 / 3], rtol=1e-6)


def test_records_of_the_same_unit_are_never_the_nearest() -> None:
    texts = ["a b c d", "a b c d", "x y z"]
    assert list(nearest(shingled(texts), np.array([0, 0, 1]), np.arange(3))) == [0, 0, 0]
    assert list(nearest(shingled(texts), np.array([0, 1, 1]), np.arange(3))) == [1, 1, 0]


def test_only_the_given_others_are_searched() -> None:
    texts = ["a b c d", "a b c d", "a b c x", "q r s"]
    records, unit = shingled(texts), np.arange(4)
    found = nearest(records, unit, np.array([0, 3]), others=np.array([2, 3]))
    np.testing.assert_allclose(found, [1 / 3, 0], rtol=1e-6)
    assert list(nearest(records, unit, np.array([0]), others=np.array([], np.int64))) == [0]


def test_texts_of_one_or_two_words_are_no_prefix_of_longer_ones() -> None:
    """Texts of one or two words are no beginning of longer ones."""
    texts = ["a b", "a b c", "a", "b"]
    assert not nearest(shingled(texts), np.arange(4), np.arange(4)).any()
    assert len({int(shingled([t]).values[0]) for t in texts}) == 4


def by_hand(words: str) -> int:
    """A shingle's hash in whole numbers, without NumPy."""
    value = len(words.split())
    for word in words.split():
        raw = hashlib.blake2b(word.encode(), digest_size=8).digest()
        value = (value + int.from_bytes(raw, "little") + 0x9E3779B97F4A7C15) % 2**64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
        value ^= value >> 31
    return value


PINNED = [7671101713639699576, 12391763688902383993]


def test_the_hashes_are_the_same_on_every_platform() -> None:
    assert WordShingles()("Heart normal, lungs clear.").tolist() == PINNED
    assert sorted(map(by_hand, ("heart normal lungs", "normal lungs clear"))) == PINNED
    assert WordShingles()("...").shape == WordShingles()("3/4/2019").shape == (0,)


def test_shingles_stored_by_the_rule_before_are_not_read() -> None:
    """Shingles of all words lie under another key in the cache."""
    assert WordShingles().key == "shingles/2/3"


@pytest.mark.slow
def test_three_thousand_reports_take_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    pool = [f"word{i}" for i in range(500)]
    texts = [" ".join(rng.choice(pool, 40)) for _ in range(3000)]
    begun = time.process_time()
    nearest(shingled(texts), np.arange(3000), np.arange(3000))
    assert time.process_time() - begun < 10


def drawn(made_up: Dataset, texts: Sequence[str], seed: int) -> Universe:
    return draw(replace(made_up, texts=tuple(texts)), AuditPolicy(share=0.5), b"k", 30, seed)


@given(coins=st.lists(st.booleans(), min_size=30, max_size=30), seed=st.integers(0, 1 << 30))
@settings(max_examples=40)
def test_a_records_similarity_does_not_change_with_the_coins(
    coins: list[bool], seed: int, made_up: Dataset, reports: list[str]
) -> None:
    texts = reports[:20] * 2  # each candidate has a twin, whose coin is its own
    first, other = drawn(made_up, texts, 0), drawn(made_up, texts, seed)
    tossed = replace(other, member=~other.candidate | np.array(coins))
    slots = np.flatnonzero(first.candidate)
    expected = similarities(first, slots, FeatureCache(None))
    assert (expected == 1).any()
    for universe in (other, tossed):
        found = similarities(universe, slots, FeatureCache(None))
        np.testing.assert_array_equal(found, expected)


def test_similarity_to_members_alone_would_change_with_the_coins(
    made_up: Dataset, reports: list[str]
) -> None:
    """A similarity to members alone would change with the coins."""

    def broken(seed: int) -> list[float]:
        universe = drawn(made_up, reports[:20] * 2, seed)
        slots, members = np.flatnonzero(universe.candidate), np.flatnonzero(universe.member)
        return list(nearest(shingled(universe.texts), universe.unit, slots, members))

    assert len({tuple(broken(seed)) for seed in range(5)}) > 1


def test_similarities_are_computed_once_for_all_seeds(
    made_up: Dataset, reports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drawn(made_up, reports, 0)
    slots = np.flatnonzero(first.candidate)
    cache = FeatureCache(tmp_path)
    found = similarities(first, slots, cache)
    by_hand = brute_force(first.texts, list(first.unit))
    np.testing.assert_array_equal(found, np.array(by_hand, np.float32)[slots])
    monkeypatch.setattr(similarity, "nearest", None)
    for again in (cache, FeatureCache(tmp_path)):
        np.testing.assert_array_equal(similarities(drawn(made_up, reports, 1), slots, again), found)
    with pytest.raises(TypeError):
        similarities(first, slots[1:], cache)
    with pytest.raises(TypeError):
        similarities(replace(first, unit=first.unit // 2), slots, cache)


def test_a_cell_stores_the_similarity_of_each_candidate(
    jobs_of: Callable[..., list[Job]], how: Fingerprint, context: Context
) -> None:
    columns = []
    for job in jobs_of("prior", seeds="2", audit_share="0.4", control="false"):
        folder = run_cell(job, how, context).folder
        table = pq.read_table(folder / "private" / "candidates.parquet")
        columns.append(table["similarity"].to_pylist())
        universe = job.universe(job.dataset(None))
        by_hand = np.array(brute_force(universe.texts, list(universe.unit)), np.float32)
        assert columns[-1] == list(by_hand[table["slot"].to_numpy()])
        assert 0 < max(columns[-1]) <= 1
    assert columns[0] == columns[1] and len(columns) == 2
