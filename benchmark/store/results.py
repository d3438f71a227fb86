"""What lies in the store once it is finished: read, and checked against the place where it lies."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radpriv.benchmark.store.atomic import read_json, read_parquet, storing
from radpriv.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
_SAFE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Finished:
    """A finished cell or attack: its folder and its record.json or result.json."""

    folder: Path
    record: dict[str, Any]

    def table(self, name: str) -> pa.Table:
        """A Parquet file of the folder, e.g. "test.parquet" or "private/flags.parquet"."""
        return read_parquet(self.folder / name)


@dataclass(frozen=True)
class Attempt:
    """A run without a result: why, when (ISO 8601, UTC), and the releases it had made."""

    folder: Path
    fingerprint: str
    reason: str
    sentence: str
    when: str
    releases: int


def cell_at(cell_id: str, fingerprint: str) -> Callable[[Path], Finished | None]:
    return lambda folder: _finished(
        folder, "record.json", {"cell_id": cell_id, "fingerprint": fingerprint}
    )


def attack_at(attack_id: str) -> Callable[[Path], Finished | None]:
    return lambda folder: _finished(folder, "result.json", {"attack_id": attack_id})


def _finished(folder: Path, name: str, ids: dict[str, str]) -> Finished | None:
    if not folder.is_dir():
        return None
    return Finished(folder, checked(folder / name, ids))


def checked(path: Path, ids: dict[str, str]) -> dict[str, Any]:
    """A map of our schema whose ids are those of its path."""
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        schema = value.get("schema") if isinstance(value, dict) else None
        raise StoreError(
            f"{path}: schema {schema!r}, not {SCHEMA}; read it with the radpriv that wrote it"
        )
    for key, expected in ids.items():
        if value.get(key) != expected:
            raise StoreError(
                f"{path}: field {key} is {value.get(key)!r}, but its place says '{expected}'; "
                "delete its folder and run again"
            )
    return value


def folders_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    with storing(place), os.scandir(place) as entries:
        names = [e.name for e in entries if e.is_dir() and _SAFE.fullmatch(e.name)]
    return [place / name for name in sorted(names)]


def safe(name: str, what: str) -> str:
    if not _SAFE.fullmatch(name):
        raise StoreError(f"'{name}' is no {what}: letters, digits and . _ + - only")
    return name


def did_you_mean(text: str, known: list[str]) -> str:
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
