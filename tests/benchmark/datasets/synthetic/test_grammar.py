"""The phrase book's reader, and the draws."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream
from radpriv.benchmark.datasets.synthetic.plain.grammar import read_grammar
from radpriv.benchmark.datasets.synthetic.plain.plain_writer import Writer, bare
from radpriv.benchmark.datasets.synthetic.plain.synthetic_plain import GRAMMAR, phrase_book
from radpriv.benchmark.datasets.synthetic.plain.truth import visits
from radpriv.errors import DataError


def test_each_label_has_many_wordings_and_some_avoid_its_names() -> None:
    """Each label has many wordings and some that avoid its names."""
    for label in phrase_book().labels:
        wordings = (*label.present, *label.stated)
        assert len(wordings) >= 9, label.name
        assert len(set(wordings)) == len(wordings)
        assert sum(not any(n in w for n in label.names) for w in wordings) >= 4, label.name
        assert len(label.names) >= 2 and label.absent


def test_no_wording_tells_of_two_labels() -> None:
    told: dict[str, str] = {}
    for label in phrase_book().labels:
        for wording in (*label.names, *label.present, *label.stated, *label.absent):
            assert told.setdefault(wording, label.name) == label.name, wording


def test_the_rate_over_all_profiles_is_the_one_set_by_hand() -> None:
    grammar = phrase_book()
    rest = 1.0 - sum(profile.share for profile in grammar.profiles)
    for label in grammar.labels:
        told = sum(p.share * grammar.rate(label, p) for p in grammar.profiles)
        assert told + rest * grammar.rate(label, None) == pytest.approx(label.rate)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = ", "not TOML"),
        ("[shape]", "[form]", "unknown key 'form'"),
        ('"Pneumothorax" = 0.35', '"Pneumothorex" = 0.35', "no label is called 'Pneumothorex'"),
        ('"Pneumothorax" = 0.35', '"Pneumothorax" = 0.95', "Pneumothorax: its rate under no"),
        ("{size} {side} effusion", "{sise} {side} effusion", "'{sise}' in"),
        ("mention = 0.50", "mentoin = 0.50", "unknown key 'mentoin'; did you mean 'mention'?"),
        ('name = "Atelectasis"', 'name = "Cardiomegaly"', "a label occurs twice"),
    ],
)
def test_a_faulty_phrase_book_is_refused_with_file_and_field(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = GRAMMAR.read_text()
    assert old in text
    path = tmp_path / "book.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        read_grammar(path)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_present_findings_are_always_told_and_absent_ones_never() -> None:
    """What is there is always told, and what is not is never told as there.

    Each report of a patient without findings uses no whole sentence that tells of one.
    """
    grammar = phrase_book()
    checked = 0
    for visit in islice(visits(grammar, "a test"), 400):
        text = Writer(grammar, visit, Stream("a test", visit.patient, visit.visit)).text()
        for label in grammar.labels:
            fixed = [s for s in label.stated if "{" not in s]
            if label.name not in visit.now:
                assert not any(sentence in text for sentence in fixed), text
                checked += len(fixed)
            else:
                assert not any(s in text for s in label.absent), text
    assert checked > 1000


def test_a_return_visit_knows_the_visit_before() -> None:
    found = list(islice(visits(phrase_book(), "a test"), 2000))
    for last, this in pairwise(found):
        assert this.before == (last.now if this.patient == last.patient else None)
    back = [v for v in found if v.before is not None]
    assert len(back) > 500
    assert any(v.now == v.before for v in back) and any(v.now != v.before for v in back)


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_draws_belong_to_their_path_and_keep_their_range(number: int, n: int) -> None:
    one, two = Stream("x", number), Stream("x", number)
    first = [one.below(n) for _ in range(9)]
    assert first == [two.below(n) for _ in range(9)]
    assert all(0 <= value < n for value in first)
    assert Stream("x", number).integer() != Stream("y", number).integer()


@given(st.lists(st.integers(), max_size=30), st.integers(0, 1000))
def test_shuffling_keeps_every_item(items: list[int], number: int) -> None:
    assert sorted(Stream("s", number).shuffled(items)) == sorted(items)


def test_chances_and_shares_come_out_as_asked() -> None:
    draw = Stream("frequencies")
    hits = np.mean([draw.chance(0.3) for _ in range(20_000)])
    assert abs(hits - 0.3) < 0.015
    picks = np.bincount([draw.weighted([0.5, 0.2]) for _ in range(20_000)], minlength=3) / 20_000
    assert np.abs(picks - [0.5, 0.2, 0.3]).max() < 0.015
    assert not draw.chance(0.0)


def test_an_article_is_dropped_only_in_front() -> None:
    assert bare("an enlarged heart") == "enlarged heart"
    assert bare("a rim of air on a lung") == "rim of air on a lung"
    assert bare("apical bullae") == "apical bullae"
