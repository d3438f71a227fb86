"""Reproducible draws: SHA-256 in counter mode, and integers all the way.

Equal on every platform and in every version of Python and NumPy, which no library generator
promises. A stream belongs to a path, so what one report draws cannot move what another draws.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_ONE = 1 << 64


class Stream:
    """Draws of the path `parts`; public, of no cryptographic use here."""

    def __init__(self, *parts: str | int) -> None:
        self._prefix = "/".join(str(part) for part in parts).encode() + b"#"
        self._block = 0
        self._left = b""

    def integer(self) -> int:
        """Uniform in [0, 2^64)."""
        if not self._left:
            self._left = hashlib.sha256(self._prefix + b"%d" % self._block).digest()
            self._block += 1
        word, self._left = self._left[:8], self._left[8:]
        return int.from_bytes(word, "big")

    def below(self, n: int) -> int:
        """Uniform in [0, n), up to a bias of n/2^64."""
        return self.integer() * n // _ONE

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.integer() < int(p * _ONE)

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def weighted(self, shares: Sequence[float]) -> int:
        """Index drawn with these shares; their sum may fall short of 1: the last index + 1 then."""
        point = self.integer()
        edge = 0
        for index, share in enumerate(shares):
            edge += int(share * _ONE)
            if point < edge:
                return index
        return len(shares)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A random order (Fisher and Yates)."""
        rest = list(items)
        for last in range(len(rest) - 1, 0, -1):
            other = self.below(last + 1)
            rest[last], rest[other] = rest[other], rest[last]
        return rest
