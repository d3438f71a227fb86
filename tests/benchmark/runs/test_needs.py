"""What stops several cells alike: tried once before the first is run, said once, others run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.runs import needs
from radpriv.benchmark.runs.needs import Need, encoder_need, stop
from radpriv.benchmark.runs.run_plan import to_run
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.plan import Planned
from radpriv.errors import CellFailed, DataError

JobsOf = Callable[..., list[Job]]


def planned(jobs: list[Job], how: Fingerprint) -> list[Planned]:
    return [Planned(job, how) for job in jobs]


def test_cells_of_a_length_that_is_too_long_are_stopped(
    jobs_of: JobsOf, how: Fingerprint, context: Context
) -> None:
    """One obstacle for all seeds and ε of it; other lengths and methods are left to run."""
    jobs = jobs_of("dp_linear_probe", "prior", epsilons="[1.0, 8.0]", seeds="2")
    long = [
        replace(job, method=replace(job.method, max_length=65))  # type: ignore[type-var,call-arg]
        for job in jobs
        if job.encoder is not None
    ]
    assert len(long) == 4
    every = planned([*jobs, *long], how)
    (obstacle,) = stop(every, context)
    assert obstacle.line.startswith("4 cells cannot be run: encoder 'tiny-bert' (bert) reads at")
    assert [p.job.method for p in every if p.status == "failed"] == [job.method for job in long]
    assert len(to_run(every)) == len(jobs)
    assert {p.reason for p in every if p.status == "failed"} == {str(obstacle.error)}


def test_need_that_is_shared_is_tried_once(
    jobs_of: JobsOf, how: Fingerprint, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it is met, nothing is stopped."""
    tried: list[str] = []

    def of(job: Job, _: Context) -> Need:
        return Need(job.cell.method, lambda: tried.append(job.cell.method))

    monkeypatch.setattr(needs, "NEEDS", (of,))
    every = planned(jobs_of("prior", "dp_bow", seeds="3"), how)
    assert len(every) > 6 and stop(every, context) == []
    assert sorted(tried) == ["dp_bow", "prior", "tfidf"]


def test_fault_of_gated_data_is_printed_and_not_kept(
    jobs_of: JobsOf, how: Fingerprint, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A need may be any: one of a dataset, whose sentence may name a record."""

    def fail() -> None:
        raise DataError("row 7 is damaged")

    monkeypatch.setattr(needs, "NEEDS", (lambda job, _: Need(job.loader.name, fail),))
    (job, *_) = jobs_of("prior")
    card = replace(job.loader.card, release="nothing")
    gated = replace(job, loader=type("Gated", (type(job.loader),), {"card": card})())
    every = planned([gated, job], how)
    (obstacle,) = stop(every, context)
    assert obstacle.line == "2 cells cannot be run: row 7 is damaged"
    assert "row 7" not in every[0].entry.reason and "row 7" in every[1].entry.reason


def test_finished_cell_needs_nothing(
    jobs_of: JobsOf, how: Fingerprint, tmp_path: Path, tiny_bert: Encoder
) -> None:
    """It is served from the store though its encoder does not load any more."""
    folder = Path(shutil.copytree(tiny_bert.folder, tmp_path / "mine"))
    encoder = replace(tiny_bert, folder=folder, sha256="ab" * 32)
    context = Context(Store(tmp_path / "store"), FeatureCache(None), None)
    first, second, *_ = (
        replace(job, encoder=encoder)
        for job in jobs_of("linear_probe", seeds="2")
        if job.encoder is not None
    )
    run_cell(first, how, context)
    (folder / "model.safetensors").write_bytes(b"")
    gone = replace(encoder, pretrained_on="another")  # nothing of it is in memory
    served, new = (Planned(replace(job, encoder=gone), how) for job in (first, second))
    (obstacle,) = stop([served, new], context)
    assert "loading its weights" in str(obstacle.error)
    assert served.status == "planned" and new.status == "failed"


def test_method_without_an_encoder_needs_none(jobs_of: JobsOf, context: Context) -> None:
    """One with an encoder shares its need with all that differ in ε and seed alone."""
    assert [encoder_need(job, context) for job in jobs_of("prior", "tfidf")] == [None] * 3
    with_encoder = [j for j in jobs_of("dp_lora", epsilons="[1.0, 2.0]") if j.encoder]
    assert len({encoder_need(job, context) for job in with_encoder}) == 1 < len(with_encoder)


def test_damaged_cell_does_not_stop_the_others(
    jobs_of: JobsOf, how: Fingerprint, context: Context
) -> None:
    """It is left to be run, which says of it alone what to do."""
    first, second, *_ = (j for j in jobs_of("linear_probe", seeds="2") if j.encoder is not None)
    (run_cell(first, how, context).folder / "record.json").write_bytes(b"[]")
    every = planned([first, second], how)
    assert stop(every, context) == [] and to_run(every) == every
    with pytest.raises(CellFailed, match=r"record\.json: expected a table of keys; delete"):
        run_cell(first, how, context)
    assert run_cell(second, how, context).record.done
