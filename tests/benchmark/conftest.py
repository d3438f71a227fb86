"""Cells of tiny suites, ready to run, and what stands in for parts of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.method import Method
from radpriv.benchmark.runs.runner import Context
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.expansion import expand
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.suite import read_suite

HOW = Fingerprint({"made.up": "00"}, {}, {"numpy": "2"}, "3.11", "cpu", "float32")


@pytest.fixture
def how() -> Fingerprint:
    return HOW


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Store(tmp_path / "store"), FeatureCache(tmp_path / "cache"), None)


@pytest.fixture
def jobs_of(write_suite: Callable[..., Path]) -> Callable[..., list[Job]]:
    """The jobs of a tiny suite of these methods."""

    def jobs(*methods: str, **top: str) -> list[Job]:
        return expand(read_suite(str(write_suite(*methods, **top))), None)

    return jobs


@pytest.fixture
def job_with(jobs_of: Callable[..., list[Job]]) -> Callable[..., Job]:
    """A job for a method made up by a test, at ε = 1 if it is private."""

    def make(method: Method, **top: str) -> Job:
        stand_in = "dp_bow" if method.private else "prior"
        job = next(j for j in jobs_of(stand_in, **top) if j.role == "cell")
        cell = replace(job.cell, method=type(method).__name__, params=method.params())
        return replace(job, cell=cell, method=method)

    return make
