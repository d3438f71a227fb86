"""A twin's phrases: slots, sentence frames and the wordings of each label, read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from radpriv.benchmark.datasets.synthetic.engine.phrase_templates import (
    AGREEING,
    Choice,
    Node,
    Phrase,
    Ref,
    compiled,
    slots_of,
)
from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import read_toml
from radpriv.errors import DataError

FILLS = AGREEING | {"f", "g", "a", "b", "c", "d"}
"""Names that the writer fills. f: a finding; g: the same without its article; a to d: names of
findings that are not there."""


@dataclass(frozen=True)
class Wording:
    """How one label is told.

    lexicon: the words by which a reader of keywords would know it.  bare: names, after "no".
    keyed, unkeyed: noun phrases for what is there, with and without such a word.
    stated, told: whole sentences for what is there, with and without.
    absent: sentences that deny it.  traps: sentences that nearly name it and say nothing of it.
    group: findings of one group are told one after the other.
    brief: keyed noun phrases as short as a headline wants them; none: `keyed` serve.
    """

    name: str
    group: str
    lexicon: tuple[str, ...]
    bare: tuple[Phrase, ...]
    keyed: tuple[Phrase, ...]
    unkeyed: tuple[Phrase, ...]
    stated: tuple[Phrase, ...]
    told: tuple[Phrase, ...]
    absent: tuple[Phrase, ...]
    traps: tuple[Phrase, ...]
    brief: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Joint:
    """Sentences that deny several labels at once: "Heart and mediastinum are normal"."""

    denies: frozenset[int]
    wordings: tuple[Phrase, ...]


@dataclass(frozen=True)
class Phrases:
    version: int
    sticky: frozenset[str]
    slots: Mapping[str, tuple[Phrase, ...]]
    frames: Mapping[str, tuple[Phrase, ...]]
    labels: tuple[Wording, ...]
    joint: tuple[Joint, ...] = ()


@dataclass(frozen=True)
class WordingEntry:
    """A label as its file holds it: the fields of Wording, not yet compiled."""

    name: str
    group: str
    lexicon: tuple[str, ...]
    bare: tuple[str, ...]
    keyed: tuple[str, ...]
    unkeyed: tuple[str, ...]
    stated: tuple[str, ...]
    told: tuple[str, ...]
    absent: tuple[str, ...]
    traps: tuple[str, ...]
    brief: tuple[str, ...] | None = None


@dataclass(frozen=True)
class JointEntry:
    """Labels by name, and sentences that deny all of them."""

    denies: tuple[str, ...]
    wordings: tuple[str, ...]


@file_format
@dataclass(frozen=True)
class PhrasesFile:
    """One file of phrases."""

    version: int
    sticky: tuple[str, ...] = ()
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    frames: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    label: tuple[WordingEntry, ...] = ()
    joint: tuple[JointEntry, ...] = ()


@lru_cache(maxsize=8)
def read_phrases(*paths: Path) -> Phrases:
    """The phrases in these files, later ones adding to earlier; DataError names file and entry."""
    slots: dict[str, tuple[Phrase, ...]] = {}
    frames: dict[str, tuple[Phrase, ...]] = {}
    labels: list[Wording] = []
    joint: list[Joint] = []
    sticky: set[str] = set()
    version = 0
    for path in paths:
        file = read_toml(PhrasesFile, path, DataError)
        version = 100 * version + file.version
        sticky |= set(file.sticky)
        for kind, texts_of, into in (("slots", file.slots, slots), ("frames", file.frames, frames)):
            for name, texts in texts_of.items():
                into[name] = into.get(name, ()) + _phrases(path, f"{kind} {name}", texts)
        labels += [_wording(path, entry) for entry in file.label]
        order = {label.name: index for index, label in enumerate(labels)}
        joint += [_joint(path, entry, order) for entry in file.joint]
    phrases = Phrases(version, frozenset(sticky), slots, frames, tuple(labels), tuple(joint))
    _check(paths[-1], phrases)
    return phrases


def _phrases(path: Path, where: str, texts: tuple[str, ...]) -> tuple[Phrase, ...]:
    if not texts:
        raise DataError(f"{path}, {where}: no wording is given")
    try:
        return tuple(compiled(text) for text in texts)
    except DataError as error:
        raise DataError(f"{path}, {where}: {error}") from error


def _wording(path: Path, entry: WordingEntry) -> Wording:
    def phrases(name: str) -> tuple[Phrase, ...]:
        return _phrases(path, f"label {entry.name}, {name}", getattr(entry, name))

    return Wording(
        name=entry.name,
        group=entry.group,
        lexicon=entry.lexicon,
        bare=phrases("bare"),
        keyed=phrases("keyed"),
        unkeyed=phrases("unkeyed"),
        stated=phrases("stated"),
        told=phrases("told"),
        absent=phrases("absent"),
        traps=phrases("traps"),
        brief=() if entry.brief is None else phrases("brief"),
    )


def _joint(path: Path, entry: JointEntry, order: Mapping[str, int]) -> Joint:
    """An entry of several labels; `order` gives their numbers."""
    where = f"joint {' and '.join(entry.denies)}"
    if unknown := [name for name in entry.denies if name not in order]:
        raise DataError(f"{path}, {where}: no label is called '{unknown[0]}'")
    denies = frozenset(order[name] for name in entry.denies)
    if len(denies) < 2:
        raise DataError(f"{path}, {where}: two labels at least")
    return Joint(denies, _phrases(path, where, entry.wordings))


def _check(path: Path, phrases: Phrases) -> None:
    everything = [("frames " + k, p) for k, ps in phrases.frames.items() for p in ps]
    everything += [("slots " + k, p) for k, ps in phrases.slots.items() for p in ps]
    for label in phrases.labels:
        everything += [(f"label {label.name}", p) for p in _all(label)]
    everything += [("joint", p) for joint in phrases.joint for p in joint.wordings]
    for where, phrase in everything:
        if unknown := sorted(slots_of(phrase.node) - phrases.slots.keys() - FILLS):
            raise DataError(f"{path}, {where}: '{{{unknown[0]}}}' is no slot")
    if unknown := sorted(phrases.sticky - phrases.slots.keys()):
        raise DataError(f"{path}: the sticky slot '{unknown[0]}' is not among the slots")
    for name in phrases.slots:
        _no_circle(path, phrases, name, ())
    for label in phrases.labels:
        for phrase in (*label.unkeyed, *label.told):
            text = " ".join(words(phrases, phrase.node)).lower()
            if found := [word for word in label.lexicon if re.search(rf"\b{word}", text)]:
                raise DataError(f"{path}, label {label.name}: '{found[0]}' in a paraphrase")


def _all(label: Wording) -> Iterable[Phrase]:
    for name in ("bare", "keyed", "unkeyed", "stated", "told", "absent", "traps", "brief"):
        yield from getattr(label, name)


def _no_circle(path: Path, phrases: Phrases, name: str, above: tuple[str, ...]) -> None:
    if name in above:
        raise DataError(f"{path}, slots {name}: it refers to itself")
    for phrase in phrases.slots.get(name, ()):
        for inner in slots_of(phrase.node):
            _no_circle(path, phrases, inner, (*above, name))


def words(phrases: Phrases, node: Node) -> list[str]:
    """Every literal that an expansion of the phrase may hold."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, Ref):
        return [w for p in phrases.slots.get(node.slot, ()) for w in words(phrases, p.node)]
    parts = node.options if isinstance(node, Choice) else node
    return [w for part in parts for w in words(phrases, part)]
