"""Phrases with gaps, against spaCy's token patterns, which are slow and say the same."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.baselines.keyword.gaps import BARS, Gapped
from radpriv.baselines.keyword.lexicon import GAPS

PHRASES = [
    ("one", "heart .. big"),
    ("two", "heart size .. big"),
    ("three", "plaque ... aorta ... big"),
    ("four", "heart ... big"),
    ("five", "plaque .. heart"),
]


@cache
def blank() -> Any:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return nlp


@cache
def gapped() -> Gapped:
    return Gapped(blank(), "k", PHRASES)


@cache
def oracle() -> Any:
    from spacy.matcher import Matcher

    matcher = Matcher(blank().vocab)
    for label, phrase in PHRASES:
        pattern: list[dict[str, Any]] = []
        for part in re.split(r" (\.+) ", phrase):
            if part in GAPS:
                between = {"IS_PUNCT": False, "LOWER": {"NOT_IN": sorted(BARS)}}
                pattern.append({**between, "OP": f"{{0,{GAPS[part]}}}"})
            else:
                pattern += [{"LOWER": word} for word in part.split()]
        matcher.add(label, [pattern])
    return matcher


def found(text: str) -> set[tuple[int, int, str]]:
    doc = blank()(text)
    doc.spans["k"] = []
    return {(span.start, span.end, span.label_) for span in gapped()(doc).spans["k"]}


WORDS = ["Heart", "heart size", "big", "plaque", "aorta", "is", "is is", "no", ",", ".", "BUT"]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_gapped_phrases_are_what_spacys_token_patterns_find(text: str) -> None:
    strings = blank().vocab.strings
    assert found(text) == {(a, b, strings[m]) for m, a, b in oracle()(blank()(text))}


@pytest.mark.parametrize(("phrase", "most"), [("heart", 10), ("heart size", 3)])
def test_a_gap_has_so_many_words_and_no_more(phrase: str, most: int) -> None:
    reach = len(phrase.split()) + most + 1
    assert max(end for _, end, _ in found(f"{phrase}{' is' * most} big")) == reach
    labels = {label for *_, label in found(f"{phrase}{' is' * (most + 1)} big")}
    assert labels == ({"four"} if phrase == "heart size" else set())


@pytest.mark.parametrize("bar", [",", ".", ";", *sorted(BARS)])
def test_no_gap_reaches_over_punctuation_or_a_negation(bar: str) -> None:
    assert found("heart is so big")
    assert found(f"heart is {bar} big") == set()


def test_no_phrase_with_a_gap_is_no_phrase_found() -> None:
    doc = blank()("heart is big")
    doc.spans["k"] = []
    assert not Gapped(blank(), "k", [])(doc).spans["k"]
