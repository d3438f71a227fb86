"""The card of a dataset as a report shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from radpriv.benchmark.store.dataset_card import Card


def card_facts(
    card: Card, labels: Sequence[str], options: Mapping[str, JsonValue], release: str
) -> list[tuple[str, str | list[str]]]:
    """Name and text of what the card says; a list where it has several. What is empty is left out.

    release: the release policy in a sentence for this kind of report.
    """
    given = ", ".join(
        f"{name} = {json.dumps(v, ensure_ascii=False)}" for name, v in options.items()
    )
    facts: list[tuple[str, str | list[str]]] = [
        ("Dataset", card.title),
        ("Source and access", card.access),
        ("Licence", card.licence),
        ("Release", release),
        ("Labels", ", ".join(labels)),
        ("Labels from", card.labels_from),
        ("Unit", card.unit_note),
        ("Options", given),
        ("Known errors", list(card.known_errors)),
        ("Calibrated on", ", ".join(card.calibrated_on) or "nothing"),
    ]
    return [(name, text) for name, text in facts if text]
