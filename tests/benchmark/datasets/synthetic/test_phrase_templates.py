"""The language of phrases, and the strict reader of phrase books."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.phrase_templates import (
    Expander,
    agreeing,
    compiled,
)
from radpriv.benchmark.datasets.synthetic.engine.phrases import read_phrases
from radpriv.benchmark.datasets.synthetic.engine.realiser import bare, finished
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR
from radpriv.errors import DataError

SLOTS = {"side": (compiled("left"), compiled("right")), "size": (compiled("(big|small)"),)}


def texts(phrase: str, times: int = 60, **fills: str) -> set[str]:
    node = compiled(phrase)
    return {
        Expander(SLOTS, frozenset({"side"}), Tape("t", i)).text(node, {}, fills)
        for i in range(times)
    }


def test_choices_options_slots_and_escapes() -> None:
    assert texts("(a|b|)c") == {"ac", "bc", "c"}
    assert texts("a[ b]") == {"a", "a b"}
    assert texts("x (y|[z]{size}) \\(?\\)") == {
        f"x {y} (?)" for y in ("y", "big", "small", "zbig", "zsmall")
    }
    assert texts("{side} {f}", f="{not} a (slot)") == {
        "left {not} a (slot)",
        "right {not} a (slot)",
    }


def test_sticky_slot_keeps_its_value_as_long_as_the_details_last() -> None:
    """A sticky slot keeps its value as long as the details last."""
    details: dict[str, str] = {}
    told = {
        Expander(SLOTS, frozenset({"side"}), Tape("s", i)).text(compiled("{side}"), details)
        for i in range(30)
    }
    assert len(told) == 1 and details == {"side": told.pop()}


def test_a_plural_phrase_has_plural_verbs() -> None:
    assert compiled("+effusions").plural and not compiled("effusion").plural
    assert agreeing(True)["is"] == "are" and agreeing(False)["has"] == "has"


@pytest.mark.parametrize("wrong", ["(a", "a)", "[a)", "a|b", "{a", "a}", "\\", "[(a]"])
def test_a_phrase_with_a_stray_bracket_is_refused(wrong: str) -> None:
    with pytest.raises(DataError):
        compiled(wrong)


@given(st.text(alphabet="ab ()[]|{}\\", max_size=12))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    try:
        phrase = compiled(text)
    except DataError:
        return
    slots = {"a": (compiled("x"),), "b": (compiled("y"),), "ab": (), "ba": ()}
    try:
        told = Expander(slots, frozenset(), Tape("any")).text(phrase, {})
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        assert "{" in text  # a slot that this test does not have
        return
    assert len(told) <= len(text)


def test_sentences_are_mended() -> None:
    assert finished("a  old , a 8 mm node") == "An old, an 8 mm node."
    assert finished("why?") == "Why?" and bare("an x") == "x" and bare("the x") == "the x"


BOOK = """
version = 1
sticky = ["s"]
[slots]
s = ["one", "two"]
[frames]
plain = ["{f}"]
[[label]]
name = "Effusion"
group = "pleura"
lexicon = ["effusion"]
bare = ["effusion"]
keyed = ["a {s} effusion"]
unkeyed = ["fluid"]
stated = ["effusion is there"]
told = ["fluid is there"]
absent = ["dry"]
traps = ["nothing"]
[[label]]
name = "Edema"
group = "vessels"
lexicon = ["edema"]
bare = ["edema"]
keyed = ["mild edema"]
unkeyed = ["overload"]
stated = ["edema is there"]
told = ["overload is there"]
absent = ["no overload"]
traps = ["nothing"]
brief = ["edema"]
[[joint]]
denies = ["Effusion", "Edema"]
wordings = ["Dry all over"]
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'keyed = ["a {s} effusion"]',
            'keyed = ["a {t} effusion"]',
            r"Effusion: '\{t\}' is no slot",
        ),
        ('unkeyed = ["fluid"]', 'unkeyed = ["(fluid|an Effusion)"]', "'effusion' in a paraphrase"),
        ('s = ["one", "two"]', 's = ["{s}"]', "slots s: it refers to itself"),
        ('sticky = ["s"]', 'sticky = ["u"]', "sticky slot 'u'"),
        ('absent = ["dry"]', "absent = []", "Effusion, absent: no wording"),
        ('absent = ["dry"]', "", r"label\[0\]: key 'absent' is missing"),
        ('plain = ["{f}"]', 'plain = ["{f"]', "frames plain: '{f' has a stray brace"),
        ('["Effusion", "Edema"]', '["Edema"]', "joint Edema: two labels at least"),
        ('["Effusion", "Edema"]', '["Ascites", "Edema"]', "no label is called 'Ascites'"),
        ('wordings = ["Dry all over"]', "", r"joint\[0\]: key 'wordings' is missing"),
        ('["Dry all over"]', '["{dry}"]', r"joint: '\{dry\}' is no slot"),
        ("version = 1", "", "key 'version' is missing"),
        ("version = 1", "version = ", "is not TOML"),
    ],
)
def test_a_faulty_book_is_refused_with_its_entry(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "phrases.toml"
    path.write_text(BOOK)
    phrases = read_phrases(path)
    assert [x.name for x in phrases.labels] == ["Effusion", "Edema"]
    assert [len(x.brief) for x in phrases.labels] == [0, 1] and phrases.joint[0].denies == {0, 1}
    read_phrases.cache_clear()
    assert old in BOOK
    path.write_text(BOOK.replace(old, new))
    with pytest.raises(DataError, match=message) as error:
        read_phrases(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_phrases(tmp_path / "absent.toml")


@pytest.mark.parametrize("kind", [SyntheticMimicCXR, SyntheticCTRate])
def test_each_label_has_wordings_of_every_kind(
    kind: type[SyntheticMimicCXR] | type[SyntheticCTRate],
) -> None:
    phrases, figures = kind.phrases(), kind.figures()
    assert [x.name for x in phrases.labels] == [x.name for x in figures.labels]
    for words in phrases.labels:
        assert len(words.bare) >= 2 and words.absent and words.traps, words.name
        assert len(words.keyed) + len(words.unkeyed) >= 3, words.name
