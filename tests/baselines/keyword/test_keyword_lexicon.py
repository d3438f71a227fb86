"""The notation of the lexicon, and what is said of a fault in it."""

from __future__ import annotations

import re

import pytest

from radpriv.baselines.keyword.lexicon import (
    ELSEWHERE,
    LEXICON,
    NOTHING,
    expand,
    label_key,
    read_lexicon,
)
from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS as CT
from radpriv.errors import DataError

SMALL = """
[classes]
organ = ["heart", "left lung"]
[both]
"A" = ["big <organ>", "a(b|c)"]
[radiograph]
"Lung Opacity" = ["x"]
elsewhere = ["e"]
[ct]
"Lung opacity" = ["y"]
"C" = ["c"]
[nothing]
phrases = ["big heart attack"]
[negation]
pseudo = ["no more"]
preceding = ["lack of"]
following = []
termination = [";"]
[hedge]
pseudo = []
preceding = ["may(|be)"]
following = []
termination = []
"""


@pytest.mark.parametrize(
    ("phrase", "spelt"),
    [
        ("edema", {"edema"}),
        ("opacit(y|ies)", {"opacity", "opacities"}),
        ("(a|b) c(|s)", {"a c", "a cs", "b c", "b cs"}),
        ("pleural? cap", {"cap", "pleural cap"}),
        ("(in the|of)? x", {"x", "in the x", "of x"}),
        ("<organ>? .. big", {"heart .. big", "left lung .. big"}),
        ("x <organ>?", {"x", "x heart", "x left lung"}),
        ("pleural , x-ray", {"pleural , x-ray"}),
    ],
)
def test_phrase_is_spelt_out_as_the_head_of_the_file_says(phrase: str, spelt: set[str]) -> None:
    if phrase.startswith("<organ>?"):
        with pytest.raises(DataError, match="begins or ends with a gap"):
            list(expand(phrase, {"organ": ("heart", "left lung")}))
        phrase = phrase.replace("?", "", 1)
    assert set(expand(phrase, {"organ": ("heart", "left lung")})) == spelt


@pytest.mark.parametrize(
    ("phrase", "fault"),
    [
        ("a(b", "parentheses do not match"),
        ("a  b", "one blank apart"),
        ("", "parentheses do not match, or words"),
        ("a?", "empty"),
        (".. a", "begins or ends with a gap"),
        ("Edema", "'Edema' is no word"),
        ("a*", "'a*' is no word"),
        ("<lung>", "no class is called 'lung'"),
        (" ".join(["(a|b|c|d|e|f|g|h|i|j)"] * 5), "more than 20000 spellings"),
        ("(a|b)" * 60, "more than 20000 spellings"),
    ],
)
def test_phrase_outside_the_notation_is_refused(phrase: str, fault: str) -> None:
    with pytest.raises(DataError, match=re.escape(fault)):
        list(expand(phrase, {}))


def test_lexicon_is_read_into_phrases_by_kind_of_report() -> None:
    lexicon = read_lexicon(SMALL, "small.toml")
    assert lexicon.text == SMALL and lexicon.negation.pseudo == ("no more",)
    assert lexicon.hedge.preceding == ("may", "maybe")
    both = {"A": ("ab", "ac", "big heart", "big left lung"), NOTHING: ("big heart attack",)}
    assert lexicon.phrases(["A", "Lung Opacity"]) == {
        **both,
        "Lung Opacity": ("x",),
        ELSEWHERE: ("e",),
    }
    assert lexicon.phrases(["lung opacity", "c"]) == {**both, "Lung opacity": ("y",), "C": ("c",)}


def test_label_of_the_other_kind_is_added_on_request() -> None:
    """A label of the other kind is added where it is asked for."""
    lexicon = read_lexicon(SMALL.replace('"Lung Opacity" = ["x"]', '"L" = ["x"]\n"M" = ["m"]'), "s")
    assert set(lexicon.phrases(["L", "M", "C"])) == {"A", "L", "M", "C", ELSEWHERE, NOTHING}


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("[classes]", "[classes", "small.toml: is not TOML"),
        ("[hedge]", "[hedges]", "unknown key 'hedges'; did you mean 'hedge'"),
        ("[nothing]", "[extra]\n[nothing]", "unknown key 'extra'"),
        ("following = []\n", "", "negation: key 'following' is missing"),
        ('["x"]', '"x"', r"radiograph\.Lung Opacity = 'x': expected a list of texts"),
        ('["y"]', '["Y"]', r"\[ct\] 'Lung opacity': phrase 'Y': 'Y' is no word"),
        ('"no more"', '"no .. more"', r"phrase 'no .. more' has a gap"),
        ('"lack of"', '"lack ... of"', r"phrase 'lack ... of' has a gap"),
        ('[nothing]\nphrases = ["big heart attack"]', "", "key 'nothing' is missing"),
    ],
)
def test_fault_is_named_with_its_table_and_its_phrase(old: str, new: str, fault: str) -> None:
    assert old in SMALL
    with pytest.raises(DataError, match=fault):
        read_lexicon(SMALL.replace(old, new, 1), "small.toml")


def test_entry_in_place_of_a_table_is_refused() -> None:
    """A value where the lexicon has a table is refused."""
    text = "nothing = 3\n" + SMALL.replace('[nothing]\nphrases = ["big heart attack"]', "")
    with pytest.raises(DataError, match=r"nothing = 3: expected a table"):
        read_lexicon(text, "small.toml")


def test_shipped_lexicon_has_every_label_and_its_source() -> None:
    """The shipped lexicon has every label but No Finding, and says where it comes from."""
    text = LEXICON.read_text("utf-8")
    lexicon = read_lexicon(text, LEXICON.name)
    for labels in (CHEXPERT, CT):
        known = {label_key(label) for label in lexicon.phrases(labels)}
        assert {label_key(label) for label in labels} - known <= {"no finding"}
    assert "# Source: " in text
