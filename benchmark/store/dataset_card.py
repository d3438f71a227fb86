"""The card of a dataset: what a reader must know of it. It travels with every result on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import JsonValue

from radpriv.benchmark.store.schema import dump, file_format
from radpriv.errors import SuiteError

Release = Literal["open", "aggregates", "nothing"]
"""What may leave the machine: everything, aggregates alone, or nothing."""


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
    release: Release
    labels_from: str
    unit_note: str = ""
    known_errors: tuple[str, ...] = ()
    calibrated_on: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.release not in get_args(Release):
            raise SuiteError(f"release policy '{self.release}': open, aggregates or nothing")

    @property
    def gated(self) -> bool:
        return self.release != "open"

    def as_dict(self) -> dict[str, JsonValue]:
        """As a file holds it."""
        return dict(dump(self))
