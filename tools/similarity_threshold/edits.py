"""Kinds of edit that make a near-copy of a report, and the one that makes another report of it.

An edit gives two texts, the report and its copy; both get the sentence or the number that the copy
then changes, for most reports have none. None where a report has no place for it.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping

import numpy as np

Pair = tuple[str, str]
Edit = Callable[[str, str, np.random.Generator], Pair | None]
"""(report, another report to take a word from, randomness) → (report, copy)."""

MONTHS = calendar.month_name[1:]
MARKS = ("___", "XXXX", "[**2019-3-4**]")
CLOSING = (
    "Discussed with Dr. ___ by telephone at 10:45 AM on 3/4/2019.",
    "Dictated by ___.",
    "No other change.",
    "Please see also the report of the CT of ___.",
)
EXCHANGED = (
    ("left", "right"),
    ("upper", "lower"),
    ("effusion", "pneumothorax"),
    ("consolidation", "atelectasis"),
    ("normal", "enlarged"),
    ("clear", "opacified"),
    ("increased", "decreased"),
    ("mild", "severe"),
    ("stable", "worse"),
)


def date(rng: np.random.Generator) -> str:
    """One of six ways to write a date, at random."""
    year, month, day = (int(rng.integers(*span)) for span in ((2009, 2024), (1, 13), (1, 29)))
    name = MONTHS[month - 1]
    ways = (
        f"{year}-{month:02}-{day:02}",
        f"{month}/{day}/{year}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{day:02}.{month:02}.{year % 100:02}",
        f"{name[:3]} {year}",
    )
    return ways[rng.integers(len(ways))]


def another_date(text: str, other: str, rng: np.random.Generator) -> Pair:
    return f"Compared to {date(rng)}, {text}", f"Compared to {date(rng)}, {text}"


def date_scrubbed(text: str, other: str, rng: np.random.Generator) -> Pair:
    return f"Compared to {date(rng)}, {text}", f"Compared to {_mark(rng)}, {text}"


def date_and_time_scrubbed(text: str, other: str, rng: np.random.Generator) -> Pair:
    time = f"{rng.integers(1, 13)}:{rng.integers(10, 60)} {'AP'[rng.integers(2)]}M"
    return f"{text} Read on {date(rng)} at {time}.", f"{text} Read on ___ at ___."


def another_measurement(text: str, other: str, rng: np.random.Generator) -> Pair:
    words = text.split()
    at = int(rng.integers(len(words) + 1))
    one, two = rng.integers(1, 30, 2)
    sizes = f"{one} mm", f"{two / 10} x {(one + two) / 10} cm"
    first, second = (" ".join([*words[:at], size, *words[at:]]) for size in sizes)
    return first, second


def mark_added(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, _with(text, int(rng.integers(len(text.split()) + 1)), 0, _mark(rng))


def word_scrubbed(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, _with(text, _place(text, rng), 1, _mark(rng))


def word_changed(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, _with(text, _place(text, rng), 1, _word(other, rng))


def word_inserted(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, _with(text, int(rng.integers(len(text.split()) + 1)), 0, _word(other, rng))


def word_deleted(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, _with(text, _place(text, rng), 1)


def closing_sentence(text: str, other: str, rng: np.random.Generator) -> Pair:
    return text, f"{text} {CLOSING[rng.integers(len(CLOSING))]}"


def sentences_swapped(text: str, other: str, rng: np.random.Generator) -> Pair | None:
    """Two neighbours; None for a report of one sentence."""
    parts = re.split(r"(?<=\.)\s+", text.strip())
    if len(parts) < 2:
        return None
    at = int(rng.integers(len(parts) - 1))
    return text, " ".join([*parts[:at], parts[at + 1], parts[at], *parts[at + 2 :]])


def finding_exchanged(text: str, other: str, rng: np.random.Generator) -> Pair | None:
    """One word for its counterpart, or a "no" less; None where none of these words stands."""
    swaps = [*EXCHANGED, *((b, a) for a, b in EXCHANGED), ("no", "")]
    found = [(m, b) for a, b in swaps for m in re.finditer(rf"\b{a}\b", text, re.IGNORECASE)]
    if not found:
        return None
    match, instead = found[rng.integers(len(found))]
    return text, text[: match.start()] + instead + text[match.end() :]


COPIES: Mapping[str, Edit] = {
    "another date": another_date,
    "date for a mark": date_scrubbed,
    "date and time for marks": date_and_time_scrubbed,
    "another measurement": another_measurement,
    "mark added": mark_added,
    "word for a mark": word_scrubbed,
    "word changed": word_changed,
    "word inserted": word_inserted,
    "word deleted": word_deleted,
    "closing sentence added": closing_sentence,
    "two sentences swapped": sentences_swapped,
}
"""By the name that the tables print."""


def _mark(rng: np.random.Generator) -> str:
    return MARKS[rng.integers(len(MARKS))]


def _word(text: str, rng: np.random.Generator) -> str:
    return text.split()[_place(text, rng)]


def _place(text: str, rng: np.random.Generator) -> int:
    return int(rng.integers(len(text.split())))


def _with(text: str, at: int, removed: int, *words: str) -> str:
    kept = text.split()
    return " ".join([*kept[:at], *words, *kept[at + removed :]])
