"""Counting words, sentences, repetition and cues, and what is expected of a sample."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.description.cues import CUES, occurrences
from radpriv.benchmark.datasets.description.text_counts import distinct, measure, sentences

TEXTS = (
    "No acute disease. Heart is normal.",
    "no acute disease;  HEART is normal!",
    "There may be an opacity. There may be an opacity. Abnormal.",
    "1. Without effusion\n\nCannot exclude. ...",
    "",
)


def test_sentences_end_at_stops_and_empty_lines() -> None:
    """Sentences end at stops and empty lines and hold a letter."""
    assert list(sentences("One. Two? Three! 4. 5.5 cm\nmass.\n\nLast")) == [
        "One.",
        "Two?",
        "Three!",
        "5.5 cm\nmass.",
        "Last",
    ]
    assert list(sentences("... 12. --- ")) == []


def test_a_small_corpus_gives_the_numbers_counted_by_hand() -> None:
    found = measure(TEXTS)
    assert found.words.tolist() == [6, 6, 11, 6, 0]
    assert found.sentences.tolist() == [2, 1, 3, 2, 0]
    # The first two reports have one normal form, and so have the first sentences of the third.
    assert found.text_reports == {1: 3, 2: 1}
    assert sum(found.sentence_reports.values()) == 7
    # Once: 1, without, effusion, cannot, exclude, abnormal. Twice: the six words of the first two
    # reports, and the five of a sentence that the third says twice.
    assert found.vocabulary == {1: 6, 2: 11}
    assert found.word_reports == {1: 11, 2: 6}
    assert found.denied == (3, 3)  # "No acute disease." once, one sentence of the second, "Without"
    assert found.hedged == (2, 1)


def test_cues_begin_at_words_and_whole_words_are_whole() -> None:
    text = "abnormal. normal. not noted, cannot be excluded. suggests, suggestive. maybe. nodule no"
    found = dict(zip(CUES, occurrences(text)))
    assert {cue: n for cue, n in found.items() if n} == {
        "normal": 1,
        "not": 1,
        "cannot be excluded": 1,
        "suggest": 2,
        "no": 1,
    }


def by_drawing(reports: list[set[int]], sample: int) -> float:
    """The mean over every sample of so many reports."""
    samples = list(itertools.combinations(reports, sample))
    return sum(len(set().union(*chosen)) for chosen in samples) / len(samples)


@given(st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=1, max_size=7), st.data())
@settings(max_examples=60)
def test_expected_distinct_things_are_the_mean_over_all_samples(
    reports: list[set[int]], data: st.DataObject
) -> None:
    sample = data.draw(st.integers(1, len(reports)))
    often = Counter(Counter(x for report in reports for x in report).values())
    assert distinct(often, len(reports), sample) == pytest.approx(by_drawing(reports, sample))


def test_sample_of_everything_is_everything_and_stays_finite() -> None:
    """A sample of everything has everything, and large numbers stay finite."""
    assert distinct({1: 5, 3: 2}, 10, 10) == distinct({1: 5, 3: 2}, 10, 99) == 7.0
    assert distinct({300_000: 1, 1: 1}, 300_000, 1) == pytest.approx(1 + 1 / 300_000, abs=1e-7)
    assert distinct({}, 10, 5) == 0.0


def test_texts_are_read_once_in_any_order_with_lone_surrogates() -> None:
    """Texts are read once, in any order; lone surrogates are no trouble."""
    one = measure(iter([*TEXTS, "odd \udc80 byte. é"]))
    two = measure(iter(["odd \udc80 byte. é", *TEXTS[::-1]]))
    assert one.vocabulary == two.vocabulary and one.sentence_reports == two.sentence_reports
    assert np.array_equal(one.cue_total, two.cue_total) and len(one) == 6
    assert measure([]).text_reports == {}
