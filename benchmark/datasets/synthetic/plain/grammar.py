"""The phrase book as data: plain.toml, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import read_toml
from radpriv.errors import DataError

_SLOT = re.compile(r"\{(\w+)\}")
_FINDINGS = frozenset("fabc")  # filled with findings; every other name is a slot


@dataclass(frozen=True)
class Label:
    """One label: how often it is there, how long it stays, and how it is told.

    rate: share of reports.  chronic: chance that a return visit keeps its state.  mention: share of
    reports without it that say so.  finding: false if No Finding may stand beside it.
    names: after "no".  present: after "there is".  stated, absent: whole sentences.
    """

    name: str
    rate: float
    chronic: float
    mention: float
    names: tuple[str, ...]
    present: tuple[str, ...]
    stated: tuple[str, ...]
    absent: tuple[str, ...]
    finding: bool = True


@dataclass(frozen=True)
class Profile:
    """A share of visits at which some labels have rates of their own, so that they go together."""

    name: str
    share: float
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Shape:
    """How reports are built; each field is a probability unless said otherwise, see plain.toml.

    reports_per_patient: shares of 1, 2, 3, … reports.  boilerplate: least and most sentences.
    """

    reports_per_patient: tuple[float, ...]
    new_profile: float
    indication: float
    comparison: float
    impression: float
    stated: float
    scoped: float
    leaning: float
    impression_only: float
    repeated: float
    short: float
    detailed: float
    remote: float
    resolved: float
    list: float
    absent: float
    boilerplate: tuple[int, int]
    typo: float


@dataclass(frozen=True)
class ProfileEntry:
    """A profile as its file holds it, under its name."""

    share: float
    rates: Mapping[str, float]


@file_format
@dataclass(frozen=True)
class GrammarFile:
    """plain.toml."""

    version: int
    slots: Mapping[str, tuple[str, ...]]
    shape: Shape
    sentences: Mapping[str, tuple[str, ...]]
    profiles: Mapping[str, ProfileEntry]
    label: tuple[Label, ...]


@dataclass(frozen=True)
class Grammar:
    version: int
    slots: Mapping[str, tuple[str, ...]]
    shape: Shape
    sentences: Mapping[str, tuple[str, ...]]
    profiles: tuple[Profile, ...]
    labels: tuple[Label, ...]

    def rate(self, label: Label, profile: Profile | None) -> float:
        """P(label | profile), such that over all visits its rate is `label.rate`."""
        if profile is not None and label.name in profile.rates:
            return profile.rates[label.name]
        own = [p for p in self.profiles if label.name in p.rates]
        told = sum(p.share * p.rates[label.name] for p in own)
        return (label.rate - told) / (1.0 - sum(p.share for p in own))


def read_grammar(path: Path) -> Grammar:
    """The phrase book; DataError names the file and the field that is wrong."""
    file = read_toml(GrammarFile, path, DataError)
    grammar = Grammar(
        version=file.version,
        slots=file.slots,
        shape=file.shape,
        sentences=file.sentences,
        profiles=tuple(Profile(name, p.share, p.rates) for name, p in file.profiles.items()),
        labels=file.label,
    )
    _check(path, grammar)
    return grammar


def _check(path: Path, grammar: Grammar) -> None:
    names = [label.name for label in grammar.labels]
    if len(set(names)) != len(names):
        raise DataError(f"{path}: a label occurs twice")
    for profile in grammar.profiles:
        if unknown := sorted(profile.rates.keys() - set(names)):
            raise DataError(f"{path}, profile {profile.name}: no label is called '{unknown[0]}'")
    for label in grammar.labels:
        for place in (None, *grammar.profiles):
            if not 0.0 <= (rate := grammar.rate(label, place)) <= 1.0:
                who = place.name if place else "no profile"
                raise DataError(f"{path}, label {label.name}: its rate under {who} is {rate:.3f}")
        told = (label.names, label.present, label.stated, label.absent)
        if not all(told):
            raise DataError(f"{path}, label {label.name}: a list of wordings is empty")
        _check_slots(path, label.name, grammar, (p for phrases in told for p in phrases))
    for name, phrases in grammar.sentences.items():
        _check_slots(path, name, grammar, phrases)


def _check_slots(path: Path, where: str, grammar: Grammar, phrases: Iterable[str]) -> None:
    for phrase in phrases:
        for slot in _SLOT.findall(phrase):
            if slot not in _FINDINGS and slot not in grammar.slots:
                raise DataError(f"{path}, {where}: '{{{slot}}}' in '{phrase}' is no slot")
