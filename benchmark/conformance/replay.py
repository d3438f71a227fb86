"""Record and replay: is everything that a method learns bounded by what its releases declare?

    seen = record(method, world, universe, …)          # run on D, keep each exact value
    heard = play(method, world, neighbour, …, seen)    # run on D′ with D's key and D's outputs

Given the same noised outputs, (i) every exact value may differ by at most its declared sensitivity,
and (ii) everything else is bit-identical: which releases are made, with what noise, and the saved
model. No statistics, so no false alarm but rounding, in float64. The idea is dp-recorder's
(2602.17454).
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.captured_output import captured_output
from radpriv.benchmark.conformance.fresh_plugin import fresh_plugin
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset, make_loader
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.plugin_guard import staying
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release
from radpriv.benchmark.privacy.bounded import Bounded, Declared
from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import Noised, Place, Releaser, live
from radpriv.benchmark.privacy.run import Diverged, Run
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.benchmark.store.ledger_schema import Declaration, Group
from radpriv.errors import AttackError, RadprivError, kind_and_place

ROUNDING = 1e-9
"""Relative; what float64 adds to a distance that equals the bound exactly."""

KEY = hashlib.sha256(b"radpriv/check").digest()


@dataclass(frozen=True)
class RecordedRelease:
    """One release as it was made. value: exact, float64 tensors by name.

    declared: whether a theorem gives its bound; otherwise it is a clipped sum.
    """

    place: Place
    sensitivity: float
    noise_multiplier: float
    value: Mapping[str, Tensor] = field(repr=False)
    noised: Noised = field(repr=False)
    declared: bool = False

    def __str__(self) -> str:
        return f"'{self.place.name}' of step {self.place.step}"


@dataclass(frozen=True)
class ReplayDifference:
    """What the neighbour showed at one release: distance / declared sensitivity, a unit."""

    made: RecordedRelease
    ratio: float

    @property
    def bounded(self) -> bool:
        return self.ratio <= 1 + ROUNDING


class Departed(Exception):
    """The neighbour's run asked for something else than the recorded one: what, in words."""


class Recorder:
    """A releaser that notes exact values and what became of them."""

    def __init__(self, key: bytes) -> None:
        self._live = live(key)
        self.made: list[RecordedRelease] = []

    def __call__(self, place: Place, value: Bounded, sigma: float) -> Noised:
        noised = self._live(place, value, sigma)
        kept = Noised(_copy(noised.tensors))  # a method may change what it was given in place
        exact, declared = _copy(value.tensors), isinstance(value, Declared)
        self.made.append(RecordedRelease(place, value.sensitivity, sigma, exact, kept, declared))
        return noised


class Player:
    """A releaser that measures the distance to a recording, and answers with its outputs.

    units: how many make the difference; each may move a value by the declared sensitivity.
    """

    def __init__(self, recording: Sequence[RecordedRelease], units: int = 1) -> None:
        self._recording, self._units = recording, units
        self.differences: list[ReplayDifference] = []
        self.departed = ""

    def __call__(self, place: Place, value: Bounded, sigma: float) -> Noised:
        index = len(self.differences)
        if index >= len(self._recording):
            self._depart(f"one more release: '{place.name}' of step {place.step}")
        made = self._recording[index]
        for what, here, there in (
            ("step", place.step, made.place.step),
            ("name", place.name, made.place.name),
            ("sampling rate", place.rate, made.place.rate),
            ("noise multiplier", sigma, made.noise_multiplier),
            ("declared sensitivity", value.sensitivity, made.sensitivity),
            ("tensors", _shapes(value.tensors), _shapes(made.value)),
        ):
            if here != there:
                self._depart(f"another {what} at release {made}: {here}, not {there}")
        square = sum(float((value.tensors[n] - t).square().sum()) for n, t in made.value.items())
        ratio = math.sqrt(square) / made.sensitivity / self._units
        self.differences.append(ReplayDifference(made, ratio))
        return Noised(_copy(made.noised.tensors))

    def _depart(self, how: str) -> None:
        self.departed = self.departed or how  # kept: a method may swallow the exception
        raise Departed(self.departed)


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: t.detach().clone() for n, t in tensors.items()}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in sorted(tensors.items())}


@dataclass(frozen=True)
class ReplayOutcome:
    """All that a run leaves behind but its noised outputs; equal on neighbours. ended: how."""

    ended: str
    releases: tuple[Release, ...]
    calibrations: tuple[Group, ...]
    disclosed: frozenset[str]
    declared: tuple[Declaration, ...]
    thresholds: tuple[float, ...]
    trainable_parameters: int
    files: tuple[tuple[str, str], ...]
    logits: bytes = field(default=b"", repr=False)
    raw: bool = False
    silent: bool = False
    printed: str = field(default="", repr=False)

    def differs(self, other: ReplayOutcome) -> str:
        """The first field that differs, in words; "" if none does."""
        if self.ended != other.ended:
            return f"one run ended as '{self.ended}', the other as '{other.ended}'"
        for name in ("calibrations", "releases", "disclosed", "declared", "thresholds"):
            if getattr(self, name) != getattr(other, name):
                return f"{name} differ"
        if self.trainable_parameters != other.trainable_parameters:
            return "the number of trainable parameters differs"
        mine, theirs = dict(self.files), dict(other.files)
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                return f"saved file {name} differs"
        return "" if self.logits == other.logits else "logits of the same texts differ"


