"""run_cell: the whole life of one cell.

    finished = run_cell(job, context)

Looks the cell up, takes its lock, trains through the waist, scores candidates and test records, and
renames the result into the store. What is private goes to private/; record.json holds public facts
and DP outputs only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from radpriv.benchmark.datasets.audit_set.similarity import similarities
from radpriv.benchmark.datasets.base import Dataset, closed, make_loader
from radpriv.benchmark.datasets.texts import pick
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import Fitted
from radpriv.benchmark.plugin_guard import staying
from radpriv.benchmark.privacy.accounting.ledger import Ledger, mend, read
from radpriv.benchmark.privacy.checkpoint import Checkpoints, conditions
from radpriv.benchmark.privacy.checkpoint import resumable as checkpointed
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Diverged, Run
from radpriv.benchmark.privacy.streams import named_key, secret_key
from radpriv.benchmark.runs import record
from radpriv.benchmark.runs.deterministic import deterministic
from radpriv.benchmark.runs.truncation import note
from radpriv.benchmark.store.cell_schema import Status
from radpriv.benchmark.store.pending_result import REASON
from radpriv.benchmark.store.results import PROVENANCE, FinishedCell
from radpriv.benchmark.store.schema import write
from radpriv.benchmark.store.store import Store, atomic_write, write_parquet
from radpriv.benchmark.suites.job import Job
from radpriv.errors import (
    CellFailed,
    DataError,
    NotReproduced,
    PrivacyError,
    RadprivError,
    StoreError,
    kind_and_place,
)

if TYPE_CHECKING:
    from radpriv.benchmark.store.fingerprint import Fingerprint


@dataclass
class Context:
    """Where a run finds data, puts results and tells its progress.

    progress(kind, amount): "to map", how many records a public function is about to map; "mapped",
    so many more of them; "passes", so many more record passes of training.
    """

    store: Store
    cache: FeatureCache
    data: Path | None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Callable[[str, float], None] = lambda kind, amount: None
    checkpoint_every: float = 30.0


def run_cell(job: Job, how: Fingerprint, context: Context) -> FinishedCell:
    """The finished cell, from the store or computed; CellFailed or another RadprivError.

    A run that was stopped goes on at its last checkpoint. Where it does not reproduce what it
    released before, that attempt ends, its ledger is kept, and a new one begins with a new key.
    """
    try:
        found = context.store.lookup(job.cell.id, how.digest) if how.cached else None
        if found is not None:
            return _complete(found)
    except StoreError as error:  # damage is of one cell; a store that takes nothing more is not
        raise CellFailed(str(error)) from error
    try:
        return _attempt(job, how, context)
    except NotReproduced:
        return _attempt(job, how, context)


def _attempt(job: Job, how: Fingerprint, context: Context) -> FinishedCell:
    now = conditions(context.device)

    def goes_on(folder: Path) -> bool:
        return how.cached and resumable(folder, now)

    gated = job.loader.card.gated
    with context.store.begin(job.cell.id, how.digest, resume=goes_on, closed=gated) as work:
        if work.done is not None and how.cached:
            return work.done
        started = time.time()
        checkpoints = Checkpoints(
            work.folder / "private" if how.cached else None, context.checkpoint_every, now
        )
        try:
            with staying(), deterministic(context.device):
                _train_and_score(job, how, context, work.folder, work.resumed, checkpoints)
        except RadprivError as error:
            if is_ours(error):
                raise
            raise CellFailed(f"{type(error).__name__} raised by the plug-in itself") from None
        except SystemExit as error:
            raise CellFailed(
                f"its method would end the process ({kind_and_place(error)}): it must return"
            ) from None
        write(work.folder / PROVENANCE, record.provenance(started, context.device))
        checkpoints.discard()
        return work.finish()


def _complete(found: FinishedCell) -> FinishedCell:
    """A served cell, if its tables are there and readable; StoreError says what to delete."""
    if found.record.done:
        for name in ("test.parquet", "private/candidates.parquet", "private/flags.parquet"):
            try:
                pq.read_metadata(found.folder / name)
            except (OSError, pa.ArrowException) as error:
                raise StoreError(
                    f"{found.folder / name}: damaged; delete its cell's folder and run again"
                ) from error
    return found


def resumable(folder: Path, now: Mapping[str, Any]) -> bool:
    """Whether a stopped run in this folder can go on: not one that was ending as a failure."""
    return checkpointed(folder / "private", now) and not (folder / REASON).exists()


def _train_and_score(
    job: Job,
    how: Fingerprint,
    context: Context,
    folder: Path,
    resumed: bool,
    checkpoints: Checkpoints,
) -> None:
    dataset = job.dataset(context.data)
    if len(dataset.rows("test")) == 0:
        raise DataError(f"dataset {dataset.name}: its test split is empty; take more reports")
    universe = job.universe(dataset)
    key, commitment = _run_key(job, folder, resumed)
    ledger = _ledger(folder / "ledger.jsonl", resumed)
    train = PrivateRecords(
        universe,
        dataset.labels,
        job.cell.n_public,
        context.cache,
        MapTicks(context.progress, len(universe.texts)),
    )
    run = Run(
        budget=replace(job.cell.budget),
        n_public=job.cell.n_public,
        labels=len(dataset.labels),
        key=key,
        suite_key=job.suite_key,
        seed=job.cell.seed,
        ledger=ledger,
        device=context.device,
        public=lambda name: _public(name, job),
        units=universe.units,
        progress=partial(context.progress, "passes"),
        checkpoints=checkpoints,
    )
    fitted: Fitted | None = None
    status: Status = "done"
    try:
        with closed():
            fitted = job.method.fit(train, job.encoder, replace(job.cell.budget), run)
    except Diverged:
        status = "diverged"
    if ledger.unmade:
        raise NotReproduced(f"{ledger.unmade} releases of before the stop were not made again")
    _check_unchanged(ledger, folder / "ledger.jsonl")
    claim = record.Claims.of(job, run, train)
    if claim.over_budget:
        status = "over_budget"
    values = record.build(job, how, dataset, run, claim, fitted, status, commitment, context.device)
    if status == "done" and fitted is not None:
        _write_scores(job, fitted, dataset, universe, context, folder)
        fitted.save(folder / "model")
    if fitted is not None:
        note(fitted.frozen, universe, dataset, context.cache, folder / "private")
    write_parquet(
        folder / "private" / "diagnostics.parquet", record.diagnostics_table(train._diagnostics)
    )
    if universe.gradient.any():
        projections = record.projections_table(train._diagnostics, int(universe.gradient.sum()))
        write_parquet(folder / "private" / "projections.parquet", projections)
    (folder / "ledger.jsonl").touch()
    write(folder / "record.json", values)


class MapTicks:
    """Counts mapped records for `Context.progress`; says before the first how many there are."""

    def __init__(self, tell: Callable[[str, float], None], total: int) -> None:
        self._tell, self._total, self._left = tell, total, 0

    def __call__(self, count: int) -> None:
        if not self._left:
            self._left = self._total
            self._tell("to map", self._total)
        self._left = max(self._left - count, 0)
        self._tell("mapped", count)


def _ledger(path: Path, resumed: bool) -> Ledger:
    """The ledger of a new run, or of one that goes on: it must release again what it had."""
    if not resumed:
        return Ledger(path)
    mend(path)
    try:
        return Ledger(path, read(path) if path.is_file() else ())
    except PrivacyError as error:
        raise NotReproduced(f"{error}; the run begins anew") from error


def _check_unchanged(ledger: Ledger, path: Path) -> None:
    """The certificate is of the releases in memory: they must be those that went to disk first."""
    if (read(path) if path.is_file() else []) != list(ledger.releases):
        raise CellFailed(
            "the releases in memory are not those of the ledger on disk, which is written before "
            "noise is let out: the method has changed them, and what they would claim"
        )


def is_ours(error: RadprivError) -> bool:
    """Whether radpriv's own code raised it; the words of a plug-in may quote a record."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith(
        "radpriv."
    )


