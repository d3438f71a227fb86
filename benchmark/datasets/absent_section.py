"""Words that stand for an absent section: one rule for every loader and every section.

    has_text("Lungs are clear.")      # True
    has_text("Not given.")            # False, and says_absent: counted, never text
    has_text(" . ")                   # False, and says nothing at all

A section is absent where it holds no letter or digit, or nothing but such words: what the makers of
CT-RATE write ("Not given."), what people write ("None.", "N/A"), what table programs write for an
empty cell ("nan", "<NA>") and marks of scrubbed words ("___", "XXXX", "[** **]"). It must be the
whole section: "No findings." and "None of the nodules grew." are text.
"""

from __future__ import annotations

import re

_PIECES = re.compile(r"[.;:!?|()]+|\n\s*\n")
_MARKS = re.compile(r"\[\*\*.*?\*\*\]|\bx{3,}\b|_+")
_DOTTED = re.compile(r"\bn\.\s?a\b\.?")
_SECTION = r"(?:the )?(?:findings?|impressions?|conclusions?|comparison|reports?|sections?|texts?)"
_PART = r"(?:given|provided|available|applicable|specified|stated|recorded|documented|entered)"
_ABSENT = re.compile(
    rf"(?:{_SECTION} )?(?:is |are |was |were )?not {_PART}"
    rf"|(?:{_SECTION} )?unavailable"
    rf"|none(?: {_PART})?"
    rf"|no (?:{_SECTION}|information|data|entry)(?: (?:is |was |were )?{_PART})"
    r"|no (?:information|data|entry|text|report)"
    r"|n a|na|nan|nat|nil|null|unknown|missing|blank|empty|tbd"
)
_BEFORE = re.compile(rf"\d{{1,2}}|{_SECTION}")
_LONGEST = 200
"""Characters above which a section is text whatever it says; keeps the rule cheap."""


def has_text(section: str) -> bool:
    """Whether a section holds a letter or digit, and more than words for an absent one."""
    return any(map(str.isalnum, section)) and not says_absent(section)


def says_absent(section: str) -> bool:
    """Whether a section says in words or marks that it is absent, and nothing else."""
    return len(section) <= _LONGEST and _says_absent(section)


def _says_absent(section: str) -> bool:
    pieces = [_words(piece) for piece in _PIECES.split(_marked(section.lower()))]
    pieces = [piece for piece in pieces if piece]
    absent = [piece == "___" or bool(_ABSENT.fullmatch(piece)) for piece in pieces]
    # A number or a heading says nothing before such words: "1. None.", "Findings: not given".
    return bool(absent) and all(
        known or (following and bool(_BEFORE.fullmatch(piece)))
        for piece, known, following in zip(pieces, absent, [*absent[1:], False])
    )


def _marked(section: str) -> str:
    return _MARKS.sub(" ___ ", _DOTTED.sub("na", section))


def _words(piece: str) -> str:
    """Its words, one blank between them; marks that follow one another are one."""
    words = re.sub(r"[^\w]+", " ", piece).split()
    return " ".join(w for w, before in zip(words, ["", *words]) if w != "___" or before != "___")
