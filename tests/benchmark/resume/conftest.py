"""Methods with a state, and a bench on which their runs are stopped and go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy import streams
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.bounded import bounded_sum
from radpriv.benchmark.privacy.checkpoint import Checkpoints
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Finished, Store
from radpriv.benchmark.suites.job import Job

WORDS = HashedWords(32, 1, True)
STEPS = 5


@dataclass(frozen=True)
class Decays(Method):
    """DP-Adam with a scheduler, both in the state; `Forgets` leaves one out."""

    rate: float = 0.5

    uses_encoder = False

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        self.loop(model, train.map("words", WORDS), run)
        return self.fitted(train, model)

    def loop(self, model: LinearModel, records: Any, run: Any, steps: int = STEPS) -> None:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
        sigma = run.calibrate(self.rate, 2 * STEPS)
        state = self.state(model, optimizer, schedule)
        for step in run.poisson(records, self.rate, steps, state=state):
            total = clipped_sum(model, step.records, 0.1)
            update = step.gaussian("gradient", total, sigma) / step.expected_batch
            apply(model, optimizer, update)
            schedule.step()

    def state(self, *parts: Any) -> Any:
        return parts

    def fitted(self, train: Any, model: LinearModel) -> LinearFitted:
        weight, bias = model.head.weight.detach().numpy().T, model.head.bias.detach().numpy()
        return LinearFitted(train.labels, WORDS, weight, bias, WORDS.spec)


class Forgets(Decays):
    """Its schedule starts anew after a stop, so its noised values differ."""

    def state(self, *parts: Any) -> Any:
        return parts[:2]


class QueriesFirst(Decays):
    """Scales its features by noised moments, released by a query before the loop."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        records = train.map("words", WORDS)
        sigma = run.calibrate(1.0, 1) * 3
        with run.once(records) as query:
            total = bounded_sum(lambda r: {"x": r.inputs()[0].double()}, query.records, 1.0)
            noised = query.gaussian("moments", total, sigma).tensors["x"]
        model = LinearModel(32, len(train.labels), float(noised.abs().sum()) / 100).train()
        self.loop(model, records, run)
        return self.fitted(train, model)


class TwoLoops(Decays):
    """Two loops over one model, the second shorter."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        records = train.map("words", WORDS)
        self.loop(model, records, run, 3)
        self.loop(model, records, run, 2)
        return self.fitted(train, model)


class Averages(Decays):
    """Public jitter from a generator, and an average of the weights that no release depends on."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> LinearFitted:
        model = LinearModel(32, len(train.labels), 1.0).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        jitter = run.rng("jitter")
        average = torch.optim.swa_utils.AveragedModel(model)
        sigma = run.calibrate(self.rate, STEPS)
        state = (model, optimizer, jitter, average)
        for step in run.poisson(train.map("words", WORDS), self.rate, STEPS, state=state):
            total = clipped_sum(model, step.records, 0.1)
            update = step.gaussian("gradient", total, sigma) / step.expected_batch
            apply(model, optimizer, update)
            with torch.no_grad():
                model.head.bias.add_(0.1 * torch.randn(len(train.labels), generator=jitter))
            average.update_parameters(model)
        return self.fitted(train, average.module)


METHODS = {m.__name__: m for m in (Decays, Forgets, QueriesFirst, TwoLoops, Averages)}


class Keys:
    """Stands in for the operating system's entropy: the n-th key is n, repeated."""

    def __init__(self) -> None:
        self.drawn = 0

    def urandom(self, size: int) -> bytes:
        self.drawn += 1
        return bytes([self.drawn]) * size


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    source = Keys()
    monkeypatch.setattr(streams, "os", SimpleNamespace(urandom=source.urandom))
    return source


@contextmanager
def stopping(
    owner: Any, name: str, when: str, count: int, error: BaseException | None = None
) -> Iterator[None]:
    """Inside, the `count`-th call of owner.name is interrupted before or after it was made."""
    real, left = getattr(owner, name), [count]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and when == "before":
            raise error or KeyboardInterrupt
        result = real(*args, **kwargs)
        if left[0] == 0:
            raise error or KeyboardInterrupt
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrapped)
        yield


@contextmanager
def one_checkpoint(steps: int) -> Iterator[None]:
    """Inside, the one checkpoint is that of so many steps, so that ledger lines lie beyond it."""
    real = Checkpoints.keep

    def keep(self: Checkpoints, first: int, done: int, *rest: Any) -> None:
        if done == steps:
            real(self, first, done, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "keep", keep)
        yield


_WHOLE: dict[tuple[str, str, str, int], dict[str, bytes]] = {}


@dataclass
class Bench:
    """Runs of one job, each on a store of its own; a checkpoint after each step."""

    job: Job
    how: Fingerprint
    context: Context
    keys: Keys

    stop = staticmethod(stopping)
    checkpoint_only_after = staticmethod(one_checkpoint)

    def __post_init__(self) -> None:
        self.context.checkpoint_every = 0.0

    def fresh(self, name: str = "trial") -> Bench:
        self.keys.drawn = 0
        store = Store(self.context.store.root.with_name(name))
        return replace(self, context=replace(self.context, store=store))

    def run(self) -> Finished:
        return run_cell(self.job, self.how, self.context)

    def ends(self) -> dict[str, bytes]:
        """Every file of the finished cell but provenance.json, by its path in it."""
        folder = self.run().folder
        return {
            p.relative_to(folder).as_posix(): p.read_bytes()
            for p in folder.rglob("*")
            if p.is_file() and p.name != "provenance.json"
        }

    def whole(self, drawn: int = 0) -> dict[str, bytes]:
        """The files of a cell that nothing stopped. drawn: keys that were drawn before its own."""
        name = (self.job.cell.id, self.how.digest, self.context.device.type, drawn)
        if name not in _WHOLE:
            other = self.fresh(f"whole{drawn}")
            other.keys.drawn = drawn
            _WHOLE[name] = other.ends()
        return _WHOLE[name]

    def stopped(self, name: str, when: str, count: int, owner: Any = Run) -> None:
        with pytest.raises(KeyboardInterrupt), stopping(owner, name, when, count):
            self.run()

    @property
    def folder(self) -> Path:
        return self.context.store.root / "work" / self.job.cell.id / self.how.digest

    @property
    def attempts(self) -> list[Any]:
        return self.context.store.attempts(self.job.cell.id)

    def releases(self) -> int:
        ledger = self.folder / "ledger.jsonl"
        return len(read(ledger)) if ledger.is_file() else 0


@pytest.fixture
def bench(
    how: Fingerprint, context: Context, keys: Keys, job_with: Callable[..., Job]
) -> Callable[..., Bench]:
    """A bench for a job, or for one of the methods above by its name."""

    def made(job: Job | str, noise: str = "secret") -> Bench:
        if isinstance(job, str):
            job = job_with(METHODS[job](), noise=f'"{noise}"')
        return Bench(job, how, context, keys)

    return made
