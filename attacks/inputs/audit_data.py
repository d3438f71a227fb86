"""The records behind a finished cell, drawn again from the data: private, never stored.

    found = draw_again(job, data, key)      # the same for all seeds of a family
    found.check(outputs)                    # AttackError unless they are the cell's own

A cell stores pseudonyms of its candidates and test records, HMACs of their ids. Drawn again, the
records have the same ones, or the data is not that which the cell was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radpriv.attacks.inputs.cell_outputs import Outputs, unreadable
from radpriv.benchmark.datasets.texts import Texts, pick
from radpriv.benchmark.runs.record import hashed_id
from radpriv.benchmark.suites.job import Job
from radpriv.errors import AttackError, RadprivError, kind_and_place


@dataclass(frozen=True, eq=False)
class Material:
    """Candidates and test records of one universe, whatever the seed.

    slots: int64 (m,), of the candidates.  records: their m hashed ids.  others: n hashed ids of the
    test records, in order of test.parquet.  whole: texts of every slot, as training saw them.
    test: texts of the test records in the dataset's order.  order: int64 (n,), from there to
    test.parquet.
    """

    slots: NDArray[np.int64] = field(repr=False)
    records: tuple[str, ...] = field(repr=False)
    others: tuple[str, ...] = field(repr=False)
    whole: tuple[str, ...] | Texts = field(repr=False)
    test: tuple[str, ...] | Texts = field(repr=False)
    order: NDArray[np.int64] = field(repr=False)

    def check(self, outputs: Outputs) -> None:
        """AttackError that names the file of the cell which speaks of other records."""
        folder = outputs.cell.folder
        if not np.array_equal(self.slots, outputs.slots) or self.records != outputs.record:
            raise AttackError(
                f"{folder / 'private' / 'candidates.parquet'}: its candidates are not the ones "
                "that the data gives now; run the suite again"
            )
        path = folder / "test.parquet"
        try:
            tested = tuple(pq.read_table(path, columns=["record"])["record"].to_pylist())
        except (OSError, pa.ArrowException, KeyError) as error:
            raise unreadable(path, error) from error
        if tested != self.others:
            raise AttackError(
                f"{path}: its records are not the test records that the data gives now; run the "
                "suite again"
            )


def draw_again(job: Job, data: Path | None, key: bytes) -> Material:
    """The records of a job. key: under which ids were hashed."""
    try:
        dataset = job.dataset(data)
        universe = job.universe(dataset)
    except RadprivError as error:
        raise AttackError(f"the data cannot be read again: {error}") from error
    except Exception as error:  # the words of a plug-in may quote a record
        raise AttackError(
            f"dataset '{job.cell.dataset}': its loader ended with {kind_and_place(error)}"
        ) from None
    slots, rows = np.flatnonzero(universe.candidate), dataset.rows("test")
    tested = [hashed_id(key, dataset.ids[r]) for r in rows]
    order = sorted(range(len(tested)), key=tested.__getitem__)
    return Material(
        slots=slots,
        records=tuple(hashed_id(key, universe.ids[s]) for s in slots),
        others=tuple(tested[i] for i in order),
        whole=universe.texts,
        test=pick(dataset.texts, rows),
        order=np.array(order, np.int64),
    )
