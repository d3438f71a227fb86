"""Slips of typing and dictation leave what a sentence says."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.slips import slip

TEXT = "No pleural effusion, although there may be mild edema without cardiomegaly. ⟦PRIOR⟧"


def test_one_word_changes_and_never_one_that_carries_the_meaning() -> None:
    told = {slip(TEXT, Tape("slip", i)) for i in range(300)}
    assert len(told) > 60 and TEXT not in told
    for text in told:
        old, new = TEXT.split(), text.split()
        moves = [
            m for m in difflib.SequenceMatcher(None, old, new).get_opcodes() if m[0] != "equal"
        ]
        assert len(moves) == 1, text
        for word in ("No", "although", "may", "without", "⟦PRIOR⟧"):
            assert word in new, text


def test_every_kind_of_slip_occurs() -> None:
    told = {slip("pleural effusion", Tape("kind", i)) for i in range(300)}
    assert {"plural effusion", "pleural pleural effusion", "plerual effusion"} <= told
    assert any(len(t) == 15 for t in told) and any(len(t) == 17 for t in told)


@given(st.text(max_size=40), st.integers(0, 50))
def test_any_text_is_taken(text: str, i: int) -> None:
    slip(text, Tape("any", i))


def test_a_text_without_a_fitting_word_stays() -> None:
    assert slip("No. OK 12 mm, may not", Tape("x")) == "No. OK 12 mm, may not"
