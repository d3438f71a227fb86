"""Phrases with gaps: spaCy finds the parts between the gaps, and here they are put together.

spaCy's own token patterns can say "up to ten words", but they try every way to fill a gap for
every spelling: with them the CT lexicon reads 9 reports of 200 words a second, this way 400.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from radpriv.baselines.keyword.lexicon import GAPS

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

BARS = frozenset(("no", "not", "without", "nor", "neither", "never", "but", "free"))
"""Words that no gap may contain; punctuation is the other thing."""

_GAP = re.compile(r" (\.{2,3}) ")


@dataclass
class _Node:
    """What may follow a part: after a gap of up to so many words, these parts. labels: what the
    phrase means if it ends here."""

    labels: list[str] = field(default_factory=list)
    after: dict[int, dict[int, _Node]] = field(default_factory=dict)


class Gapped:
    """A step of a pipeline that adds the spans of gapped phrases to `doc.spans[key]`.

    phrases: (label, phrase) pairs, spelt out as in lexicon.py.
    """

    def __init__(self, nlp: Language, key: str, phrases: Iterable[tuple[str, str]]) -> None:
        from spacy.matcher import PhraseMatcher

        self.key = key
        self._parts = PhraseMatcher(nlp.vocab, attr="LOWER")
        self._first: dict[int, _Node] = {}
        for label, phrase in phrases:
            first, *rest = _GAP.split(phrase)
            node = self._first.setdefault(self._part(nlp, first), _Node())
            for gap, part in zip(rest[::2], rest[1::2]):
                choices = node.after.setdefault(GAPS[gap], {})
                node = choices.setdefault(self._part(nlp, part), _Node())
            node.labels.append(label)

    def __call__(self, doc: Doc) -> Doc:
        from spacy.tokens import Span

        found = self._parts(doc) if self._first else []
        starts: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for part, start, end in found:
            starts[start].append((part, end))
        spans = {
            (start, stop, label)
            for part, start, end in found
            if part in self._first
            for stop, label in _follow(doc, starts, self._first[part], end)
        }
        doc.spans[self.key].extend([Span(doc, a, b, label=label) for a, b, label in sorted(spans)])
        return doc

    def _part(self, nlp: Language, text: str) -> int:
        """The number of a part, which the matcher looks for from now on."""
        if text not in self._parts:
            self._parts.add(text, [nlp.make_doc(text)])
        return nlp.vocab.strings.as_int(text)


def _follow(
    doc: Doc, starts: dict[int, list[tuple[int, int]]], node: _Node, end: int
) -> Iterator[tuple[int, str]]:
    """(end, label) of each phrase that goes on from a part that ends at token `end`."""
    for label in node.labels:
        yield end, label
    for most, choices in node.after.items():
        for i in range(end, min(end + most + 1, len(doc))):
            for part, stop in starts.get(i, ()):
                if part in choices:
                    yield from _follow(doc, starts, choices[part], stop)
            if doc[i].is_punct or doc[i].lower_ in BARS:
                break
