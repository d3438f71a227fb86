"""Report texts that stay on disk: a sequence of strings over a memory-mapped Arrow column.

    texts = Texts(column)        # len, texts[i], iteration; nothing is read before it is asked for
    texts.pick(rows)             # the same column, other rows
    pick(dataset.texts, rows)    # for a tuple of strings too

Private data: its repr shows how many there are, never one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_OTHER = re.compile(r"\W+")
_LINE_END = re.compile(r"\r?\r\n|\n\r(?!\n)|[\r\v\f\x85\u2028\u2029]")
BLOCK = 4096
"""Rows turned into strings at once by iteration."""


class Texts(Sequence[str]):
    """Rows of an Arrow string column, in the order of `rows` (default: all).

    file: the Arrow stream that the column is mapped from, if it is.
    """

    def __init__(
        self,
        column: pa.ChunkedArray,
        rows: NDArray[np.int64] | None = None,
        file: Path | None = None,
    ) -> None:
        self._column = column
        self.rows = np.arange(len(column)) if rows is None else np.asarray(rows, np.int64)
        self.file = file

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, i: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Texts: ...
    def __getitem__(self, i: SupportsIndex | slice) -> str | Texts:
        if isinstance(i, slice):
            return Texts(self._column, self.rows[i], self.file)
        return str(self._column[int(self.rows[i])].as_py())

    def __iter__(self) -> Iterator[str]:
        for begin in range(0, len(self), BLOCK):
            yield from self._column.take(pa.array(self.rows[begin : begin + BLOCK])).to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Texts | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Texts({len(self)})"

    def pick(self, rows: Any) -> Texts:
        """These rows of this sequence."""
        return Texts(self._column, self.rows[np.asarray(rows, np.int64)], self.file)

    def followed_by(self, texts: Sequence[str]) -> Texts:
        """These, then `texts`, which are held in memory; what lies on disk stays there."""
        extra = pa.array(list(texts), self._column.type)
        column = pa.chunked_array([*self._column.chunks, extra], self._column.type)
        rows = np.arange(len(self._column), len(column))
        return Texts(column, np.concatenate([self.rows, rows]))


def normalise(text: str) -> str:
    """The form in which two texts count as copies: lower case, every run of other characters than
    letters, digits and _ one space; empty if there is no letter or digit."""
    return _OTHER.sub(" ", text.lower()).strip()


def even_line_ends(text: str) -> str:
    """`text` with every kind of line end as "\\n": CR LF, a bare CR, a CR LF that was converted
    twice, form feeds and Unicode's own. A file parses alike whatever program saved it."""
    return _LINE_END.sub("\n", text)


def pick(texts: tuple[str, ...] | Texts, rows: Any) -> tuple[str, ...] | Texts:
    """`texts` at these rows; strings that lie on disk stay there."""
    if isinstance(texts, Texts):
        return texts.pick(rows)
    return tuple(texts[int(r)] for r in rows)
