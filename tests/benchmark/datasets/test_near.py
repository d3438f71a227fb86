"""Similarity of reports, against Jaccard worked out pair by pair on sets of words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets import near
from radpriv.benchmark.datasets.near import WordShingles, nearest, normalise
from radpriv.benchmark.features import Features, evaluate

WORDS = ["no", "acute", "the", "heart", "lungs", "clear", "effusion", "small", "left", "is"]
texts_of_few_words = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), min_size=1, max_size=14
)


def shingled(texts: Sequence[str]) -> Features:
    return evaluate(WordShingles(), texts)


def tuples(text: str) -> set[tuple[str, ...]]:
    words = re.sub(r"\W+", " ", text.lower()).split()
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
@settings(max_examples=80, deadline=None)
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
    monkeypatch.setattr(near, "QUERIES", 5)
    monkeypatch.setattr(near, "BLOCK", 3)
    np.testing.assert_array_equal(nearest(shingled(texts), unit, np.arange(49)), whole)
    np.testing.assert_array_equal(whole, np.array(brute_force(texts, list(unit)), np.float32))


@given(texts_of_few_words, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_records_does_not_matter(texts: list[str], random: object) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    unit = np.arange(len(texts)) // 2
    straight = nearest(shingled(texts), unit, np.arange(len(texts)))
    moved = nearest(shingled([texts[i] for i in order]), unit[order], np.arange(len(texts)))
    np.testing.assert_array_equal(moved, straight[order])


def test_one_changed_word_in_thirty_is_a_near_copy_and_two_are_none() -> None:
    words = [f"w{i}" for i in range(30)]
    one, two = list(words), list(words)
    one[15] = two[10] = two[20] = "other"
    texts = [" ".join(w) for w in (words, one, two)]
    assert jaccard(texts[0], texts[1]) == 25 / 31 >= near.COPY > jaccard(texts[0], texts[2])
    found = nearest(shingled(texts[:2]), np.arange(2), np.arange(2))
    assert (found >= near.COPY).all()


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


def test_texts_of_one_or_two_words_are_no_beginning_of_longer_ones() -> None:
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
    assert WordShingles()("...").shape == (0,)


@pytest.mark.slow
def test_three_thousand_reports_take_seconds() -> None:
    import time

    rng = np.random.default_rng(0)
    pool = [f"word{i}" for i in range(500)]
    texts = [" ".join(rng.choice(pool, 40)) for _ in range(3000)]
    begun = time.process_time()
    nearest(shingled(texts), np.arange(3000), np.arange(3000))
    assert time.process_time() - begun < 10
