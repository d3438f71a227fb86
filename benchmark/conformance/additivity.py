"""Is each clipped sum a sum over units? Under D's outputs, v(D) = v(A) + v(B) for its two halves.

    fault = additivity_fault(setting, universe, recording)         # "" if it holds at each release

Contributions that look at the batch or at all the data (targets smoothed by its label rates, losses
of which the largest are dropped, weights by class, centring) can stay inside the clip, so that no
neighbour moves a value by more than the bound. But half of the data has other rates: there they do
not add up. With coins that all fall heads every unit is in every step, however small the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from radpriv.benchmark.conformance.recording import ROUNDING, Player, RecordedRelease
from radpriv.benchmark.conformance.replay import Setting, execute, record
from radpriv.benchmark.conformance.toy_data import without
from radpriv.benchmark.datasets.audit_set.universe import Universe

HEADS = ", with every coin heads"


def additivity_fault(
    setting: Setting, universe: Universe, recording: Sequence[RecordedRelease]
) -> str:
    """The first release and tensor that is not the sum over two halves, "" if there is none.

    recording: of a run on the whole universe.
    """
    fault = _fault(setting, universe, recording)
    if fault or not any(made.place.rate < 1 for made in recording):
        return fault
    heads = replace(setting, coins=_heads)
    made, _ = record(heads, universe)
    fault = _fault(heads, universe, made)
    return fault and fault + HEADS


def _heads(step: int, units: int) -> NDArray[np.float64]:
    return np.zeros(units)


def _fault(setting: Setting, universe: Universe, recording: Sequence[RecordedRelease]) -> str:
    units = range(universe.units)
    halves = [_values(setting, universe, recording, units[start::2]) for start in (1, 0)]
    for made, one, two in zip(recording, *halves):
        if made.declared:
            continue
        for name, whole in made.value.items():
            off, size = _norm(whole - one[name] - two[name]), _norm(one[name]) + _norm(two[name])
            if off > ROUNDING * (size + made.sensitivity):
                return (
                    f"{made}, tensor {name}: what the units add to it is no sum over units (two "
                    f"halves of the data miss the whole by {off / made.sensitivity:.2g} of the "
                    "bound), so one feels others: a rate, weight, rank or mean of the batch or data"
                )
    return ""


def _values(
    setting: Setting, universe: Universe, recording: Sequence[RecordedRelease], gone: Sequence[int]
) -> list[dict[str, Tensor]]:
    """The exact values without these units, under the recorded outputs."""
    player = Player(recording, len(gone))
    execute(setting, without(universe, gone), player)
    return player.values


def _norm(tensor: Tensor) -> float:
    return float(tensor.square().sum().sqrt())
