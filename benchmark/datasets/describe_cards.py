"""Dataset cards as a page of the documentation: what each dataset is, and what may leave with it.

    all_cards()               # a dictionary for each dataset that radpriv ships, by name
    markdown(all_cards())     # docs/datasets.md

Plug-ins are left out, so that the page is the same wherever it is made.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from radpriv.benchmark.datasets.base import Loader, datasets

RELEASE = {
    "open": "open: results, aggregates and hashed ids may be shared",
    "aggregates": "aggregates may be shared; anything about one report or patient may not",
    "nothing": "nothing leaves the machine",
}
HEAD = """# Datasets

Made from the cards of the loaders by `radpriv data cards`: edit the cards, not this page. A card
travels in the record of each result and stands on every report. `radpriv data describe NAME` adds
what can be counted of a dataset that is on your machine: labels, lengths, vocabulary, copies.
"""


def all_cards() -> list[dict[str, Any]]:
    """Card, labels and options of each loader in radpriv itself, in order of name."""
    kinds = {name: datasets.get(name) for name in datasets.names()}
    return [card(name, k) for name, k in kinds.items() if k.__module__.startswith("radpriv.")]


def card(name: str, kind: type[Loader]) -> dict[str, Any]:
    """One card as data. options: name, default and meaning (from the docstring), as declared."""
    return {
        "name": name,
        **kind.card.as_dict(),
        "labels": list(kind.labels),
        "options": {f.name: f.default for f in fields(kind)},
        "options_note": inspect.cleandoc(kind.__doc__ or ""),
    }


def markdown(cards: Sequence[Mapping[str, Any]]) -> str:
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
            ("Release policy", RELEASE[c["release"]]),
            (f"Labels ({len(c['labels']) or '…'})", ", ".join(c["labels"]) or "by its options"),
            ("Labels from", c["labels_from"]),
            ("Unit", c["unit_note"] or "as in the source"),
            ("Calibrated on", ", ".join(c["calibrated_on"]) or "nothing"),
        )
        lines += [f"- {name}: {_line(text)}" for name, text in facts]
        lines += ["- Known errors:" if c["known_errors"] else "- Known errors: none noted"]
        lines += [f"  - {_line(error)}" for error in c["known_errors"]]
        if c["options"]:
            given = (f"`{k} = {json.dumps(v)}`" for k, v in c["options"].items())
            lines += [f"- Options and their defaults: {', '.join(given)}"]
            lines += ["", *(f"  {line}".rstrip() for line in c["options_note"].splitlines())]
    return "\n".join(lines) + "\n"


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _line(text: str) -> str:
    """One line of Markdown that means itself."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").split())