def _write_scores(
    job: Job, fitted: Fitted, dataset: Dataset, universe: Any, context: Context, folder: Path
) -> None:
    rows = dataset.rows("test")
    texts = pick(dataset.texts, rows)
    tell = context.progress
    every = np.arange(len(rows))
    test = _logits(fitted, texts, every, context.cache, MapTicks(tell, len(texts)))
    slots = np.flatnonzero(universe.candidate)
    mapped = MapTicks(tell, len(universe.texts))
    audit = _logits(fitted, universe.texts, slots, context.cache, mapped)
    for name, logits in (("test records", test), ("audit candidates", audit)):
        if bad := int((~np.isfinite(logits)).any(1).sum()):
            raise CellFailed(f"logits of {bad} of {len(logits)} {name} are not finite")
    key = job.audit_key if not dataset.card.gated else context.store.secret()
    write_parquet(folder / "test.parquet", record.test_table(dataset, rows, test, key))
    private = folder / "private"
    similarity = similarities(universe, slots, context.cache)
    candidates = record.candidates_table(universe, slots, audit, similarity, key)
    write_parquet(private / "candidates.parquet", candidates)
    write_parquet(private / "flags.parquet", record.flags_table(universe, slots))


def _logits(
    fitted: Fitted, texts: Any, rows: np.ndarray, cache: FeatureCache, progress: Any
) -> np.ndarray:
    """Logits of some rows of texts; the frozen part comes from the cache of all of them."""
    if len(rows) == 0:
        return np.zeros((0, len(fitted.labels)), np.float32)
    if fitted.frozen is None:
        logits = fitted.logits([texts[r] for r in rows])
    else:
        features = cache.map(fitted.frozen, texts, progress)
        logits = fitted.score([features[r] for r in rows])
    if logits.shape != (len(rows), len(fitted.labels)):
        raise CellFailed(f"logits have shape {logits.shape}, not {(len(rows), len(fitted.labels))}")
    return np.asarray(logits, np.float32)


