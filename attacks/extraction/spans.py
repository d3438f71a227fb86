"""Stretches of a report that say who or what it is about: what is worth masking and filling in.

    phi("Name: Ann Lee. MRN 01234567. No edema.")       # [(6, 13), (19, 27)]
    findings("Name: Ann Lee. MRN 01234567. No edema.")  # [(32, 37)]

Identifiers are found by form (dates, telephone and long numbers) or by the words before or after
them (names, accession numbers, places), as the twins' made-up identities and real headers have
them. The list is for attacks on text whose identities are known to be there: it is no
de-identifier. Findings are the names that the phrase book of `synthetic-plain` has for its labels.
"""

from __future__ import annotations

import re
from functools import lru_cache

from radpriv.benchmark.datasets.synthetic.plain.synthetic_plain import phrase_book

Span = tuple[int, int]
"""Start and end, in characters."""

_NAME = r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]*)+"
_PHI = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b\d{1,2}/\d{1,2}/\d{2,4}\b",
        r"\(\d{3}\) \d{3}-\d{4}\b",
        r"\b\d{2}-\d{7}\b",
        r"\b\d{6,}\b",
        r"(?:[Aa]ccession|MRN|[Rr]ecord)(?: number)?:? (\d[\d-]*)",
        rf"\b(?:[Nn]ame|Patient): ({_NAME})",
        rf"(?:[Ss]igned by|[Ss]igned:|Reported by|Dictated [\d/]+ by) ({_NAME})(?=,|\.)",
        r"\bDr\. ([A-Z][\w'’-]+)",
        r"((?:[A-Z][\w'’-]+ )*[A-Z][\w'’-]+) (?:Medical Center|Hospital|Clinic)\b",
    )
)


def phi(text: str) -> list[Span]:
    """Identifiers, in order, none inside another."""
    found = [m.span(m.lastindex or 0) for pattern in _PHI for m in pattern.finditer(text)]
    return _apart(found)


def findings(text: str) -> list[Span]:
    """Names of findings, in order, none inside another."""
    return _apart([m.span() for m in _names().finditer(text)])


@lru_cache(maxsize=1)
def _names() -> re.Pattern[str]:
    names = {name for label in phrase_book().labels for name in label.names}
    longest = sorted(names, key=lambda n: (-len(n), n))
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})s?\b", re.IGNORECASE)


def _apart(spans: list[Span]) -> list[Span]:
    """By start; of two that overlap the longer one."""
    kept: list[Span] = []
    for start, end in sorted(set(spans), key=lambda s: (s[0] - s[1], s[0])):
        if all(end <= a or start >= b for a, b in kept):
            kept.append((start, end))
    return sorted(kept)
