"""The lexicon of the keyword labeller: which phrases belong to which label, which cues deny.

    lexicon = read_lexicon(LEXICON.read_text("utf-8"), "lexicon.toml")
    lexicon.phrases(("Edema", "No Finding"))     # {"Edema": ("b lines", ...), ...}, spelt out

lexicon.toml explains the notation of phrases. Nothing in it comes from records.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import from_toml
from radpriv.errors import DataError

LEXICON = Path(__file__).with_name("lexicon.toml")
ELSEWHERE = "elsewhere"
NOTHING = "nothing"
GAPS = {"..": 3, "...": 10}
"""How many words may stand in a gap."""
CUES = ("pseudo", "preceding", "following", "termination")

_FAMILIES = ("radiograph", "ct")
_MOST = 20_000
_UNIT = re.compile(r"(?:\([^()]*\)|[^\s()])+")
_PHRASE = re.compile(rf"{_UNIT.pattern}(?: {_UNIT.pattern})*")
_WORD = re.compile(r"[a-z0-9,;/'-]+")


@dataclass(frozen=True)
class Cues:
    """Phrases that deny, or leave open, what stands after (preceding) or before (following)."""

    pseudo: tuple[str, ...]
    preceding: tuple[str, ...]
    following: tuple[str, ...]
    termination: tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """text: the file, as it was read.  families: name -> label -> phrases, spelt out.

    A phrase is words with one blank in between; ".." and "..." among them are gaps (GAPS).
    """

    text: str
    families: Mapping[str, Mapping[str, tuple[str, ...]]]
    nothing: tuple[str, ...]
    negation: Cues
    hedge: Cues

    def phrases(self, labels: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Everything to look for where these are the labels of a dataset: the whole lexicon of
        its kind of report, for the findings beside them count for "No Finding"."""
        both = self.families["both"]
        wanted = {label_key(label) for label in labels}
        kind = max(_FAMILIES, key=lambda f: len(wanted & {label_key(x) for x in self.families[f]}))
        found = {**both, **self.families[kind], NOTHING: self.nothing}
        known = {label_key(label) for label in found}
        for other in _FAMILIES:
            for label, phrases in self.families[other].items():
                if label_key(label) in wanted - known and label != ELSEWHERE:
                    found[label] = phrases
        return found


@dataclass(frozen=True)
class Nothing:
    """Phrases of findings beside all labels: they count for "No Finding"."""

    phrases: tuple[str, ...]


@file_format
@dataclass(frozen=True)
class LexiconFile:
    """lexicon.toml, in the notation of phrases."""

    classes: Mapping[str, tuple[str, ...]]
    both: Mapping[str, tuple[str, ...]]
    radiograph: Mapping[str, tuple[str, ...]]
    ct: Mapping[str, tuple[str, ...]]
    nothing: Nothing
    negation: Cues
    hedge: Cues


def read_lexicon(text: str, where: str) -> Lexicon:
    """The lexicon in this TOML text; DataError names the table, the phrase and what is wrong."""
    file = from_toml(LexiconFile, text, where, DataError)
    classes: dict[str, tuple[str, ...]] = {}
    for name, phrases in file.classes.items():
        classes[name] = _spelt(phrases, {}, f"{where}, [classes] '{name}'")
    families = {
        family: {
            label: _spelt(phrases, classes, f"{where}, [{family}] '{label}'")
            for label, phrases in getattr(file, family).items()
        }
        for family in ("both", *_FAMILIES)
    }
    nothing = _spelt(file.nothing.phrases, classes, f"{where}, [nothing] 'phrases'")
    negation = _cues(file.negation, f"{where}, [negation]")
    return Lexicon(text, families, nothing, negation, _cues(file.hedge, f"{where}, [hedge]"))


def _cues(cues: Cues, where: str) -> Cues:
    return Cues(
        *(_spelt(getattr(cues, name), {}, f"{where} '{name}'", gaps=False) for name in CUES)
    )


def _spelt(
    phrases: Sequence[str],
    classes: Mapping[str, tuple[str, ...]],
    where: str,
    gaps: bool = True,
) -> tuple[str, ...]:
    """The phrases of one entry, spelt out, each once and in order."""
    out: set[str] = set()
    for phrase in phrases:
        spelt = set(expand(phrase, classes, f"{where}: phrase '{phrase}'"))
        if not gaps and any(set(GAPS) & set(p.split()) for p in spelt):
            raise DataError(f"{where}: phrase '{phrase}' has a gap; only a label's phrase may")
        out |= spelt
    return tuple(sorted(out))


def expand(
    phrase: str, classes: Mapping[str, tuple[str, ...]], where: str = "phrase"
) -> Iterator[str]:
    """Every spelling of a phrase in the notation of lexicon.toml."""
    if not _PHRASE.fullmatch(phrase):
        raise DataError(f"{where}: parentheses do not match, or words are not one blank apart")
    units = [list(islice(_unit(u, classes, where), _MOST + 1)) for u in _UNIT.findall(phrase)]
    if math.prod(map(len, units)) > _MOST:
        raise DataError(f"{where}: more than {_MOST} spellings; split it")
    for choice in product(*units):
        words = " ".join(choice).split()
        if not words or words[0] in GAPS or words[-1] in GAPS:
            raise DataError(f"{where}: a spelling is empty, or begins or ends with a gap")
        for word in words:
            if word not in GAPS and not _WORD.fullmatch(word):
                raise DataError(f"{where}: '{word}' is no word; lower-case letters and digits")
        yield " ".join(words)


def _unit(unit: str, classes: Mapping[str, tuple[str, ...]], where: str) -> Iterator[str]:
    """The choices for one unit: a gap, a class, or a word with groups; "" if it may be absent."""
    if unit in GAPS:
        yield unit
        return
    body = unit.removesuffix("?")
    if body != unit:
        yield ""
    if body.startswith("<") and body.endswith(">"):
        if body[1:-1] not in classes:
            raise DataError(f"{where}: no class is called '{body[1:-1]}'")
        yield from classes[body[1:-1]]
        return
    parts = re.split(r"\(([^()]*)\)", body)  # outside a group, inside, outside, ...
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    yield from map("".join, product(*choices))


def label_key(label: str) -> str:
    """The form in which two names of a label are the same: case and blanks evened out."""
    return " ".join(label.casefold().split())
