"""Reading finished cells for an attack: outputs and flags, checked before anything is scored.

Files of one cell's folder (all in slot or record order): record.json, test.parquet,
private/candidates.parquet and private/flags.parquet. A damaged or inconsistent one is an
AttackError with the file's name; nothing is repaired or guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools
from radpriv.attacks.view import Matrix, Memo, Population
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import parse
from radpriv.errors import AttackError

COLUMNS = ("slot", "record", "patient", "labels", "logits", "length", "similarity", "kind")
AGAIN = "the cell is damaged: delete its folder and run it again"


class Withheld(AttackError):
    """The store is a copy without its private files: nothing is wrong with it, or with a cell."""


def unreadable(path: Path, error: Exception) -> AttackError:
    """What to do about a file that cannot be read: a copy that left it out is no damage."""
    if isinstance(error, PermissionError):
        return AttackError(f"{path}: only its owner may read it; attack as the user who ran it")
    if path.parent.name == "private" and not path.parent.exists():
        return Withheld(
            f"{path.parent}: absent, so this store is a copy without private files, and attacks "
            "need them: attack where the cells were run, or copy private/ too"
        )
    if isinstance(error, FileNotFoundError):
        return AttackError(
            f"{path}: absent; copy it from where the cell was run, or delete the cell's folder and "
            "run it again"
        )
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return AttackError(f"{path}: cannot be read ({line}); {AGAIN}")


def open_cell(folder: Path) -> FinishedCell:
    """A finished cell with its record read; AttackError names the file at fault."""
    path = folder / "record.json"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return FinishedCell(folder, parse(CellRecord, data, str(path), AttackError, AGAIN))


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one cell says of its candidates and test records, with its flags.

    slots int64 (m,); record, patient: m pseudonyms; labels, logits float32 (m, L); length int32
    (m,); similarity float32 (m,); kind: m words, "natural", "mislabelled" or a canary's name;
    member bool (m,). memo: what was computed from these outputs, see view.py.
    """

    cell: FinishedCell
    slots: NDArray[np.int64]
    record: tuple[str, ...]
    patient: tuple[str, ...]
    labels: Matrix
    logits: Matrix
    length: NDArray[np.int32]
    similarity: NDArray[np.float32]
    kind: tuple[str, ...]
    member: Bools
    population: Population
    memo: Memo = field(default_factory=dict, repr=False)

    def only(self, rows: NDArray[np.int64]) -> Outputs:
        """Some of the candidates, by increasing row."""
        return replace(
            self,
            slots=self.slots[rows],
            record=tuple(self.record[i] for i in rows),
            patient=tuple(self.patient[i] for i in rows),
            labels=self.labels[rows],
            logits=self.logits[rows],
            length=self.length[rows],
            similarity=self.similarity[rows],
            kind=tuple(self.kind[i] for i in rows),
            member=self.member[rows],
            memo={},
        )


def load(cell: FinishedCell) -> Outputs:
    """Read and check one cell; AttackError names the file at fault."""
    width = len(cell.record.label_names)
    path = cell.folder / "private" / "candidates.parquet"
    table = _table(path, COLUMNS)
    slots = _slots(path, table)
    test_path = cell.folder / "test.parquet"
    test = _table(test_path, ("labels", "logits"))
    return Outputs(
        cell=cell,
        slots=slots,
        record=tuple(table["record"].to_pylist()),
        patient=tuple(table["patient"].to_pylist()),
        labels=_matrix(path, table, "labels", width),
        logits=_matrix(path, table, "logits", width),
        length=table["length"].to_numpy().astype(np.int32),
        similarity=_similarity(path, table),
        kind=tuple(table["kind"].to_pylist()),
        member=_flags(cell.folder / "private" / "flags.parquet", slots),
        population=Population(
            _matrix(test_path, test, "logits", width), _matrix(test_path, test, "labels", width)
        ),
    )


def _flags(path: Path, slots: NDArray[np.int64]) -> Bools:
    table = _table(path, ("slot", "member"))
    flagged = _slots(path, table)
    if not np.array_equal(flagged, slots):
        odd = np.setxor1d(flagged, slots)
        raise AttackError(
            f"{path}: {len(odd)} slots stand here or in candidates.parquet but not in both "
            f"(first: {odd[0]}); {AGAIN}"
        )
    return table["member"].to_numpy().astype(np.bool_)


def _table(path: Path, columns: tuple[str, ...]) -> pa.Table:
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    if missing := [name for name in columns if name not in table.column_names]:
        raise AttackError(f"{path}: column '{missing[0]}' is missing; {AGAIN}")
    for name in set(columns) - {"similarity"}:
        if table[name].null_count:
            raise AttackError(f"{path}: column '{name}' has empty entries; {AGAIN}")
    return table.select(list(columns))


def _slots(path: Path, table: pa.Table) -> NDArray[np.int64]:
    slots = table["slot"].to_numpy().astype(np.int64)
    if (late := np.flatnonzero(np.diff(slots) <= 0)).size:
        raise AttackError(f"{path}: row {int(late[0]) + 1} is out of slot order; {AGAIN}")
    return slots


def _similarity(path: Path, table: pa.Table) -> NDArray[np.float32]:
    """float32 (m,) in [0, 1]; cells of older versions have none, and could not be told clean."""
    values = table["similarity"].to_numpy().astype(np.float32)
    if not ((values >= 0) & (values <= 1)).all():
        raise AttackError(
            f"{path}: the similarity of a candidate is not in [0, 1]; an older version did not "
            "compute it: run the suite again"
        )
    return np.asarray(values, np.float32)


def _matrix(path: Path, table: pa.Table, name: str, width: int) -> Matrix:
    """A list column as float32 (rows, width)."""
    column = table[name].combine_chunks()
    flat = column.flatten()
    if (pc.list_value_length(column).to_numpy(zero_copy_only=False) != width).any():
        raise AttackError(f"{path}: '{name}' must have {width} entries in every row; {AGAIN}")
    values = flat.to_numpy(zero_copy_only=False).astype(np.float32)
    return np.asarray(values.reshape(len(column), width))
