"""A whole cell on another device: each method trains, scores and saves there.

The arithmetic of elsewhere.py's device is the CPU's, so there every bit must be the CPU's too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import deterministic as filling

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.baselines.dp_linear_probe import SOLVERS, DPLinearProbe
from radpriv.baselines.solvers.linear import LinearModel
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.runs.runner import Context, run_cell
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Finished, Store
from radpriv.benchmark.suites.job import Job

METHODS = ("dp_lora", "lora", "dp_linear_probe", "linear_probe", "dp_bow", "tfidf", "prior")

ONE_SHOT = tuple(
    f"dp_linear_probe: {solver}" for solver in SOLVERS if solver not in ("auto", "sgd")
)


def _run(job: Job, how: Fingerprint, folder: Path, device: torch.device) -> Finished:
    context = Context(Store(folder / "store"), FeatureCache(folder / "cache"), None, device)
    return run_cell(job, how, context)


@pytest.mark.parametrize("method", METHODS + ONE_SHOT)
def test_a_cell_gives_the_same_bits_on_another_device(
    method: str,
    device: torch.device,
    jobs_of: Callable[..., list[Job]],
    how: Fingerprint,
    tmp_path: Path,
) -> None:
    name, _, solver = method.partition(": ")
    job = next(j for j in jobs_of(name) if j.role == "cell")
    if solver:
        one_shot = DPLinearProbe(max_length=32, solver=solver)
        job = replace(job, cell=replace(job.cell, params=one_shot.params()), method=one_shot)
    with sdpa_kernel(SDPBackend.MATH):  # torch picks one by device
        there = _run(job, how, tmp_path / "there", device)
        here = _run(job, how, tmp_path / "here", torch.device("cpu"))
    assert there.record["device_kind"] == device.type
    if device.type == "cuda":
        _agree(there, here)
        return
    for name in ("test.parquet", "private/candidates.parquet", "private/diagnostics.parquet"):
        assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes(), name


def _agree(there: Finished, here: Finished) -> None:
    """To the rounding of a few steps in float32; the noise of both is the same."""
    for name in ("test.parquet", "private/candidates.parquet"):
        a, b = (np.stack(pq.read_table(f.folder / name)["logits"]) for f in (there, here))
        assert np.abs(a - b).max() <= 1e-3 * max(1.0, np.abs(b).max()), name


class StaysBehind(DPBagOfWords):
    """Its model is never moved to the run's device."""

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LinearModel, "to", lambda self, *place: self)
            return super().fit(train, encoder, budget, run)


@pytest.mark.parametrize("device", ["elsewhere"], indirect=True)
def test_a_model_left_behind_would_be_found(
    device: torch.device, job_with: Callable[..., Job], how: Fingerprint, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="to be on the same device"):
        _run(job_with(StaysBehind(size=128, steps=2)), how, tmp_path, device)


class Asks(DPBagOfWords):
    """Notes whether torch must use deterministic kernels."""

    seen: ClassVar[list[tuple[bool, bool, str | None]]] = []

    def fit(self, train: Any, encoder: Any, budget: Any, run: Any) -> Any:
        kernels = torch.are_deterministic_algorithms_enabled()
        workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
        self.seen.append((kernels, filling.fill_uninitialized_memory, workspace))
        return super().fit(train, encoder, budget, run)


def test_kernels_are_deterministic_off_the_cpu_and_reset_after(
    device: torch.device,
    job_with: Callable[..., Job],
    how: Fingerprint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kernels are deterministic off the CPU and afterwards as before."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(Asks, "seen", [])
    torch.set_deterministic_debug_mode("warn")
    try:
        _run(job_with(Asks(size=128, steps=2)), how, tmp_path, device)
        assert torch.get_deterministic_debug_mode() == 1 and filling.fill_uninitialized_memory
    finally:
        torch.set_deterministic_debug_mode("default")
    on_cpu = (True, True, None)
    assert Asks.seen == [on_cpu if device.type == "cpu" else (True, False, ":4096:8")]


@pytest.mark.gpu
@pytest.mark.parametrize("unit", ["report", "patient"])
def test_a_run_on_a_card_gives_the_same_bits_again(
    unit: str, jobs_of: Callable[..., list[Job]], how: Fingerprint, tmp_path: Path
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    job = next(j for j in jobs_of("dp_lora", unit=f'"{unit}"') if j.cell.method == "dp_lora")
    once, again = (_run(job, how, tmp_path / n, torch.device("cuda")) for n in ("once", "again"))
    for name in ("ledger.jsonl", "record.json", "test.parquet"):
        assert (once.folder / name).read_bytes() == (again.folder / name).read_bytes(), name
