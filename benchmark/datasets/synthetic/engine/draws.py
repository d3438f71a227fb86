"""Draws of the twins: the streams of stream.py in large blocks, and normal deviates as integers.

Integers all the way. The two tables below come from floats once, when the module is read, and are
rounded: an error in a float's last digits cannot move an entry (a test measures the room).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from functools import lru_cache
from statistics import NormalDist

from radpriv.benchmark.datasets.synthetic.engine.stream import Stream

SCALE = 1 << 12
"""One standard deviation, as an integer."""

_CELLS = 1 << 12
_BLOCK = struct.Struct(">128Q")


def quantile(cell: int, cells: int) -> float:
    """The normal quantile in the middle of a cell of equal mass."""
    return NormalDist().inv_cdf((cell + 0.5) / cells)


NORMAL = tuple(round(SCALE * quantile(cell, _CELLS)) for cell in range(_CELLS))
"""Standard normal deviates, equally likely, in units of 1/SCALE."""


@lru_cache(maxsize=64)
def lognormal(mu: float, sigma: float, cells: int = 512) -> tuple[int, ...]:
    """Equally likely lengths, at least 1, of the lognormal distribution."""
    return tuple(
        max(1, round(math.exp(mu + sigma * quantile(cell, cells)))) for cell in range(cells)
    )


class Tape(Stream):
    """A Stream that hashes a kilobyte at a time (SHAKE-256): a report takes hundreds of draws."""

    def __init__(self, *parts: str | int) -> None:
        super().__init__(*parts)
        self._words: Iterator[int] = iter(())

    def integer(self) -> int:
        """Uniform in [0, 2^64)."""
        for word in self._words:
            return word
        block = hashlib.shake_256(self._prefix + b"%d" % self._block).digest(_BLOCK.size)
        self._block += 1
        self._words = iter(_BLOCK.unpack(block))
        return next(self._words)

    def normal(self) -> int:
        """A standard normal deviate in units of 1/SCALE."""
        return NORMAL[self.integer() >> 52]
