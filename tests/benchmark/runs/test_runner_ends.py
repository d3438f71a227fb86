"""How a cell may end, whose keys it uses, and what it never says."""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.baselines.prior import PriorFitted
from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.runs.run_plan import ending
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.cell_schema import CellRecord
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import dump
from radpriv.benchmark.suites import job as job_module
from radpriv.benchmark.suites.job import Job
from radpriv.errors import CellFailed

JobWith = Callable[..., Job]
JobsOf = Callable[..., list[Job]]
WORDS = HashedWords(64, 1, True)


def cell_of(jobs: list[Job], role: str = "cell") -> Job:
    return next(j for j in jobs if j.role == role)


def files(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.rglob("*")) if p.is_file())


@dataclass(frozen=True)
class Loop(Method):
    """A plain DP-SGD loop on hashed words; parts of it are replaced by the tests."""

    rate: float = 0.5
    steps: int = 5
    more: float = 1.0
    seen: ClassVar[list[Any]] = []

    uses_encoder = False

    def optimizer(self, model: LinearModel) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=1.0)

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        model = LinearModel(64, len(train.labels), 1.0).train()
        optimizer = self.optimizer(model)
        sigma = run.calibrate(self.rate, self.steps)
        steps = round(self.steps * self.more)
        records = train.map("words", WORDS)
        for step in run.poisson(records, self.rate, steps, state=(model, optimizer)):
            total = clipped_sum(model, step.records, 0.1)
            update = step.gaussian("gradient", total, sigma) / step.expected_batch
            self.seen.append((step.expected_batch, update.tensors))
            apply(model, optimizer, update)
        return self.fitted(train.labels)

    def fitted(self, labels: tuple[str, ...]) -> Any:
        return PriorFitted(labels, np.zeros(len(labels)))


# How a cell may end.


@dataclass(frozen=True)
class Peeks(DPBagOfWords):
    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        train.raw()
        return super().fit(train, encoder, budget, run)


@dataclass(frozen=True)
class Stale(Loop):
    def optimizer(self, model: LinearModel) -> torch.optim.Optimizer:
        copies = [p.detach().clone().requires_grad_() for p in model.parameters()]
        return torch.optim.SGD(copies, lr=1.0)


@dataclass(frozen=True)
class Explodes(Loop):
    def optimizer(self, model: LinearModel) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=math.inf)


@dataclass(frozen=True)
class Unscorable(Loop):
    def fitted(self, labels: tuple[str, ...]) -> Any:
        return PriorFitted(labels, np.full(len(labels), np.nan))


@dataclass(frozen=True)
class Misshapen(Loop):
    def fitted(self, labels: tuple[str, ...]) -> Any:
        return PriorFitted(labels, np.zeros(len(labels) + 1))


def over_budget(found: FinishedCell) -> CellRecord:
    assert found.record.status == "over_budget"
    assert not (found.folder / "test.parquet").exists() and not (found.folder / "model").exists()
    assert not (found.folder / "private" / "candidates.parquet").exists()
    return found.record


