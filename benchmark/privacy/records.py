"""PrivateRecords: the training set as a method sees it, through doors and not through windows.

There is no `len`, no member flag and no list of texts; indices are slots of the universe. `raw()`
is the one way out, and taking it voids the certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.features import FeatureCache, Features, Progress, RecordFunction
from radpriv.benchmark.privacy.doors import Doors
from radpriv.benchmark.privacy.gradient_canaries import Points, among
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.errors import PrivacyError


@dataclass(frozen=True)
class Projection:
    """What one release shows of each gradient canary, in order of slot (gradient_canaries.py)."""

    step: int
    release: str
    values: tuple[float, ...]


@dataclass
class TrainingDiagnostics:
    """Private diagnostics: written to private/, never to a record, a log or a method."""

    rows: list[dict[str, float]] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)

    def note(self, **values: float) -> None:
        self.rows.append(values)


@dataclass
class MicroBatches:
    """How a sum is cut into micro-batches: speed and memory, never the result beyond rounding.

    tokens: padded tokens in one. elements: per-record gradient elements in one (float64: 32 MiB).
    Halved when memory runs out; kept with a checkpoint, since the last bits follow it.
    """

    tokens: int = 4096
    elements: int = 2**22

    def halve(self) -> None:
        self.tokens, self.elements = max(1, self.tokens // 2), max(1, self.elements // 2)

    @property
    def smallest(self) -> bool:
        return self.tokens == self.elements == 1


@dataclass
class Sample:
    """One draw of records: usable while its step is open.

    slots, unit: what was drawn, and the unit of each slot of the universe; None outside a run.
    sums: names of the sums made of it. public: a few public records of the same kind, or what makes
    them when they are asked for.
    check: whether a model may be summed over it. drawn, watched: points of the gradient canaries
    that were drawn, and of all (gradient_canaries.py).
    """

    open: bool = True
    sums: set[str] = field(default_factory=set)
    public: Records | Callable[[], Records] | None = None
    slots: NDArray[np.int64] | None = None
    unit: NDArray[np.int64] | None = None
    check: Callable[[nn.Module], None] | None = None
    drawn: Points = field(default_factory=lambda: np.zeros(0))
    watched: Points = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Records:
    """Some records, in slot order: what a step hands out, or a micro-batch of it.

    labels: float32 (B, L), NaN where not observed. units: int64 (B,), whose record each is; each
    its own where not given. After their step has ended, they give no more inputs and
    no sums.
    """

    slots: NDArray[np.int64] = field(repr=False)
    features: Features = field(repr=False)
    labels: Tensor = field(repr=False)
    device: torch.device = field(default=torch.device("cpu"), repr=False)
    units: NDArray[np.int64] | None = field(default=None, repr=False)
    _diagnostics: TrainingDiagnostics = field(default_factory=TrainingDiagnostics, repr=False)
    _sample: Sample = field(default_factory=Sample, repr=False)
    _plan: MicroBatches = field(default_factory=MicroBatches, repr=False)

    @property
    def size(self) -> int:
        return len(self.slots)

    @property
    def owners(self) -> NDArray[np.int64]:
        """int64 (B,): the unit of each record, as drawn."""
        if self._sample.unit is not None:
            return np.asarray(self._sample.unit[self.slots], np.int64)
        return self.slots if self.units is None else self.units

    def inputs(self) -> tuple[Tensor, Tensor]:
        """(values (B, T, …) padded with 0, mask (B, T)); (B, …) and a mask (B, 1) if not ragged.

        Raises:
            PrivacyError: the step that they belong to has ended.
        """
        if not self._sample.open:
            raise PrivacyError("these records belong to a step that has ended; use step.records")
        stored = self.features.values
        blank = np.zeros(stored.shape[1:], stored.dtype)
        none = [blank[None] if self.features.ragged else blank]  # an empty sample, of the same kind
        values, mask = pad([self.features[i] for i in self.slots] or none, self.features.ragged)
        values, mask = values[: self.size], mask[: self.size]
        return values.to(self.device), mask.to(self.device)

    def take(self, index: NDArray[np.int64]) -> Records:
        return replace(
            self,
            slots=self.slots[index],
            labels=self.labels[index],
            units=None if self.units is None else self.units[index],
        )

    def micro_batches(self, tokens: int, most: int = 4096) -> Iterator[Records]:
        """Whole units, by length, so that padded size stays at or below `tokens`, if one fits.

        most: records in one micro-batch at the most, likewise. A unit is never split.

        Raises:
            PrivacyError: some of these records were not drawn in this step.
        """
        drawn = self._sample.slots
        if drawn is not None and not np.isin(self.slots, drawn).all():
            raise PrivacyError("these records were not all drawn in this step; use step.records")
        lengths = self.features.lengths[self.slots]
        _, owner, counts = np.unique(self.owners, return_inverse=True, return_counts=True)
        longest = np.zeros(len(counts), np.int64)
        np.maximum.at(longest, owner, lengths)
        units = np.argsort(longest, kind="stable")
        place = np.argsort(units, kind="stable")
        order = np.argsort(place[owner], kind="stable")  # records, unit by unit
        ends = np.concatenate([[0], np.cumsum(counts[units])])
        start = 0
        while start < len(units):
            stop = start + 1
            while stop < len(units):
                size = ends[stop + 1] - ends[start]
                if size > most or longest[units[stop]] * size > tokens:
                    break
                stop += 1
            yield self.take(order[ends[start] : ends[stop]])
            start = stop


@dataclass(frozen=True)
class PrivateFeatures:
    """The result of `train.map`: handed to `run.poisson`, never read by a method."""

    name: str
    function: RecordFunction
    _features: Features = field(repr=False)
    _universe: Universe = field(repr=False)
    _diagnostics: TrainingDiagnostics = field(repr=False)
    _plan: MicroBatches = field(repr=False)

    def _select(self, chosen: NDArray[np.bool_], device: torch.device) -> Records:
        """Records of the chosen units (bool, one per unit) that are members: for the sampler."""
        universe = self._universe
        drawn = np.flatnonzero(chosen[universe.unit] & universe.member)
        slots = drawn[~universe.gradient[drawn]]
        sample = Sample(
            slots=slots,
            unit=universe.unit,
            drawn=among(universe.points, drawn),
            watched=among(universe.points, np.arange(len(universe))),
        )
        return Records(
            slots,
            self._features,
            torch.from_numpy(universe.y[slots]).to(device),
            device,
            universe.unit[slots],
            _diagnostics=self._diagnostics,
            _sample=sample,
            _plan=self._plan,
        )


class PrivateRecords(Doors):
    """The door `train` of Method.fit."""

    _door = "train"

    def __init__(
        self,
        universe: Universe,
        labels: tuple[str, ...],
        n_public: int,
        cache: FeatureCache,
        progress: Progress | None = None,
    ) -> None:
        self.labels = labels
        self.n_public = n_public
        self._diagnostics = TrainingDiagnostics()
        self._plan = MicroBatches()
        self._left_waist = False
        self._universe = universe
        self._cache = cache
        self._progress = progress

    def map(self, name: str, f: RecordFunction) -> PrivateFeatures:
        """f once per record of the whole universe, in slot order, present or absent alike.

        Args:
            name: what errors call it.
            f: a public function of one text, with `key` and `ragged`, such as HashedWords.

        Returns:
            What `run.poisson` and `run.once` take; nothing in it is to be read.

        Raises:
            PrivacyError: f answers otherwise after it has seen the records.
            CellFailed: f is no such function.
        """
        before = [np.array(f(s)) for s in PUBLIC_SENTENCES]
        features = self._cache.map(f, self._universe.texts, self._progress)
        for sentence, value in zip(PUBLIC_SENTENCES, before):
            if not np.array_equal(f(sentence), value, equal_nan=True):
                raise PrivacyError(
                    f"map '{name}': the function answers otherwise after it has seen the records; "
                    "it must be a function of one text alone"
                )
        return PrivateFeatures(name, f, features, self._universe, self._diagnostics, self._plan)

    @property
    def left_waist(self) -> bool:
        """Whether `raw` was taken."""
        return self._left_waist

    def raw(self) -> RawRecords:
        """The members themselves. The run has no certificate from here on."""
        self._left_waist = True
        return RawRecords(self._universe, self._cache, self._progress)


class RawRecords:
    """What non-private baselines train on. texts, y: members in slot order."""

    def __init__(
        self, universe: Universe, cache: FeatureCache, progress: Progress | None = None
    ) -> None:
        self._universe = universe
        self._cache = cache
        self._progress = progress
        self.slots = np.flatnonzero(universe.member & ~universe.gradient)
        self.texts = [universe.texts[i] for i in self.slots]
        self.y = universe.y[self.slots]

    def features(self, f: RecordFunction) -> Features:
        """Values of f for the whole universe (index them with `slots`); shares the cache."""
        return self._cache.map(f, self._universe.texts, self._progress)

    def records(
        self, features: Features, slots: NDArray[np.int64], device: torch.device
    ) -> Records:
        """A batch of members for a training loop of the method's own."""
        labels = torch.from_numpy(self._universe.y[slots]).to(device)
        return Records(slots, features, labels, device)


def pad(arrays: Sequence[NDArray[Any]], ragged: bool) -> tuple[Tensor, Tensor]:
    """Stack arrays, one at least, padding the first axis with zeros where they are ragged.

    (values (B, T, …), bool mask (B, T)); a mask (B, 1) if not ragged.
    """
    if not ragged:
        return torch.from_numpy(np.stack(arrays)), torch.ones(len(arrays), 1, dtype=torch.bool)
    longest = max(len(a) for a in arrays)
    values = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    mask = np.zeros((len(arrays), longest), bool)
    for i, a in enumerate(arrays):
        values[i, : len(a)] = a
        mask[i, : len(a)] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
