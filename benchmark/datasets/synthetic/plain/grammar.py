"""The phrase book as data: plain.toml, read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

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
class Grammar:
    version: int
    slots: Mapping[str, tuple[str, ...]]
    shape: Mapping[str, Any]
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
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: the phrase book cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: the phrase book is not TOML ({error})") from error
    try:
        grammar = Grammar(
            version=raw["version"],
            slots=_phrases(raw["slots"]),
            shape=raw["shape"],
            sentences=_phrases(raw["sentences"]),
            profiles=tuple(
                Profile(name, entry["share"], entry["rates"])
                for name, entry in raw["profiles"].items()
            ),
            labels=tuple(_label(path, entry) for entry in raw["label"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the phrase book lacks or misshapes {error}") from error
    _check(path, grammar)
    return grammar


def _phrases(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(phrases) for name, phrases in table.items()}


def _label(path: Path, entry: dict[str, Any]) -> Label:
    known = {f.name: f for f in fields(Label)}
    wrong = sorted(entry.keys() - known) or sorted(
        name for name, f in known.items() if f.default is MISSING and name not in entry
    )
    if wrong:
        raise DataError(
            f"{path}, label {entry.get('name', '?')}: field {wrong[0]} is unknown or absent"
        )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Label(**values)


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
