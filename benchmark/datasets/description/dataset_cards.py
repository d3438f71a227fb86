"""Dataset cards as a page of the documentation: what each dataset is, and what may leave with it.

    all_cards()               # a dictionary for each dataset that radpriv ships, by name
    markdown(all_cards())     # docs/datasets.md

Plug-ins are left out, so that the page is the same wherever it is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import TypedDict

from radpriv.benchmark.datasets.base import Loader, datasets
from radpriv.benchmark.docstring import docstring

RELEASE = {
    "open": "open: results, aggregates and hashed ids may be shared",
    "aggregates": "aggregates may be shared; anything about one report or patient may not",
    "nothing": "nothing leaves the machine",
}
BY_OPTION = "by its options"
HEAD = """# Datasets

Made from the cards of the loaders by `radpriv data cards`: edit the cards, not this page. A card
travels in the record of each result and stands on every report. `radpriv data describe NAME` adds
what can be counted of a dataset that is on your machine: labels, lengths, vocabulary, copies.
"""


class OptionEntry(TypedDict):
    """An option of a loader, as declared."""

    name: str
    default: object
    meaning: str


class DatasetEntry(TypedDict):
    """What the page says of a dataset: the fields of its Card, its labels and options."""

    name: str
    title: str
    licence: str
    access: str
    release: str
    labels_from: str
    unit_note: str
    known_errors: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    labels: list[str]
    options: list[OptionEntry]


def all_cards() -> list[DatasetEntry]:
    """Card, labels and options of each loader in radpriv itself, in order of name."""
    kinds = {name: datasets.get(name) for name in datasets.names()}
    return [card(name, k) for name, k in kinds.items() if k.__module__.startswith("radpriv.")]


def card(name: str, kind: type[Loader]) -> DatasetEntry:
    """One card as data."""
    known = [f.name for f in fields(kind)]
    said = meanings(kind, known)
    shown = kind.card
    return {
        "name": name,
        "title": shown.title,
        "licence": shown.licence,
        "access": shown.access,
        "release": BY_OPTION if "release" in known else shown.release,
        "labels_from": shown.labels_from,
        "unit_note": shown.unit_note,
        "known_errors": shown.known_errors,
        "calibrated_on": shown.calibrated_on,
        "labels": list(kind.labels),
        "options": [
            {"name": f.name, "default": f.default, "meaning": said.get(f.name, "")}
            for f in fields(kind)
        ],
    }


def meanings(kind: type[object], known: Sequence[str]) -> dict[str, str]:
    """What docstrings say of the options, a subclass before what it inherits.

    "size: how many.  low, high: its bounds." gives a text to each of size, low and high: an option
    begins after a blank, with its name or several and a colon.
    """
    names = "|".join(map(re.escape, known))
    entry = re.compile(rf"(?:^|(?<=\s))((?:{names})(?:, (?:{names}))*):\s")
    found: dict[str, str] = {}
    for parent in kind.__mro__:
        text = " ".join(docstring(parent).split())
        parts = entry.split(text) if known else [text]
        for heads, said in zip(parts[1::2], parts[2::2]):
            for name in heads.split(", "):
                found.setdefault(name, said.strip())
    return found


def markdown(cards: Sequence[DatasetEntry]) -> str:
    lines = [HEAD]
    lines += ["| name | what | access | release |", "| --- | --- | --- | --- |"]
    for c in cards:
        cells = (f"[`{c['name']}`](#{_anchor(c['name'])})", c["title"], c["access"], c["release"])
        lines.append("| " + " | ".join(_line(cell) for cell in cells) + " |")
    for c in cards:
        lines += ["", f"## {c['name']}", "", f"**{_line(c['title'])}**", ""]
        facts = (
            ("Source and access", c["access"]),
            ("Licence", c["licence"]),
            ("Release policy", RELEASE.get(c["release"], c["release"])),
            (f"Labels ({len(c['labels']) or '…'})", ", ".join(c["labels"]) or BY_OPTION),
            ("Labels from", c["labels_from"]),
            ("Unit", c["unit_note"] or "as in the source"),
            ("Calibrated on", ", ".join(c["calibrated_on"]) or "nothing"),
        )
        lines += [f"- {name}: {_line(text)}" for name, text in facts]
        lines += ["- Known errors:" if c["known_errors"] else "- Known errors: none noted"]
        lines += [f"  - {_line(error)}" for error in c["known_errors"]]
        if c["options"]:
            lines += ["", "| option | default | meaning |", "| --- | --- | --- |"]
        for option in c["options"]:
            default = json.dumps(option["default"])
            lines.append(f"| `{option['name']}` | `{default}` | {_line(option['meaning'])} |")
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _line(text: str) -> str:
    """One line of Markdown that means itself."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").split())
