"""What lies in the store once it is finished: read, and checked against the place where it lies."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from radpriv.benchmark.store.atomic import json_value, read_bytes, read_json, read_parquet, storing
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.schema import parse
from radpriv.benchmark.strict import file_format
from radpriv.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
PROVENANCE = "provenance.json"
AGAIN = "delete its folder and run again"
_SAFE = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")

T = TypeVar("T")


@dataclass(frozen=True)
class Finished(Generic[T]):
    """A finished cell or attack: its folder and its record.json or result.json."""

    folder: Path
    record: T

    def table(self, name: str) -> pa.Table:
        """A Parquet file of the folder, e.g. "test.parquet" or "private/flags.parquet"."""
        return read_parquet(self.folder / name)


FinishedCell = Finished[CellRecord]


@file_format
@dataclass(frozen=True)
class Reason:
    """reason.json: why an attempt ended. when: ISO 8601, UTC. sentence: quotes no record."""

    reason: str
    sentence: str
    when: str


@dataclass(frozen=True)
class Attempt:
    """A run without a result: why, and the releases it had made."""

    folder: Path
    fingerprint: str
    why: Reason
    releases: int


def cell_at(cell_id: str, fingerprint: str) -> Callable[[Path], FinishedCell | None]:
    ids = {"cell_id": cell_id, "fingerprint": fingerprint}

    def find(folder: Path) -> FinishedCell | None:
        if not folder.is_dir():
            return None
        return Finished(folder, typed(CellRecord, folder / "record.json", ids))

    return find


def attack_at(attack_id: str) -> Callable[[Path], Finished[dict[str, Any]] | None]:
    def find(folder: Path) -> Finished[dict[str, Any]] | None:
        if not folder.is_dir():
            return None
        return Finished(folder, checked(folder / "result.json", {"attack_id": attack_id}))

    return find


def typed(
    kind: type[T],
    path: Path,
    ids: Mapping[str, str],
    version: int = SCHEMA,
    advice: str = AGAIN,
) -> T:
    """The value in a file of a format with a version, whose ids are those of its path.

    advice: what to do about a fault.

    Raises:
        StoreError: another version, another place, or a key that is not right.
    """
    data = read_bytes(path)
    _check(path, json_value(path, data, advice), ids, version, advice)
    return parse(kind, data, str(path), advice=advice)


def checked(
    path: Path, ids: Mapping[str, str], version: int = SCHEMA, advice: str = AGAIN
) -> dict[str, Any]:
    """A map of a version whose ids are those of its path."""
    return _check(path, read_json(path, advice), ids, version, advice)


def _check(
    path: Path, value: Any, ids: Mapping[str, str], version: int, advice: str
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StoreError(f"{path}: expected a table of keys; {advice}")
    if "schema" not in value:
        raise StoreError(f"{path}: key schema is missing; {advice}")
    if value["schema"] != version:
        shown = (
            f"schema {value['schema']}" if isinstance(value["schema"], int) else "another schema"
        )
        raise StoreError(f"{path}: {shown}, not {version}; read it with the radpriv that wrote it")
    for key, expected in ids.items():
        if value.get(key) != expected:
            raise StoreError(
                f"{path}: field {key} is {value.get(key)!r}, but its place says '{expected}'; "
                + advice
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
