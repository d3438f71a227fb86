"""Methods that would claim more than they did: what a run makes of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.suites.job import Job
from radpriv.errors import CellFailed

JobsOf = Callable[..., list[Job]]


class RewritesLedger(DPBagOfWords):
    """A quarter of the noise, and a ledger in memory that says all of it."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        full = run.calibrate(self.rate, self.steps)
        run.calibrate = lambda rate, steps: full / 4
        found = super().fit(train, encoder, budget, run)
        lines = run._ledger.releases
        lines[:] = [replace(line, noise_multiplier=full) for line in lines]
        return found


class MutatesBudget(DPBagOfWords):
    """Makes its budget a million before it calibrates."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        for one in (budget, run.budget):
            object.__setattr__(one, "epsilon", 1e6)
        return super().fit(train, encoder, budget, run)


class LoadsItself(DPBagOfWords):
    """Reads a dataset past its doors, test split and all."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        from radpriv.benchmark.datasets.base import make_loader

        make_loader("synthetic-plain", {"reports": 120}).load(None)
        return super().fit(train, encoder, budget, run)


@pytest.fixture
def job(jobs_of: JobsOf) -> Job:
    return next(j for j in jobs_of("dp_bow") if j.cell.budget.private)


def as_method(job: Job, kind: type) -> Job:
    return replace(job, method=kind(**vars(job.method)))


def test_ledger_that_was_changed_in_memory_ends_the_cell(
    job: Job, how: Fingerprint, context: Context
) -> None:
    with pytest.raises(CellFailed, match="not those of the ledger on disk"):
        run_cell(as_method(job, RewritesLedger), how, context)


def test_budget_that_a_method_changes_is_its_own(
    job: Job, how: Fingerprint, context: Context
) -> None:
    found = run_cell(as_method(job, MutatesBudget), how, context).record
    assert found.done and found.certificate is not None
    assert found.certificate.epsilon <= found.cell.budget.epsilon == job.cell.budget.epsilon


def test_method_that_loads_a_dataset_itself_ends_its_cell(
    job: Job, how: Fingerprint, context: Context
) -> None:
    with pytest.raises(Exception, match=r"take run\.public"):
        run_cell(as_method(job, LoadsItself), how, context)
