"""Sections of a MIMIC-CXR report, and the one section that its labels were read from.

    read = read_sections(report)                  # .found [("indication", "..."), ...], .swallowed
    labelled_section(read.found)                  # what CheXpert and NegBio were run on
    chosen_text(read.found, "findings+impression")    # what a model is shown

The rules are those of the labels' own makers (MIT-LCP/mimic-cxr at 3190146, txt/section_parser.py
and txt/create_section_files.py), written anew:

- A heading stands at the start of a line, in capitals, and ends with a colon. What follows on its
  own line is never a heading; a heading that directly follows an empty one belongs to its text
  (headings = "makers"; with "corrected" it is a heading, where it names a known section).
- Headings have synonyms. One that names the views ("CHEST, TWO VIEWS:") introduces findings.
- An empty findings or impression is none, and so is one that says it is (absent_section.py). Where
  both are absent, what the last section holds below its first blank line is the "last paragraph".
- Labelled was the last impression, else findings, else last paragraph, else comparison.

Known differences: the makers' hand-made exceptions for 54 studies are not applied; misspelt
headings are recognised by similarity in place of a list; a report of a single paragraph without a
heading is its own last paragraph (the makers found no text in it); a heading on the first line or
without the blank before it counts.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from radpriv.benchmark.datasets.absent_section import has_text, says_absent
from radpriv.benchmark.datasets.texts import even_line_ends

IMPRESSION, FINDINGS, LAST, COMPARISON = "impression", "findings", "last paragraph", "comparison"
LABELLED = (IMPRESSION, FINDINGS, LAST, COMPARISON)
TEXTS = ("labelled-section", "findings+impression", "impression")
HEADINGS = ("makers", "corrected")
PREAMBLE = "preamble"

_HEADING = re.compile(r"\n ?([A-Z ()/,-]+):\s")
_BANNER = re.compile(r"^\s*(FINAL REPORT|WET READ|PRELIMINARY REPORT)[ \t]*(\n|$)")
_SYNONYMS = {
    "conclusion": IMPRESSION,
    "finding": FINDINGS,
    "reason for exam": "indication",
    "reason for examination": "indication",
    "clinical indication": "indication",
    "clinical information": "history",
    "exam": "examination",
    "type of examination": "examination",
    "reference exam": COMPARISON,
    "recommendation(s)": "recommendations",
}
_CONTAINED = (IMPRESSION, FINDINGS, "history", COMPARISON, "addendum")  # the first one found
_KNOWN = (*_CONTAINED, "indication", "examination", "technique", "recommendations", "notification")
_VIEWS = re.compile(
    r"\b(chest|portable|ribs|bone window|(one|two|frontal|lateral|pa|ap) (view|and))"
)


@dataclass(frozen=True)
class ReadSections:
    """found: (name, text) in order; text before the first heading is the preamble, texts are
    stripped. The last entry is (LAST, ...) where neither findings nor impression has text.

    swallowed: a known heading directly follows an empty one, so that it is, or under "corrected"
    was, text of the wrong section. not_given: findings or impression say that they are absent.
    """

    found: list[tuple[str, str]] = field(repr=False)
    swallowed: bool
    not_given: bool


def read_sections(report: str, headings: str = "makers") -> ReadSections:
    """The sections of a report, its headings read as HEADINGS says."""
    text = "\n" + even_line_ends(report)
    raw, swallowed = _raw_sections(text, headings == "corrected")
    pair = (IMPRESSION, FINDINGS)
    full = [(n, body) for n, body in raw if n not in pair or has_text(body)]
    found = [(name, body.strip()) for name, body in full]
    if not any(name in pair for name, _ in full):
        name, body = full[-1]  # the preamble is always there
        blank_line = "\n \n" if "\n \n" in text else "\n\n"  # a copy may have lost its blanks
        _, below, last = body.rstrip().partition(blank_line)
        if below:
            found.append((LAST, last.strip()))
        elif name == PREAMBLE:
            found.append((LAST, _BANNER.sub("", body, count=1).strip()))
    return ReadSections(found, swallowed, any(n in pair and says_absent(b) for n, b in raw))


def chosen_text(sections: Sequence[tuple[str, str]], choice: str) -> str:
    """The text of a report under one of TEXTS, on one line; "" if it has none.

    "findings+impression" is both or the one that is there, and the labelled section where neither
    is. "impression" is that section alone.
    """
    if choice == "labelled-section":
        return labelled_section(sections)
    if choice == "impression":
        return last_of(sections, IMPRESSION)
    both = (last_of(sections, name) for name in (FINDINGS, IMPRESSION))
    return " ".join(body for body in both if body) or labelled_section(sections)


def labelled_section(sections: Sequence[tuple[str, str]]) -> str:
    """The text that the labels were read from, "" if there is none."""
    return next((body for name in LABELLED if (body := last_of(sections, name))), "")


def last_of(sections: Sequence[tuple[str, str]], name: str) -> str:
    """The last section of that name, on one line; "" if none has text."""
    bodies = [body for n, body in sections if n == name and has_text(body)]
    return " ".join(bodies[-1].split()) if bodies else ""


def _raw_sections(text: str, corrected: bool) -> tuple[list[tuple[str, str]], bool]:
    """((name, text as it stands), whether a heading was swallowed); `text` begins with a line
    break."""
    raw, swallowed = [], False
    name, begin = PREAMBLE, 0
    heading = _HEADING.search(text)
    while heading:
        raw.append((name, text[begin : heading.start()]))
        name, begin = heading_name(heading[1]), heading.end()
        below = _below(text, heading)
        swallowed = swallowed or below is not None
        if corrected and below is not None:
            begin, heading = below.start(), below
            continue
        line_end = text.find("\n", begin)
        heading = _HEADING.search(text, line_end) if line_end >= 0 else None
    raw.append((name, text[begin:]))
    return raw, swallowed


def _below(text: str, heading: re.Match[str]) -> re.Match[str] | None:
    """The heading of a known section on the next line, where this one's line ends with its colon:
    a blank after the colon saves the next heading, in the makers' reading too."""
    end = heading.end() - 1
    below = _HEADING.match(text, end) if text[end] == "\n" else None
    return below if below and known_section(below[1]) else None


@lru_cache(maxsize=4096)
def heading_name(heading: str) -> str:
    """The name of the section that `heading` introduces."""
    name = " ".join(heading.lower().split())
    return known_section(heading) or (FINDINGS if _VIEWS.search(name) else name)


@lru_cache(maxsize=4096)
def known_section(heading: str) -> str:
    """The section that a heading names by one of its known words, "" if it does not."""
    name = " ".join(heading.lower().split())
    if name in _KNOWN or name in _SYNONYMS:
        return _SYNONYMS.get(name, name)
    for known in _CONTAINED:
        if known in name:
            return known
    near = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.85)
    return near[0] if near else ""