def test_method_that_leaves_the_waist_is_over_budget_unscored(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """A private method that leaves the waist ends over budget without scores."""
    record = over_budget(run_cell(job_with(Peeks(size=64, steps=3)), how, context))
    assert record.certificate is None and record.claim is None
    assert "train.raw" in ending(record)


def test_steps_beyond_the_calibrated_ones_are_booked_over_budget(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """Steps beyond the calibrated ones are booked and end over budget."""
    assert run_cell(job_with(Loop(steps=10)), how, context).record.status == "done"
    record = over_budget(run_cell(job_with(Loop(steps=10, more=1.2)), how, context))
    assert record.ledger.releases == 12 > record.calibration[0].steps
    spent = record.certificate.epsilon
    assert spent > 1.0 and f"ε = {spent:.4g}, above its budget of 1" in ending(record)


def test_stale_optimizer_fails_uncached_and_keeps_its_attempt(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """A stale optimizer fails, is not cached, and its attempt is kept."""
    job = job_with(Stale())
    for tries in (1, 2):
        with pytest.raises(CellFailed, match="adapter did not move"):
            run_cell(job, how, context)
        assert context.store.lookup(job.cell.id, how.digest) is None
        attempts = context.store.attempts(job.cell.id)
        assert len(attempts) == tries and attempts[-1].releases == 1
        assert "adapter did not move" in attempts[-1].why.sentence
    assert run_cell(job_with(Loop()), how, context).record.status == "done"


def test_non_finite_noised_weights_diverge_and_keep_the_ledger(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """Noised weights that are not finite end as diverged, with the ledger kept."""
    found = run_cell(job_with(Explodes()), how, context)
    assert found.record.status == "diverged" and found.record.thresholds is None
    assert len(read(found.folder / "ledger.jsonl")) == 1
    assert found.record.certificate.epsilon <= 1.0
    assert not (found.folder / "test.parquet").exists()
    assert ending(found.record) == "its weights became non-finite"


@pytest.mark.parametrize(("module", "name"), [(sys, "exit"), (os, "_exit")])
def test_method_that_would_end_the_process_fails_its_cell_alone(
    job_with: JobWith, how: Fingerprint, context: Context, module: Any, name: str
) -> None:
    """A method that would end the process fails its cell alone."""

    class Leaves(Loop):
        def fitted(self, labels: tuple[str, ...]) -> Any:
            getattr(module, name)(0)

    job = job_with(Leaves())
    with pytest.raises(CellFailed, match=r"would end the process \(SystemExit at test_runner_ends"):
        run_cell(job, how, context)
    (attempt,) = context.store.attempts(job.cell.id)
    assert attempt.releases == 5 and "would end the process" in attempt.why.sentence
    assert ending(run_cell(job_with(Loop()), how, context).record) == ""


def test_logits_that_are_not_finite_fail_with_their_count(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    job = job_with(Unscorable())
    n = len(job.dataset(None).rows("test"))
    with pytest.raises(CellFailed, match=f"logits of {n} of {n} test records are not finite"):
        run_cell(job, how, context)
    with pytest.raises(CellFailed, match="logits have shape"):
        run_cell(job_with(Misshapen()), how, context)
    assert not list(context.store.cells())


# Keys.


def test_a_secret_key_lies_in_private_alone_and_is_committed_to(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    import hashlib

    job = job_with(Loop(), noise='"secret"')
    found = run_cell(job, how, context)
    path = found.folder / "private" / "run_key"
    key = path.read_bytes()
    assert len(key) == 32 and stat.S_IMODE(path.stat().st_mode) in (0o400, 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert found.record.noise_key_commitment == hashlib.sha256(key).hexdigest()
    assert found.record.cell.noise_mode == "secret"
    places = [p for root in (context.store.root, context.cache.folder) for p in files(Path(root))]  # type: ignore[arg-type]
    assert len(places) > 5
    for other in places:
        data = other.read_bytes()
        if other != path:
            assert key not in data and key.hex().encode() not in data, other


def hashes(found: FinishedCell) -> list[str]:
    return [r.sha256 for r in read(found.folder / "ledger.jsonl")]


def test_secret_runs_of_a_cell_differ_and_replayable_ones_do_not(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """Two secret runs of one cell differ, and two replayable ones do not."""
    other = replace(how, python="3.0")
    secret = job_with(Loop(), noise='"secret"')
    a, b = hashes(run_cell(secret, how, context)), hashes(run_cell(secret, other, context))
    assert len(a) == len(b) == 5 and not set(a) & set(b)
    same = job_with(Loop(), noise='"replayable"')
    first, second = run_cell(same, how, context), run_cell(same, other, context)
    assert first.folder != second.folder and hashes(first) == hashes(second)


def test_replayable_runs_are_bit_identical(
    jobs_of: JobsOf, context: Context, how: Fingerprint
) -> None:
    for method in ("dp_lora", "lora", "tfidf"):
        job = cell_of([j for j in jobs_of(method) if j.cell.method == method])
        first, second = (run_cell(job, replace(how, python=p), context) for p in ("a", "b"))
        for path in files(first.folder):
            name = path.relative_to(first.folder)
            if name.name not in ("provenance.json", "record.json"):
                assert path.read_bytes() == (second.folder / name).read_bytes(), name
        one, two = ({**dump(f.record), "fingerprint": "", "how": ""} for f in (first, second))
        assert one == two


def test_cells_that_differ_in_one_axis_share_no_noise(
    jobs_of: JobsOf, context: Context, how: Fingerprint
) -> None:
    jobs = [j for j in jobs_of("dp_bow", epsilons="[1, 8]", seeds="2") if j.role == "cell"]
    found = [hashes(run_cell(j, how, context)) for j in jobs]
    assert len(jobs) == 4 and len({h for hs in found for h in hs}) == sum(map(len, found))


# Neighbours.


@contextmanager
def coin_turned(turn: int | None) -> Iterator[None]:
    """Inside, the candidate with this number has the other membership than its coin says."""
    drawn = job_module.draw

    def turned(*args: Any) -> Universe:
        universe = drawn(*args)
        member = universe.member.copy()
        if turn is not None:
            slot = np.flatnonzero(universe.candidate)[turn]
            member[slot] = ~member[slot]
        return replace(universe, member=member)

    job_module.draw = turned  # type: ignore[assignment]
    try:
        yield
    finally:
        job_module.draw = drawn


def test_divisor_is_constant_and_a_record_moves_by_clip_over_it(
    job_with: JobWith, how: Fingerprint, context: Context
) -> None:
    """The divisor is constant, and one record moves an update by the clip over it."""
    job = job_with(Loop(rate=1.0, steps=2), audit_share="0.5")
    Loop.seen.clear()
    for turn in (None, 0, 1):
        with coin_turned(turn):
            found = run_cell(job, replace(how, python=str(turn)), context)
        assert found.record.claim.adjacency == "add_remove"
    assert {b for b, _ in Loop.seen} == {1.0 * job.cell.n_public} and len(Loop.seen) == 6
    base = Loop.seen[0][1]
    for first in (Loop.seen[2][1], Loop.seen[4][1]):
        square = sum(float((base[n] - first[n]).square().sum()) for n in base)
        assert 0 < math.sqrt(square) <= 0.1 / job.cell.n_public * (1 + 1e-9)


LEARNED = {"fingerprint", "how"}


def test_a_record_does_not_depend_on_the_coin_of_a_candidate(
    jobs_of: JobsOf, context: Context, how: Fingerprint
) -> None:
    for job in jobs_of("dp_bow", "dp_lora", "tfidf", "prior", audit_share="0.5"):
        if job.role == "control":
            continue
        records, learned = [], []
        for turn in (None, 3):
            with coin_turned(turn):
                found = run_cell(job, replace(how, python=str(turn)), context)
            records.append({k: v for k, v in dump(found.record).items() if k not in LEARNED})
            learned.append((found.folder / "test.parquet").read_bytes())
        assert records[0] == records[1], job.cell.method
        assert learned[0] != learned[1], job.cell.method


# Silence.

MARKER = "zyzzyvaquux"


def mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on every report holds a word that occurs nowhere else."""
    loaded = job_module._load

    def marked(*args: Any) -> Dataset:
        dataset = loaded(*args)
        return replace(dataset, texts=tuple(f"{t} {MARKER} {MARKER}{t}" for t in dataset.texts))

    monkeypatch.setattr(job_module, "_load", marked)


def everything_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Bytes of each file; of Parquet also its values, which may be compressed on disk."""
    for path in files(folder):
        yield path, path.read_bytes()
        if path.suffix == ".parquet":
            yield path, repr(pq.read_table(path).to_pylist()).encode()


@dataclass(frozen=True)
class Quotes(Loop):
    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        words = train.raw().texts[0]
        assert MARKER in words
        raise ValueError(f"cannot read: {words}")


def test_report_words_reach_no_store_terminal_or_error(
    jobs_of: JobsOf,
    job_with: JobWith,
    context: Context,
    how: Fingerprint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No word of a report reaches the store, the terminal or an error."""
    mark(monkeypatch)
    for job in jobs_of():
        run_cell(job, how, context)
    quotes = job_with(Quotes())
    with pytest.raises(ValueError, match=MARKER):
        run_cell(quotes, how, context)
    assert context.store.attempts(quotes.cell.id)[0].why.sentence.startswith("ValueError at ")
    seen = list(everything_in(context.store.root))
    assert len(seen) > 50
    for path, data in seen:
        assert MARKER.encode() not in data, path
    out = capfd.readouterr()
    assert MARKER not in out.out + out.err
