"""Values with a bound: what one unit can change of them, known before any noise is added.

ClippedSum              sums of per-unit contributions, each scaled to norm ≤ max_norm
bounded_sum(f, …)       such a sum of any function of one record: Gram matrices, moments
Declared(…, source)     a bound that a theorem gives and replay tests
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from radpriv.benchmark.privacy.gradient_canaries import add_planted
from radpriv.benchmark.privacy.records import MicroBatches, Records
from radpriv.errors import CellFailed, PrivacyError

Contribution = Callable[[Records], Mapping[str, Tensor]]
"""A function of each record alone: tensors by name with first axis (B,)."""


@dataclass(frozen=True)
class ClippedSum:
    """A clipped sum: float64 tensors by name, which one unit changes by ≤ max_norm in L2 norm."""

    tensors: dict[str, Tensor] = field(repr=False)
    max_norm: float

    @property
    def sensitivity(self) -> float:
        return self.max_norm

    @property
    def name(self) -> str:
        """SHA-256 of its content: a release takes only what was summed over its own sample."""
        return sha256_of(self.tensors, repr(self.max_norm))


@dataclass(frozen=True)
class Declared:
    """A declared bound: tensors that one unit changes by ≤ sensitivity in joint L2 norm.

    For output perturbation, where no clip gives the bound and `source` proves it: paper, theorem
    and the numbers that enter it. The number is tested by replay on neighbours, not by the waist.

    Args:
        tensors: by name, kept as float64.
        sensitivity: positive and finite.
        source: where the bound is proved.

    Raises:
        PrivacyError: a bound that is none, or no source.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    sensitivity: float
    source: str

    def __post_init__(self) -> None:
        if not (self.sensitivity > 0 and math.isfinite(self.sensitivity)):
            raise PrivacyError(f"sensitivity = {self.sensitivity}: give a positive, finite bound")
        if not self.source.strip():
            raise PrivacyError("a declared sensitivity needs its source: paper and theorem")
        object.__setattr__(self, "tensors", {n: t.double() for n, t in self.tensors.items()})


Bounded = ClippedSum | Declared


def sha256_of(tensors: Mapping[str, Tensor], head: str = "") -> str:
    """Of names, shapes and float64 little-endian bytes, in order of name."""
    h = hashlib.sha256(head.encode())
    for name in sorted(tensors):
        array = tensors[name].detach().cpu().numpy().astype("<f8")
        h.update(name.encode() + b"\0" + repr(array.shape).encode() + array.tobytes())
    return h.hexdigest()


class Totals:
    """The sum in the making, and what the private diagnostics say of it."""

    def __init__(
        self, shapes: Mapping[str, torch.Size], max_norm: float, device: torch.device
    ) -> None:
        if not (max_norm > 0 and math.isfinite(max_norm)):
            raise PrivacyError(f"max_norm = {max_norm}: the clip must be positive and finite")
        if not 1e-100 <= max_norm <= 1e100:
            raise PrivacyError(f"max_norm = {max_norm}: squares vanish or overflow at such a clip")
        self._max_norm = max_norm
        self._sums = {
            n: torch.zeros(shape, dtype=torch.float64, device=device) for n, shape in shapes.items()
        }
        self._units, self._clipped = 0, 0

    def add(self, part: Records, contributions: Mapping[str, Tensor]) -> None:
        """Add whole units. contributions: float64 (B, size) by name, one row per record."""
        _, owner = np.unique(part.owners, return_inverse=True)
        units = int(owner.max()) + 1 if part.size else 0
        if units < part.size:
            index = torch.from_numpy(owner).to(part.device)
            contributions = {
                n: g.new_zeros(units, g.shape[1]).index_add_(0, index, g)
                for n, g in contributions.items()
            }
        norms = torch.stack([g.square().sum(1) for g in contributions.values()]).sum(0).sqrt()
        finite = torch.isfinite(norms)
        scale = torch.where(finite, (self._max_norm / norms.clamp_min(1e-300)).clamp(max=1.0), 0.0)
        for name, g in contributions.items():
            kept = g if bool(finite.all()) else torch.where(finite[:, None], g, 0.0)
            self._sums[name] += (scale @ kept).view_as(self._sums[name])
        self._units += units
        self._clipped += int((norms > self._max_norm).sum() + (~finite).sum())

    def finish(self, records: Records, loss: float = math.nan) -> ClippedSum:
        """The sum, entered among those of the records' sample. loss: summed, for the diagnostics.

        With the gradient canaries that were drawn with them.
        """
        add_planted(records._sample.drawn, self._sums, self._max_norm)
        records._diagnostics.note(
            records=records.size,
            loss=loss / max(records.size, 1),
            share_clipped=self._clipped / max(self._units, 1),
        )
        total = ClippedSum(self._sums, self._max_norm)
        records._sample.sums.add(total.name)
        return total


