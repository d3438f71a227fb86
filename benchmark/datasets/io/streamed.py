"""Loaders of large sources: rows are streamed once into an Arrow table and mapped from then on.

    @datasets.register("mine")
    @dataclass(frozen=True)
    class Mine(StreamedLoader):
        def rows(self, source, counts, progress):   # reports in order of id, one at a time
            yield Row(id="r001", patient="p01", split="train", text="...", y=(1.0, 0.0))

The table lies in RADPRIV_CACHE under a name that follows from the dataset's identity and from the
code that reads it, so an edited parser or another option reads the source again.
"""

from __future__ import annotations

import abc
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock

from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.base import Dataset, Loader
from radpriv.benchmark.datasets.texts import Texts
from radpriv.benchmark.registry import PLUGIN
from radpriv.benchmark.store.atomic import atomic_write
from radpriv.benchmark.store.caches import cache_folder, make_private
from radpriv.benchmark.store.fingerprint import fingerprint
from radpriv.benchmark.store.import_closure import find
from radpriv.errors import DataError, StoreError

MISSING = 0.05
"""Share of what lacks its counterpart above which a download is doubted."""

COUNTERPARTS = (
    "labels_without_report",
    "without_report",
    "report_without_labels",
    "without_labels",
    "report_without_split",
)
"""Counts of what lacks the row or the text that belongs to it."""

_TOLD: set[tuple[str, Path]] = set()
"""Datasets of which this process has told the counts, and the file that they are of."""

BATCH = 2048
"""Rows of one Arrow record batch: what is held in memory while writing."""

FORMAT = 1
"""Raise it when the layout of the table changes."""


@dataclass(frozen=True, slots=True)
class Row:
    """One report. y: one entry per label; 1 positive, 0 negative, NaN not observed."""

    id: str
    patient: str
    split: str
    text: str
    y: tuple[float, ...]

    def __repr__(self) -> str:
        return f"Row({self.id})"  # the text is private


@dataclass(frozen=True)
class StreamedLoader(Loader):
    """A loader that gives rows one at a time and never holds all texts."""

    @abc.abstractmethod
    def rows(
        self, source: Path | None, counts: Counter[str], progress: Callable[[int], None]
    ) -> Iterator[Row]:
        """Reports, sorted by id. counts: public facts (kept, left out by reason), filled on the
        way. progress(k): k more records of the source were read."""

    def load(self, data: Path | None) -> Dataset:
        """The rows of the cached table, which is made first where it is absent or damaged.

        Raises:
            DataError: the source is absent or damaged.
            StoreError: the table cannot be written, or read back.
        """
        source = self.find(data)
        folder = make_private(cache_folder() / "tables")
        path = folder / f"{self.name}-{self._key(data)}.arrow"
        with FileLock(f"{path}.lock"):
            found = read_table(path)
            if found is None:
                counts: Counter[str] = Counter()
                with _ticker(self.name) as tick:
                    write_table(path, self, self.rows(source, counts, tick), counts)
                made, found = "read", read_table(path)
            else:
                made = "read before"
        if found is None:
            raise StoreError(f"{path}: cannot be read back; give RADPRIV_CACHE another folder")
        tell_counts(self.name, f"{made}{self.told(source)}", found[1], path)
        return _dataset(self, path, *found)

    def told(self, source: Path | None) -> str:
        """Which of several possible files were read, for the line of counts: " (a.zip, b.csv)"."""
        return ""

    def _key(self, data: Path | None) -> str:
        module = type(self).__module__
        code = (
            fingerprint([module], device="", dtype="").as_dict()
            if not module.startswith(PLUGIN) and find(module) is not None
            else module  # that of a plug-in file is named by its content
        )
        return digest([FORMAT, self.labels, self.identity(data), code])[:32]


