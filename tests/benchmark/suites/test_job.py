"""A job: how it is named, and which reports a limit keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, replace

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.suites.job import Job, limited
from radpriv.errors import DataError


def test_axes_name_a_job_and_hold_no_key(jobs_of: Callable[..., list[Job]]) -> None:
    jobs = jobs_of("dp_bow", "prior", seeds="2")
    names = [astuple(j.axes) for j in jobs]
    assert len(set(names)) == len(jobs)
    assert {j.axes.epsilon for j in jobs} == {1.0, math.inf}
    for job in jobs:
        for key in (job.suite_key.decode(), job.audit_key.decode()):
            assert len(key) > 5 and key not in repr(job) and key not in str(job.cell.as_dict())


def test_a_limit_keeps_as_many_reports_a_quarter_of_them_test(made_up: Dataset) -> None:
    small = limited(made_up, 20)
    assert len(small) == 20 and len(small.rows("test")) == 5
    assert list(small.ids) == sorted(small.ids)
    where = {i: r for r, i in enumerate(made_up.ids)}
    for row, name in enumerate(small.ids):
        assert small.texts[row] == made_up.texts[where[name]]
        np.testing.assert_array_equal(small.y[row], made_up.y[where[name]])


def test_a_limit_larger_than_the_dataset_is_refused(made_up: Dataset) -> None:
    assert len(limited(made_up, 40)) == 40
    with pytest.raises(DataError, match=r"--limit 400: made-up has 40 reports"):
        limited(made_up, 400)


def test_which_reports_a_limit_keeps_depends_on_their_ids_alone(made_up: Dataset) -> None:
    other = replace(made_up, texts=tuple("x" for _ in made_up.texts), y=made_up.y * 0)
    assert limited(other, 20).ids == limited(made_up, 20).ids
    assert set(limited(made_up, 20).ids) < set(limited(made_up, 28).ids)


def test_the_universe_is_the_training_split(jobs_of: Callable[..., list[Job]]) -> None:
    job = jobs_of("prior", audit_share="0.3")[0]
    dataset = job.dataset(None)
    universe = job.universe(dataset)
    assert universe.ids == tuple(dataset.ids[r] for r in dataset.rows("train"))
    assert 0 < universe.candidate.sum() < len(universe)
