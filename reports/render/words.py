"""Counts in words: 1 cell, 2 cells, 3 families."""

from __future__ import annotations


def counted(count: int, one: str) -> str:
    """A count with its noun, which is given in the singular; what follows the noun stays.

    counted(1, "cell"), counted(2, "family of cells") -> "1 cell", "2 families of cells"
    """
    if count == 1:
        return f"1 {one}"
    noun, space, rest = one.partition(" ")
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {several}{space}{rest}"