def tell_counts(name: str, made: str, counts: Mapping[str, int], where: Path) -> None:
    """What was kept and what was left out, once in each run: a table read before skips no less."""
    if (name, where) in _TOLD:
        return
    _TOLD.add((name, where))
    told = ", ".join(f"{kind} {count:,}" for kind, count in counts.items())
    for line in (f"{name}: {made}; {told}", *incomplete(name, counts)):
        print(line, file=sys.stderr, flush=True)


def incomplete(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """What to say of counts that speak of half a download."""
    for kind in COUNTERPARTS:
        count = counts.get(kind, 0)
        total = counts.get("scans", counts.get("reports", 0) + counts.get(COUNTERPARTS[0], 0))
        if count > MISSING * total:
            yield (
                f"{name}: {kind} {count:,}, more than {MISSING:.0%} of {total:,}: is the download "
                "complete?"
            )


def write_table(path: Path, loader: Loader, rows: Iterator[Row], counts: Mapping[str, int]) -> None:
    """Streams rows to `path`; complete once its .json stands beside it. `counts` is read last."""
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("patient", pa.string()),
            ("split", pa.string()),
            ("text", pa.large_string()),
            ("labels", pa.list_(pa.float32(), len(loader.labels))),
        ]
    )
    written, last = 0, ""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file, pa.ipc.new_stream(file, schema) as out:
            while block := list(islice(rows, BATCH)):
                for number, row in enumerate(block, written + 1):
                    if row.id <= last:  # an id that came from the wrong column may be a text
                        raise DataError(
                            f"dataset {loader.name}: the id of row {number:,} comes twice or late"
                        )
                    last = row.id
                out.write_batch(_batch(block, schema))
                written += len(block)
        os.replace(temporary, path)
        facts = {"rows": written, "counts": dict(counts)}
        atomic_write(path.with_suffix(".json"), json.dumps(facts).encode(), mode=0o600)
    except OSError as error:
        raise StoreError(
            f"{path}: the table could not be written ({error.strerror}); free space, or set "
            "RADPRIV_CACHE to another folder"
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_table(path: Path) -> tuple[pa.Table, dict[str, int]] | None:
    """The mapped table and its counts; None where it is absent, unfinished or damaged."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        table = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
    except (OSError, ValueError):  # pa.ArrowInvalid is a ValueError
        return None
    return (table, facts["counts"]) if table.num_rows == facts["rows"] else None


def _batch(block: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns: list[pa.Array] = [
        pa.array([getattr(row, name) for row in block], schema.field(name).type)
        for name in ("id", "patient", "split", "text")
    ]
    width = schema.field("labels").type.list_size
    flat = np.array([row.y for row in block], np.float32).reshape(-1)
    columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), width))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _dataset(loader: Loader, path: Path, table: pa.Table, counts: Mapping[str, int]) -> Dataset:
    flat = table["labels"].combine_chunks().flatten() if table.num_rows else pa.array([], "float32")
    y = np.array(flat, np.float32).reshape(table.num_rows, len(loader.labels))
    return Dataset(
        name=loader.name,
        labels=loader.labels,
        card=loader.card,
        ids=tuple(table["id"].to_pylist()),
        patients=_shared(table["patient"]),
        splits=_shared(table["split"]),
        texts=Texts(table["text"], file=path),
        y=y,
        counts=dict(counts),
    )


def _shared(column: pa.ChunkedArray) -> tuple[str, ...]:
    """Equal strings as one object: patients and splits repeat."""
    known: dict[str, str] = {}
    return tuple(known.setdefault(value, value) for value in column.to_pylist())


@contextlib.contextmanager
def _ticker(name: str, every: float = 10.0) -> Iterator[Callable[[int], None]]:
    """progress(k) that tells on standard error, every so many seconds, how many were read."""
    begun = told = time.monotonic()
    read = 0

    def tick(count: int) -> None:
        nonlocal told, read
        read += count
        now = time.monotonic()
        if now - told >= every:
            told = now
            rate = read / (now - begun)
            print(f"{name}: {read:,} records read, {rate:,.0f}/s", file=sys.stderr, flush=True)

    yield tick
