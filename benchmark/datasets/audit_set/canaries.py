"""Canaries: crafted records that are planted by coin flip, beside the dataset's own.

    canaries = [
      {kind = "rare-token", count = 50},
      {kind = "secret", count = 8, space = 1000000},
      {kind = "secret", count = 4, copies = 16},
      {kind = "gradient", count = 100},
      {kind = "mislabelled", share = 0.1},
    ]                                               # in a suite

mislabelled: that share of the dataset's own candidates, every label flipped.  rare-token: a public
sentence with words that occur nowhere else.  secret: a public sentence with an accession number
drawn from a space of known size: the canary is in or out, never one of two secrets, so its coin is
what an audit needs and its rank in the space is its exposure (Carlini et al. 2019, 1802.08232).
gradient: no record at all; the waist gives it max_norm times a public unit direction as its clipped
contribution (privacy/gradient_canaries.py).

A canary's labels are fair coins, so nothing but its own membership can teach them to a model. All
is drawn by the audit key, the same for every seed. `copies` records of one secret share one coin:
they change a model more than one unit may, so they serve extraction and never a bound on ε.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from radpriv.benchmark.canary_spec import GRADIENT, Planting
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES

LETTERS = "bcdfghjklmnpqrstvwxz"
RARE_WORDS = 3
RARE_LENGTH = 9
MARK = "canary/"
"""How the id of every planted record begins."""

Prf = Callable[..., float]
"""prf(*path) -> uniform in [0, 1), keyed by the audit key."""


@dataclass(frozen=True)
class Canary:
    """One canary; the universe holds `copies` records of it. Records are crafted, so public.

    point: in [0, 1), where the direction of a gradient canary lies; NaN for a record.
    """

    id: str
    name: str
    copies: int
    text: str
    labels: tuple[float, ...]
    point: float = math.nan

    @property
    def ids(self) -> tuple[str, ...]:
        """One per copy."""
        if self.copies == 1:
            return (self.id,)
        return tuple(f"{self.id}/{copy:05d}" for copy in range(self.copies))


def planted(plantings: tuple[Planting, ...], labels: int, prf: Prf) -> Iterator[Canary]:
    """The canaries in order of id."""
    for planting in sorted(plantings, key=lambda p: f"{p.name}/"):
        for number in range(planting.count):
            path = (planting.name, number)
            coins = (float(prf("canary", *path, "label", i) < 0.5) for i in range(labels))
            yield Canary(
                id=f"{MARK}{planting.name}/{number:05d}",
                name=planting.name,
                copies=planting.copies,
                text=_text(planting, path, prf),
                labels=tuple(coins),
                point=float(prf("canary", *path, "direction"))
                if planting.kind == GRADIENT
                else math.nan,
            )


def secret_of(planting: Planting, number: int, prf: Prf) -> int:
    """The secret of canary `number`: uniform in [0, space)."""
    return int(prf("canary", planting.name, number, "secret") * planting.space)


def secret_text(planting: Planting, number: int, secret: int, prf: Prf) -> str:
    """The record that canary `number` would be with this secret: what an attacker ranks."""
    digits = len(str(planting.space)) - 1
    return f"{_carrier((planting.name, number), prf)} Accession number {secret:0{digits}d}."


def _text(planting: Planting, path: tuple[str, int], prf: Prf) -> str:
    if planting.kind == GRADIENT:
        return PUBLIC_SENTENCES[0]
    if planting.kind == "secret":
        return secret_text(planting, path[1], secret_of(planting, path[1], prf), prf)
    words = (
        "".join(_pick(LETTERS, prf("canary", *path, "rare", w, c)) for c in range(RARE_LENGTH))
        for w in range(RARE_WORDS)
    )
    return f"{_carrier(path, prf)} {' '.join(words)}."


def _carrier(path: tuple[str, int], prf: Prf) -> str:
    return PUBLIC_SENTENCES[int(prf("canary", *path, "carrier") * len(PUBLIC_SENTENCES))]


def _pick(letters: str, point: float) -> str:
    return letters[int(point * len(letters))]
