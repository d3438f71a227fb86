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
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.conformance.captured_output import captured_output
from radpriv.benchmark.conformance.fresh_plugin import fresh_plugin
from radpriv.benchmark.conformance.recording import (
    ROUNDING,
    Departed,
    Player,
    RecordedRelease,
    Recorder,
    ReplayDifference,
)
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset, closed, make_loader
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.plugin_guard import staying
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release
from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.records import PrivateFeatures, PrivateRecords
from radpriv.benchmark.privacy.release import Releaser
from radpriv.benchmark.privacy.run import Coins, Diverged, Run
from radpriv.benchmark.privacy.step import Step
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.benchmark.store.ledger_schema import Declaration, Group
from radpriv.errors import AttackError, RadprivError, kind_and_place

__all__ = [
    "KEY",
    "ROUNDING",
    "Departed",
    "Player",
    "RecordedRelease",
    "Recorder",
    "ReplayDifference",
    "ReplayOutcome",
    "Replayed",
    "Setting",
    "WatchedRun",
    "execute",
    "in_words",
    "play",
    "record",
]

KEY = hashlib.sha256(b"radpriv/check").digest()


@dataclass(frozen=True)
class ReplayOutcome:
    """All that a run leaves behind but its noised outputs; equal on neighbours. ended: how.

    draws: step -> rate and the slots that it handed out, which follow the coins and are private.
    """

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
    progress: tuple[float, ...] = ()
    draws: Mapping[int, tuple[float, NDArray[np.int64]]] = field(default_factory=dict, repr=False)

    def differs(self, other: ReplayOutcome) -> str:
        """The first field that differs, in words; "" if none does."""
        if self.ended != other.ended:
            return f"one run ended as '{self.ended}', the other as '{other.ended}'"
        for name in ("calibrations", "releases", "disclosed", "declared", "thresholds", "progress"):
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

    texts: on which the finished model must answer alike, the records' own among them. coins: where
    others are drawn than those of the key. dtype: of new tensors and modules.
    """

    method: Method
    encoder: Encoder | None
    budget: Budget
    labels: tuple[str, ...]
    n_public: int
    key: bytes = KEY
    texts: Sequence[str] = field(default=PUBLIC_SENTENCES, repr=False)
    coins: Coins | None = None
    dtype: torch.dtype = torch.float64


def execute(
    setting: Setting,
    universe: Universe,
    release: Releaser | None,
    checkpoints: Checkpoints | None = None,
    ledger: Ledger | None = None,
    progress: Any = None,
) -> ReplayOutcome:
    """One run of the method, in surroundings of its own; Departed where a player found another
    sequence."""
    told: list[float] = []

    def tell(passes: float) -> None:
        told.append(passes)
        if progress is not None:
            progress(passes)

    budget = replace(setting.budget)  # a method may change its own
    train = PrivateRecords(universe, setting.labels, setting.n_public, FeatureCache(None))
    run = WatchedRun(
        budget=replace(budget),
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
        progress=tell,
        coins=setting.coins,
    )
    fitted, ended = None, "done"
    with default_dtype(setting.dtype), alone(), staying(), closed(), captured_output() as printed:
        try:
            fitted = fresh_plugin(setting.method).fit(train, setting.encoder, budget, run)
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
        progress=tuple(told),
        draws=run._draws,
    )


class WatchedRun(Run):
    """A run that notes which records each step handed out."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._draws: dict[int, tuple[float, NDArray[np.int64]]] = {}

    def _sample(self, records: PrivateFeatures, rate: float, query: bool = False) -> Step:
        step = super()._sample(records, rate, query)
        self._draws[step.index] = (rate, step.records.slots.copy())
        return step


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
def alone() -> Iterator[None]:
    """What one fit leaves in the environment or in the usual folders, no other finds.

    HOME, the folder for temporary files, radpriv's cache and the working folder are empty and gone
    afterwards; variables of the environment are as they were.
    """
    variables, place, temporary = dict(os.environ), os.getcwd(), tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="radpriv-check-") as folder:
        for name in ("HOME", "TMPDIR", "RADPRIV_CACHE", "XDG_CACHE_HOME"):
            os.environ[name] = str(Path(folder) / name.lower())
            Path(os.environ[name]).mkdir(mode=0o700)
        os.environ.pop("RADPRIV_DATA", None)
        tempfile.tempdir = os.environ["TMPDIR"]
        os.chdir(os.environ["HOME"])
        try:
            yield
        finally:
            os.chdir(place)
            tempfile.tempdir = temporary
            os.environ.clear()
            os.environ.update(variables)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors and modules have it inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
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


@lru_cache(maxsize=4)
def _public(name: str) -> Dataset:
    loader = make_loader(name, {})
    if loader.card.gated:
        raise AttackError(f"'{name}' is no public dataset")
    return loader.load(None)
