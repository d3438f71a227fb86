"""Gradient canaries: contributions that the waist itself adds, and what releases show of them.

A Dirac canary (Nasr et al. 2023, 2302.07956): its clipped contribution to every sum is max_norm
times a public unit direction, here one coordinate of the released tensors. It is present by its own
membership coin and drawn by its own sampling coin, as a record is, so it is a unit like any other,
and the hardest that the clip lets through. After each release the projection of the noised value
onto the direction of every canary, in or out, goes to the private diagnostics.

A sum of which no canary can be part (a declared bound) shows the noise alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Points = NDArray[np.float64]
"""float64 (canaries,) in [0, 1): where in all coordinates the direction of each lies."""


def coordinates(points: Points, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, int]]:
    """(tensor, flat index) of each canary: the floor(point * d)-th of the d coordinates.

    Coordinates are counted tensor by tensor in order of name. Two canaries may share one.
    """
    names = sorted(n for n in tensors if tensors[n].numel())
    ends = np.cumsum([tensors[n].numel() for n in names])
    for point in points:
        place = int(point * ends[-1])
        i = int(np.searchsorted(ends, place, side="right"))
        yield names[i], place - (int(ends[i - 1]) if i else 0)


def add_planted(points: Points, sums: Mapping[str, Tensor], max_norm: float) -> None:
    """Add max_norm times its direction for each canary that was drawn; in place."""
    for name, place in coordinates(points, sums):
        sums[name].view(-1)[place] += max_norm


def projections(points: Points, noised: Mapping[str, Tensor]) -> tuple[float, ...]:
    """<noised value, direction> of each canary."""
    return tuple(float(noised[name].reshape(-1)[i]) for name, i in coordinates(points, noised))


def among(points: Points | None, slots: NDArray[np.int64]) -> Points:
    """The points of the canaries among these slots, in their order."""
    if points is None:
        return np.zeros(0)
    found = points[slots]
    return found[~np.isnan(found)]
