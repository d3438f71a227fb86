"""What is there, before a word is written: patients, their visits, and the findings of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream
from radpriv.benchmark.datasets.synthetic.plain.grammar import Grammar, Profile


@dataclass(frozen=True)
class Visit:
    """now, before: names of the labels that are there, and were at the last visit (None: first)."""

    patient: int
    visit: int
    now: frozenset[str]
    before: frozenset[str] | None


def visits(grammar: Grammar, root: str) -> Iterator[Visit]:
    """Visits without end, patient by patient. A patient's draws depend on its number only."""
    patient = 0
    while True:
        draw = Stream(root, "patient", patient)
        before: frozenset[str] | None = None
        profile: Profile | None = None
        for visit in range(_count(draw, grammar)):
            if before is None or draw.chance(grammar.shape.new_profile):
                profile = _profile(draw, grammar)
            now = _state(draw, grammar, profile, before)
            yield Visit(patient, visit, now, before)
            before = now
        patient += 1


def _count(draw: Stream, grammar: Grammar) -> int:
    shares = grammar.shape.reports_per_patient
    return 1 + min(draw.weighted(shares), len(shares) - 1)


def _profile(draw: Stream, grammar: Grammar) -> Profile | None:
    index = draw.weighted([profile.share for profile in grammar.profiles])
    return grammar.profiles[index] if index < len(grammar.profiles) else None


def _state(
    draw: Stream, grammar: Grammar, profile: Profile | None, before: frozenset[str] | None
) -> frozenset[str]:
    """Each label is kept from the last visit or drawn anew; both leave its rate as it is."""
    now = set()
    for label in grammar.labels:
        keep = draw.chance(label.chronic)
        drawn = draw.chance(grammar.rate(label, profile))
        if label.name in before if before is not None and keep else drawn:
            now.add(label.name)
    return frozenset(now)