def bounded_sum(f: Contribution, records: Records, max_norm: float) -> ClippedSum:
    """Sum over units of c · min(1, max_norm / ‖c‖), c the sum of f over the unit's records.

    Clipping as in Abadi et al. 2016 (1607.00133), of any function of one record: Gram matrices,
    moments, histograms.

    Args:
        f: gives float tensors by name, first axis (B,), each row a function of its own record:
            found out on public sentences before a private record is read.
        records: of the step or query that is open. Releases of one step share its sample, and are
            accounted so.
        max_norm: the clip C, the L2 norm that one unit may add; the sum's sensitivity.

    Returns:
        float64 sums by name, without the first axis.

    Raises:
        CellFailed: f mixes rows, so that clipping bounds nothing.
        PrivacyError: f gives no row per record or no number, the records are of no step, max_norm
            is not positive and finite, or memory is too short for one unit.
    """
    public = records._sample.public
    if public is None:
        raise PrivacyError("bounded_sum: give the records of a query (run.once) or of a step")
    seen = public() if callable(public) else public
    shapes, plan = _check_rows(f, seen), records._plan

    def attempt() -> Totals:
        totals = Totals(shapes, max_norm, records.device)
        most = max(1, plan.elements // sum(s.numel() for s in shapes.values()))
        with torch.no_grad():
            for part in records.micro_batches(plan.tokens, most):
                totals.add(part, _rows(f, part))
        return totals

    return within_memory(plan, attempt).finish(records)


T = TypeVar("T")
_NO_MEMORY = ("not enough memory", "can't allocate memory", "STATUS_ALLOC_FAILED")


def within_memory(plan: MicroBatches, attempt: Callable[[], T]) -> T:
    """What `attempt` gives, taken again in smaller micro-batches whenever memory runs out.

    Nothing has been released by then. PrivacyError where one unit alone is too much.
    """
    while True:
        try:
            return attempt()
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            if plan.smallest:
                raise PrivacyError("memory is too short for the gradients of one unit") from error
            plan.halve()


def _out_of_memory(error: BaseException) -> bool:
    """CUDA has a class of its own; allocators of the CPU and of cuBLAS say it in their text."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(words in str(error) for words in _NO_MEMORY)


def _rows(f: Contribution, part: Records) -> dict[str, Tensor]:
    """float64 (B, size) by name."""
    given = f(part)
    for name, t in given.items():
        if t.ndim < 1 or len(t) != part.size:
            raise PrivacyError(
                f"bounded_sum: the first axis of '{name}' is not the records: give one row for each"
            )
    return {n: t.detach().double().reshape(part.size, -1) for n, t in given.items()}


def _check_rows(f: Contribution, public: Records) -> dict[str, torch.Size]:
    """Shapes of a row, by name; each row of public records must not depend on the others."""
    with torch.no_grad():
        together = f(public)
        for i in range(public.size):
            alone = f(public.take(np.array([i])))
            for name, t in together.items():
                if name not in alone or not torch.allclose(
                    alone[name][0].double(), t[i].double(), rtol=1e-4, atol=1e-6
                ):
                    raise CellFailed(
                        f"bounded_sum: what '{name}' says of one record depends on the others; "
                        "clipping then bounds nothing"
                    )
    if not sum(t[0].numel() for t in together.values()):
        raise PrivacyError("bounded_sum: the function gives no number for a record")
    return {n: t.shape[1:] for n, t in together.items()}
