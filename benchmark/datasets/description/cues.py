"""Words that deny, hedge, find normal or compare, and how often reports use them.

The list is that of a published count over the 3,927 Open-i reports with findings or impression
(share of reports with a cue, and occurrences per 1,000 words). There a cue was any substring; here
it begins at the beginning of a word, and "no", "not", "normal", "clear" and "stable" are whole
words. So "abnormal" is not "normal" (82% of those reports against 88%), nor "cannot" "not" (3.3%
against 3.7%); every other share is the same to 0.2 points. "suggest" and "recommend" are stems.

A sentence is denied or hedged if it has a cue of that kind: 38% and 4.5% of Open-i's sentences.
"""

from __future__ import annotations

import re

NEGATION = ("no", "without", "negative for", "free of", "no evidence of", "not")
HEDGE = (
    "may",
    "possible",
    "possibly",
    "probable",
    "probably",
    "likely",
    "suggest",
    "cannot be excluded",
    "could represent",
    "may represent",
    "suspicious",
    "versus",
    "questionable",
    "consistent with",
)
NORMALITY = ("unremarkable", "within normal limits", "normal", "clear")
COMPARISON = ("stable", "unchanged", "recommend", "comparison", "prior")

KINDS = {
    "negation": NEGATION,
    "hedge": HEDGE,
    "normality": NORMALITY,
    "comparison or advice": COMPARISON,
}
CUES = tuple(cue for cues in KINDS.values() for cue in cues)
_STEMS = ("suggest", "recommend")


def _pattern(*cues: str) -> re.Pattern[str]:
    """Any of the cues, in lower-case text whose words are one blank apart."""
    parts = [re.escape(cue) + ("" if cue in _STEMS else r"\b") for cue in cues]
    return re.compile(rf"\b(?:{'|'.join(parts)})")


PATTERNS = {cue: _pattern(cue) for cue in CUES}
DENIES = _pattern(*NEGATION)
HEDGES = _pattern(*HEDGE)


def occurrences(text: str) -> list[int]:
    """How often each of CUES occurs in lower-case text."""
    return [len(PATTERNS[cue].findall(text)) if cue in text else 0 for cue in CUES]
