"""What is left out before reports are compared, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.texts import normalise

DATES = (
    "2019-03-04", "3/4/2019", "4 March 2019", "March 4, 2019", "04.03.19", "Mar 2019", "March 2019",
    "04-Mar-2019", "4th of March, 2019", "May 4, 2019", "4 May 2019", "May 2019", "March", "2019",
    "2019-03-04T10:45:00", "3/4/2019 10:45", "Mar ___", "___ Dec",
)  # fmt: skip
TIMES = ("10:45", "10:45 AM", "10:45 p.m.", "1045 hours", "9 am", "10:45:30", "24 hrs", "___ PM")
NUMBERS = (
    "5", "#3", "1.", "5th", "12th", "1st", "50%", "1,200 ml", "-5 HU", "5 mm", "5mm", "5-mm", "1/2",
    "3.4 x 2.1 cm", "3.4x2.1x5 cm", "3 cm x 4 cm", "3 × 4 mm", "3-4 mm", "3 to 4 mm", "5 cm²",
    "3 by 4 cm", "3 mm to 4 mm", "seven", "twelve", "third", "71 yo", "___ mm", "XXXX x XXXX cm",
)  # fmt: skip
MARKS = ("___", "____", "XXXX", "XXXXX", "xxxx", "[**2019-3-4**]", "[**Hospital1 18**]", "[** **]")
LEFT_OUT = (*DATES, *TIMES, *NUMBERS, *MARKS)
WORDS = (
    "effusion", "no", "small", "left", "T12", "L5", "C7", "may", "one", "first", "second", "marked",
    "decreased", "sepsis", "am", "mm", "x", "to", "5x", "june-bug", "separate", "6b", "octagon",
)  # fmt: skip
words = st.lists(st.sampled_from(("effusion", "no", "small", "left", "T12", "one")), max_size=6)


@pytest.mark.parametrize("text", LEFT_OUT)
def test_dates_numbers_and_marks_leave_no_word(text: str) -> None:
    for case in (text, text.upper(), text.lower()):
        assert compared_words(case) == []
        assert compared_words(f"Seen on {case}, again.") == ["seen", "on", "again"]
        assert compared_words(f"({case})\nLungs clear {case}") == ["lungs", "clear"]


@given(words, words, st.lists(st.sampled_from(LEFT_OUT), min_size=1, max_size=3))
def test_marks_side_by_side_are_as_none(
    before: list[str], after: list[str], put: list[str]
) -> None:
    """However many stand side by side, the words around them are the same as without."""
    with_them = "; ".join([" ".join(before), *put, " ".join(after)])
    assert compared_words(with_them) == [w.lower() for w in (*before, *after)]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
@example(["may", "represent"])
def test_text_without_any_keeps_every_word(chosen: list[str]) -> None:
    text = ", ".join(chosen)
    assert compared_words(text) == [
        w
        for w in normalise(text).split()
        if w != "june"  # a month in full
    ]


@given(st.text(alphabet=st.characters(exclude_categories=["Nd", "Nl", "No", "Cs"]), max_size=40))
def test_any_text_without_numbers_or_marks_is_unchanged(text: str) -> None:
    kept = normalise(text).split()
    if not any("_" in w or "xxx" in w or (len(w) > 2 and w in NAMED) for w in kept):
        assert "[**" in text or compared_words(text) == kept


NAMED = {"two", "six", "ten", "four", "five", "nine", "june", "july"}


@given(st.text(alphabet="0123456789 _xX[]*/.,:-abcmt\n", max_size=60))
def test_every_word_left_is_one_of_the_text(text: str) -> None:
    """Nothing is made up, and leaving out is done once and for all."""
    left = compared_words(text)
    assert all(word in text.lower() for word in left)
    assert not any(word.isdecimal() for word in left)
    assert compared_words(" ".join(left)) == left


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("3 may represent edema", "may represent edema"),
        ("XXXX may represent edema", "may represent edema"),
        ("Fracture of T12 and L4-L5, C5/6.", "fracture of t12 and l4 l5 c5"),
        ("No change since March. 2. Small effusion", "no change since small effusion"),
        ("3 x-rays, 2nd-look", "x rays look"),
        ("5 to the left", "to the left"),
        ("a 71-year-old", "a year old"),
        ("[mild] effusion [** unclosed", "mild effusion unclosed"),
        ("1. No effusion 2. No edema", "no effusion no edema"),
    ],
)
def test_words_around_a_number_stay(text: str, kept: str) -> None:
    assert " ".join(compared_words(text)) == kept


@pytest.mark.parametrize("part", ["1/", "1-", "1x", "1 to ", "march ", "[**", "_", "1st", "may 1 "])
def test_a_long_chain_is_read_once(part: str) -> None:
    """No pattern backtracks over a chain: 200,000 characters end in a word, at once."""
    assert compared_words(part * 40_000 + "abc")[-1].endswith("abc")