def _run_key(job: Job, folder: Path, resumed: bool) -> tuple[bytes, str | None]:
    """The run key; in secret mode from the operating system, kept in private/, committed to."""
    cell = job.cell
    if cell.noise_mode == "secret":
        path = folder / "private" / "run_key"
        if not resumed:
            atomic_write(path, secret_key())
        elif not path.is_file():
            raise NotReproduced("the key of the stopped run is gone; the run begins anew")
        key = path.read_bytes()
        return key, hashlib.sha256(key).hexdigest()
    axes = [cell.dataset, cell.encoder, cell.method, dict(cell.params), cell.n_public, cell.limited]
    budget = [cell.budget.epsilon, cell.budget.delta, cell.budget.unit]
    # By name, never by content: a neighbour of the data shares the key. What departs from its
    # default is named too, so that two arrangements of one dataset share no noise.
    named: list[object] = [*axes, *budget, cell.audit.canaries, cell.seed]
    departs = {k: v for k, v in job.loader.options().items() if v != getattr(type(job.loader), k)}
    if departs or cell.audit.share is not None:
        named.append([departs, cell.audit.share])
    if cell.per_patient is not None:
        named.append(["per_patient", cell.per_patient])
    if job.subset is not None:
        named.append(["subset", job.subset.reports, job.subset.seed])
    if cell.audit.planted:
        named.append(["planted", [astuple(p) for p in cell.audit.planted]])
    return named_key(job.suite_key, *named), None


def _public(name: str, job: Job) -> Dataset:
    """A declared public dataset; one calibrated on the private one is refused (rule 9)."""
    if name not in job.method.public:
        raise CellFailed(f"method '{job.cell.method}' asks for public data '{name}', not declared")
    loader = make_loader(name, {})
    for part in job.loader.parts():
        if part.name in (*loader.card.calibrated_on, name):
            raise CellFailed(f"public data '{name}' was calibrated on '{part.name}'")
    return loader.load(None)
