"""Mentions in reports: what NegEx denies, what it leaves open, and texts that are odd."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radpriv.baselines.keyword import reader as module
from radpriv.baselines.keyword.lexicon import GAPS, LEXICON, NOTHING, Cues, Lexicon, read_lexicon
from radpriv.baselines.keyword.reader import Reader, cut, prepare
from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS as CT


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return read_lexicon(LEXICON.read_text("utf-8"), LEXICON.name)


@pytest.fixture(scope="module")
def reader(lexicon: Lexicon) -> Reader:
    return Reader(lexicon, CHEXPERT)


def told(reader: Reader, text: str) -> dict[str, str]:
    """label -> "denied", "open" or "stated", of a report that mentions a label once at most."""
    (mentions,) = reader.read([text])
    labels = [mention.label for mention in mentions]
    assert len(set(labels)) == len(labels), mentions
    how = {(True, False): "denied", (True, True): "denied", (False, True): "open"}
    return {m.label: how.get((m.denied, m.open), "stated") for m in mentions}


def test_negation_reaches_to_the_end_of_its_sentence(reader: Reader) -> None:
    """A negation reaches to the end of its sentence and no further."""
    assert told(reader, "No acute effusion. Moderate cardiomegaly.") == {
        "Pleural Effusion": "denied",
        "Cardiomegaly": "stated",
    }
    assert told(reader, "Mild edema without pneumothorax.") == {
        "Edema": "stated",
        "Pneumothorax": "denied",
    }


@pytest.mark.parametrize(
    "joint", [", but there is", "; there is", ", however", " although there is"]
)
def test_terminating_phrase_ends_the_reach_of_a_negation(joint: str, reader: Reader) -> None:
    assert told(reader, f"No pneumothorax{joint} a small effusion.") == {
        "Pneumothorax": "denied",
        "Pleural Effusion": "stated",
    }


def test_pooled_list_is_denied_as_a_whole(reader: Reader) -> None:
    text = "No evidence of pneumothorax, pleural effusion, focal consolidation, or pulmonary edema."
    labels = ("Pneumothorax", "Pleural Effusion", "Consolidation", "Edema")
    assert told(reader, text) == dict.fromkeys(labels, "denied")
    assert told(reader, "Lungs are free of edema, nodules, and fractures.") == dict.fromkeys(
        ("Edema", "Lung Lesion", "Fracture"), "denied"
    )


@pytest.mark.parametrize(
    "text",
    [
        "There is no increase in effusion.",
        "No significant change in the left effusion.",
        "No interval change of the effusion",
        "The effusion has not significantly changed.",
        "No improvement of the effusion.",
    ],
)
def test_pseudo_negation_denies_nothing(text: str, reader: Reader) -> None:
    assert told(reader, text) == {"Pleural Effusion": "stated"}


@pytest.mark.parametrize(
    "text",
    [
        "An effusion is not seen.",
        "Effusion was ruled out.",
        "The effusion has resolved.",
        "Effusion is unlikely.",
        ["Effusion: absent.", "Resolution of the effusion?"][1],
    ],
)
def test_negation_may_follow_what_it_denies(text: str, reader: Reader) -> None:
    assert told(reader, text) == {"Pleural Effusion": "denied"}


def test_possibilities_are_left_open_unless_denied(reader: Reader) -> None:
    """Two possibilities are both left open, and a denied one stays denied."""
    assert told(reader, "Atelectasis versus pneumonia.") == {
        "Atelectasis": "open",
        "Pneumonia": "open",
    }
    assert told(reader, "Opacity, possibly pneumonia.") == {
        "Lung Opacity": "stated",
        "Pneumonia": "open",
    }
    assert told(reader, "No evidence of possible pneumonia.") == {"Pneumonia": "denied"}


def test_library_without_our_cues_denies_what_is_left_open(
    reader: Reader, lexicon: Lexicon
) -> None:
    """Without the cues of radiology the library denies what is left open."""
    bare = Reader(replace(lexicon, negation=Cues((), (), (), ())), CHEXPERT)
    for text, right, wrong in (
        ("We cannot exclude pneumonia.", "open", "denied"),
        ("Atelectasis versus pneumonia.", "open", "denied"),
        ("Pneumonia is not seen.", "denied", "stated"),
    ):
        assert told(reader, text)["Pneumonia"] == right
        assert told(bare, text)["Pneumonia"] == wrong


def test_longer_phrase_hides_the_shorter_ones_within_it(reader: Reader) -> None:
    assert told(reader, "No mass effect.") == {}
    assert told(reader, "Subcutaneous emphysema.") == {"elsewhere": "stated"}
    assert told(reader, "Cardiac silhouette is enlarged.") == {"Cardiomegaly": "stated"}
    assert told(reader, "Cardiac silhouette is normal, the aorta enlarged.") == {}
    assert told(reader, "Hydropneumothorax.") == {
        "Pleural Effusion": "stated",
        "Pneumothorax": "stated",
    }


@pytest.mark.parametrize("labels", [CHEXPERT, CT], ids=["radiograph", "ct"])
def test_phrases_of_the_lexicon_are_found_with_their_label(
    labels: tuple[str, ...], lexicon: Lexicon
) -> None:
    """Every phrase of the lexicon is found and means its label."""
    phrases = [(label, p) for label, spelt in lexicon.phrases(labels).items() for p in spelt]
    assert len(phrases) > 1000
    texts = [
        " ".join("quite" if word in GAPS else word for word in phrase.split()).upper()
        for _, phrase in phrases
    ]
    for (label, phrase), mentions in zip(phrases, Reader(lexicon, labels).read(texts)):
        assert label == NOTHING or label in {m.label for m in mentions}, (label, phrase)


def test_paragraph_and_list_item_end_a_sentence(reader: Reader) -> None:
    """Paragraphs and list items end a sentence, and a wrapped line does not."""
    items = "1. No pneumothorax\n2. Small effusion"
    expected = {"Pneumothorax": "denied", "Pleural Effusion": "stated"}
    assert told(reader, items) == told(reader, items.replace("\n", "\r\n")) == expected
    assert told(reader, "No pneumothorax\n\nSmall effusion") == expected
    assert told(reader, "No pneumothorax\n- Small effusion") == expected
    assert told(reader, "No pneumothorax or\npleural\neffusion") == dict.fromkeys(
        expected, "denied"
    )


@pytest.mark.parametrize(
    "text",
    [
        "No pneumothorax.\x00 Small pleural\u00a0effusion",
        "No pneumothorax. Small ef\u00adfu\u200bsion",
        "No pneumothorax. Small eﬀusion \ud800",
        "No pneumothorax. Small ＥＦＦＵＳＩＯＮ \U0001f600",
        "<b>No pneumothorax. </b> '; DROP TABLE--; effusion \\",
        "No\u2028pneumothorax.\x85Small\x1beffusion" + "(" * 3000,
    ],
)
def test_odd_characters_neither_break_nor_blind_it(text: str, reader: Reader) -> None:
    assert told(reader, text) == {"Pneumothorax": "denied", "Pleural Effusion": "stated"}


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(codec=None), max_size=200))
def test_any_text_is_read_and_does_not_reach_its_neighbours(reader: Reader, text: str) -> None:
    first, _, last = reader.read(["Edema.", text, "No edema"])
    assert [m.denied for m in first] == [False] and [m.denied for m in last] == [True]
    assert "\n" not in prepare(text)


def test_long_report_is_read_in_pieces_with_the_same_result(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long report is read in pieces of whole sentences, with the same result."""
    sentences = ["No pneumothorax or effusion.", "Edema is not seen.", "Possible pneumonia."]
    text = " ".join(sentences * 10)
    (whole,) = reader.read([text])
    assert len(whole) == 40
    monkeypatch.setattr(module, "_PIECE", 70)
    pieces = list(cut(text))
    assert len(pieces) > 5 and "".join(pieces) == text
    assert all(piece.endswith(".") and len(piece) <= 70 for piece in pieces)
    assert list(reader.read([text])) == [whole]
    assert "".join(cut("word " * 100)) == "word " * 100


def test_reading_leaves_no_word_in_the_vocabulary(reader: Reader) -> None:
    """What is read leaves no word in the vocabulary."""
    text = "Edema near the zyzzyvaquux."
    assert next(reader.read([text]))[0].label == "Edema"
    strings = reader._nlp.vocab.strings
    assert "edema" in strings and "zyzzyvaquux" not in strings
    for _ in reader._nlp.pipe([text.replace("zyzzyvaquux", "zyzzyvabaz")]):
        pass
    assert "zyzzyvabaz" in strings  # what happens without a memory zone


def test_librarys_own_terms_are_used_and_left_as_they_are(lexicon: Lexicon) -> None:
    from negspacy.termsets import LANGUAGES

    before = copy.deepcopy(LANGUAGES["en_clinical"])
    reader = Reader(lexicon, ("Edema",))
    assert LANGUAGES["en_clinical"] == before
    denying = reader._steps[2]
    for key, terms in before.items():
        assert set(terms) <= set(getattr(denying, key)), key
        assert getattr(denying, key) == sorted(getattr(denying, key))