@dataclass(frozen=True)
class Setting:
    """What a replay holds fixed: the method, its encoder and budget, the labels and n_public.

    texts: on which the finished model must answer alike, the records' own among them.
    """

    method: Method
    encoder: Encoder | None
    budget: Budget
    labels: tuple[str, ...]
    n_public: int
    key: bytes = KEY
    texts: Sequence[str] = field(default=PUBLIC_SENTENCES, repr=False)


def execute(
    setting: Setting,
    universe: Universe,
    release: Releaser | None,
    checkpoints: Checkpoints | None = None,
    ledger: Ledger | None = None,
    progress: Any = None,
) -> ReplayOutcome:
    """One run of the method in float64; Departed where a player found another sequence."""
    train = PrivateRecords(universe, setting.labels, setting.n_public, FeatureCache(None))
    run = Run(
        budget=setting.budget,
        n_public=setting.n_public,
        labels=len(setting.labels),
        key=setting.key,
        suite_key=b"radpriv/check",
        seed=0,
        ledger=ledger or Ledger(None),
        device=torch.device("cpu"),
        public=_public,
        units=universe.units,
        release=release,
        checkpoints=checkpoints,
        progress=progress,
    )
    fitted, ended = None, "done"
    with float64(), staying(), captured_output() as printed:
        try:
            fitted = fresh_plugin(setting.method).fit(train, setting.encoder, setting.budget, run)
        except Diverged:
            ended = "diverged"
        files = _saved(fitted) if fitted is not None else ()
        logits = fitted.logits(setting.texts).tobytes() if fitted is not None else b""
    return ReplayOutcome(
        ended=ended,
        releases=tuple(run.releases),
        calibrations=run.calibrations,
        disclosed=run.disclosed,
        declared=run.declared,
        thresholds=tuple(map(float, fitted.thresholds)) if fitted is not None else (),
        trainable_parameters=fitted.trainable_parameters if fitted is not None else 0,
        files=files,
        logits=logits,
        raw=train.left_waist,
        silent=run.silent,
        printed=printed(),
    )


def record(setting: Setting, universe: Universe) -> tuple[list[RecordedRelease], ReplayOutcome]:
    """Run on D and keep every exact value."""
    recorder = Recorder(setting.key)
    outcome = execute(setting, universe, recorder)
    return recorder.made, outcome


@dataclass(frozen=True)
class Replayed:
    """differences: one per release that was compared. departed: (ii) in words, "" if it holds.

    prints_alike: whether the run on the neighbour came to its end and printed the same.
    """

    differences: tuple[ReplayDifference, ...]
    departed: str
    prints_alike: bool = False

    @property
    def worst(self) -> ReplayDifference | None:
        return max(self.differences, key=lambda d: d.ratio, default=None)

    @property
    def bounded(self) -> bool:
        return all(d.bounded for d in self.differences)


def play(
    setting: Setting,
    neighbour: Universe,
    recording: Sequence[RecordedRelease],
    outcome: ReplayOutcome,
    units: int = 1,
) -> Replayed:
    """Run on D′ with D's key and D's noised outputs, and compare. units: D and D′ differ in."""
    player = Player(recording, units)
    try:
        found = execute(setting, neighbour, player)
    except (Exception, SystemExit) as error:  # its own: it must not depend on one unit either
        departed = player.departed or f"{in_words(error)}, on the neighbour alone"
        return Replayed(tuple(player.differences), departed)
    missing = len(recording) - len(player.differences)
    departed = player.departed or (f"{missing} releases fewer" if missing else "")
    departed = departed or outcome.differs(found)
    return Replayed(tuple(player.differences), departed, found.printed == outcome.printed)


def in_words(error: BaseException) -> str:
    """Kind and sentence of an error of ours; kind and place of another. The data are public."""
    if isinstance(error, RadprivError):
        return f"{type(error).__name__}: {error}"
    return kind_and_place(error)


@contextmanager
def float64() -> Iterator[None]:
    """New tensors and modules are float64 inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _saved(fitted: Any) -> tuple[tuple[str, str], ...]:
    """(name, SHA-256) of every file that `save` writes."""
    with tempfile.TemporaryDirectory(prefix="radpriv-check-") as name:
        folder = Path(name) / "model"
        fitted.save(folder)
        return tuple(
            (str(p.relative_to(folder)), hashlib.sha256(p.read_bytes()).hexdigest())
            for p in sorted(folder.rglob("*"))
            if p.is_file()
        )


def _public(name: str) -> Dataset:
    loader = make_loader(name, {})
    if loader.card.gated:
        raise AttackError(f"'{name}' is no public dataset")
    return loader.load(None)
