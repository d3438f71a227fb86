"""Mentions in reports: phrases found by spaCy, denied or left open by negspacy's NegEx.

    reader = Reader(lexicon, labels)
    next(reader.read(["No effusion. Possible pneumonia."]))
    # [Mention("Pleural Effusion", denied=True, open=False), Mention("Pneumonia", False, True)]

A blank English pipeline: tokenizer, sentences by punctuation, phrases (SpanRuler), NegEx twice, for
what is denied and for what is left open. It needs no trained model. SpanRuler and not EntityRuler,
because one phrase may stand for several labels. A cue's scope is its sentence up to a terminating
phrase (Chapman et al. 2001, "A simple algorithm for identifying negated findings and diseases in
discharge summaries", as negspacy implements it).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from radpriv.baselines.keyword.gaps import Gapped
from radpriv.baselines.keyword.lexicon import GAPS, NOTHING, Cues, Lexicon
from radpriv.errors import PluginError

_KEY = "mentions"
_DENIED, _OPEN = "radpriv_denied", "radpriv_open"
_BATCH = 256
_PIECE = 4000

_SPACES = re.compile(r"[^\S\n]+")
_ENDS = re.compile(r" ?\n ?(?:\n\s*|(?=(?:\d{1,2}[.)]|[-*•]) ))")
_LONG = re.compile(r"(\S{60})(?=\S)")  # the tokenizer's time grows with the square of a word
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class Mention(NamedTuple):
    """One phrase in one report. denied: in the scope of a negation. open: in that of a hedge."""

    label: str
    denied: bool
    open: bool


def require_library() -> None:
    """PluginError, in one line, if spaCy or negspacy is not installed."""
    try:
        import negspacy.negation  # noqa: F401
        import spacy  # noqa: F401
    except ImportError as error:
        raise PluginError(
            f"method 'keyword' needs spaCy and negspacy ({error.name or 'one'} cannot be "
            "imported): python -m pip install 'radpriv[keyword]'"
        ) from error


class Reader:
    """Finds the mentions of a dataset's labels. Building it takes about a second."""

    def __init__(self, lexicon: Lexicon, labels: Sequence[str]) -> None:
        require_library()
        import spacy
        from negspacy.termsets import termset

        self._nlp = spacy.blank("en")
        self._nlp.add_pipe("sentencizer")
        phrases = [(label, p) for label, spelt in lexicon.phrases(labels).items() for p in spelt]
        gapped = [(label, phrase) for label, phrase in phrases if set(GAPS) & set(phrase.split())]
        solid = set(phrases) - set(gapped)
        config: dict[str, Any] = {"spans_key": _KEY, "phrase_matcher_attr": "LOWER"}
        ruler: Any = self._nlp.create_pipe("span_ruler", config=config)
        ruler.add_patterns([{"label": label, "pattern": phrase} for label, phrase in sorted(solid)])
        theirs = termset("en_clinical").get_patterns()
        ends = {"termination": theirs["termination"]}
        self._steps = (
            ruler,
            Gapped(self._nlp, _KEY, gapped),
            self._negex(_DENIED, _merged(theirs, lexicon.negation)),
            self._negex(_OPEN, _merged(ends, lexicon.hedge)),
        )

    def read(self, texts: Iterable[str]) -> Iterator[list[Mention]]:
        """The mentions of each text, in the order of the texts."""
        waiting = iter(texts)
        while batch := list(islice(waiting, _BATCH)):
            found: list[list[Mention]] = [[] for _ in batch]
            pieces = ((part, i) for i, text in enumerate(batch) for part in cut(prepare(text)))
            # The words of a batch leave spaCy's vocabulary with it: it keeps none of a report.
            with self._nlp.memory_zone():
                for doc, i in self._nlp.pipe(pieces, as_tuples=True):
                    for step in self._steps:
                        step(doc)
                    found[i] += _mentions(doc.spans[_KEY])
            yield from found

    def _negex(self, name: str, cues: dict[str, list[str]]) -> Any:
        config = {"neg_termset": cues, "extension_name": name, "span_keys": [_KEY]}
        return self._nlp.create_pipe("negex", name=name, config=config)


def prepare(text: str) -> str:
    """One line: paragraphs and list items end a sentence, odd characters are evened out."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        # Format characters (soft hyphen, zero-width space) split words; surrogates are no text.
        text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cs"))
    text = _SPACES.sub(" ", _CONTROL.sub(" ", text))
    return " ".join(_LONG.sub(r"\1 ", _ENDS.sub(" . ", text)).split())


def cut(line: str) -> Iterator[str]:
    """The line in pieces of whole sentences where it can: NegEx's time grows with the square."""
    start = 0
    while len(line) - start > _PIECE:
        end = line.rfind(". ", start, start + _PIECE) + 1
        end = end or line.rfind(" ", start, start + _PIECE)
        yield line[start:end]
        start = end
    yield line[start:]


def _mentions(spans: Iterable[Any]) -> list[Mention]:
    """Those of the spans that lie within no longer one, and stand for something."""
    found: list[tuple[int, int, Any]] = [(span.start, span.end, span) for span in spans]
    return [
        Mention(span.label_, span._.get(_DENIED), span._.get(_OPEN))
        for start, end, span in found
        if span.label_ != NOTHING
        and not any(a <= start and end <= b and b - a > end - start for a, b, _ in found)
    ]


def _merged(theirs: dict[str, list[str]], ours: Cues) -> dict[str, list[str]]:
    """negspacy's term set with our cues; theirs is shared by the whole process, so it is copied."""
    mine = {
        "pseudo_negations": ours.pseudo,
        "preceding_negations": ours.preceding,
        "following_negations": ours.following,
        "termination": ours.termination,
    }
    return {key: sorted({*theirs.get(key, ()), *cues}) for key, cues in mine.items()}
