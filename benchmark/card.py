"""The card of a dataset: what a reader must know of it, and what may leave the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from radpriv.benchmark.strict import file_format
from radpriv.errors import SuiteError

Sharing = Literal["open", "aggregates", "nothing"]


@file_format
@dataclass(frozen=True)
class Card:
    """What a reader must know of a dataset.

    release: what may leave the machine: "open", "aggregates" or "nothing". "Gated" = not open.
    calibrated_on: datasets whose published statistics a generator used (empty: none, or real data).
    unit_note: what the unit "report" covers here, e.g. a collapsed group of duplicates.
    """

    title: str
    licence: str
    access: str
    release: Sharing
    labels_from: str
    unit_note: str = ""
    known_errors: tuple[str, ...] = ()
    calibrated_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.release not in get_args(Sharing):
            raise SuiteError(f"release policy '{self.release}': open, aggregates or nothing")

    @property
    def gated(self) -> bool:
        return self.release != "open"
