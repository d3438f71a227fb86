"""Typing and dictation errors: one slip in a text, never one that changes what it says."""

from __future__ import annotations

import re

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream

_HEARD = {
    "base": "bass",
    "bases": "basis",
    "cardiac": "cardio",
    "clear": "clears",
    "film": "firm",
    "lateral": "literal",
    "lobe": "load",
    "lung": "long",
    "mild": "mile",
    "pleural": "plural",
    "prior": "prier",
    "right": "write",
    "seen": "scene",
    "site": "sight",
    "small": "smaller",
    "there": "their",
    "trace": "traced",
    "vascular": "vesicular",
}
"""What dictation may hear instead."""

_MEANT = frozenset(
    (
        *("no", "not", "nor", "neither", "without", "never", "absent", "free", "negative"),
        *("cannot", "unlikely", "possible", "possibly", "may", "resolved", "cleared"),
        *("excluded", "rather", "but", "however", "although", "while"),
    )
)
"""Words that carry the meaning of a sentence; they stay as they are."""


def slip(text: str, draw: Stream) -> str:
    """`text` with one slip; unchanged where no word lends itself to it."""
    words = [m for m in re.finditer(r"[a-z]{4,}", text) if m[0] not in _MEANT]
    if not words:
        return text
    kind = draw.below(6)
    if kind == 0 and (heard := [m for m in words if m[0] in _HEARD]):
        word = draw.pick(heard)
        return text[: word.start()] + _HEARD[word[0]] + text[word.end() :]
    word = draw.pick(words)
    return text[: word.start()] + _wrong(word[0], kind, draw) + text[word.end() :]


def _wrong(word: str, kind: int, draw: Stream) -> str:
    at = 1 + draw.below(len(word) - 2)
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    if kind == 3:
        return f"{word} {word}"
    letter = draw.pick("aeinorst")
    if kind == 4 and letter != word[at]:
        return word[:at] + letter + word[at + 1 :]
    if kind == 1 or word[at] == word[at + 1]:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
