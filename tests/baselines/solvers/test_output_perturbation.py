"""Output perturbation: the minimiser, and the bound on how far one unit moves it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from radpriv.baselines.solvers import output_perturbation
from radpriv.baselines.solvers.output_perturbation import TOLERANCE, sensitivity
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run

Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


def problem(rng: np.random.Generator, n: int, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors of few directions, so that the curvature is uneven; labels with gaps."""
    z = rng.normal(size=(n, 8)) * np.array([5, 2, 1, 1, 0.3, 0.1, 0.01, 0.0])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    y = rng.choice([0.0, 1.0, 1.0, np.nan], (n, labels)).astype(np.float32)
    return torch.from_numpy(z), torch.from_numpy(y)


def objective(w: np.ndarray, z: Any, y: Any, owners: np.ndarray, l2: float, n: int) -> float:
    """J, written record by record."""
    w = w.reshape(z.shape[1], -1)
    total = l2 / 2 * np.square(w).sum()
    for i in range(len(z)):
        k = int((owners == owners[i]).sum())
        for label in range(y.shape[1]):
            if not math.isnan(y[i, label]):
                margin = float(z[i] @ w[:, label]) * (1 if y[i, label] > 0.5 else -1)
                total += math.log1p(math.exp(-margin)) / (k * y.shape[1] * n)
    return float(total)


@pytest.mark.parametrize("l2", [1e-3, 0.1])
def test_solver_stops_within_its_tolerance_of_the_minimiser(l2: float) -> None:
    z, y = problem(np.random.default_rng(0), 14, 2)
    owners = np.array([0, 0, 0, 1, 1, *range(2, 11)])
    w = output_perturbation.solve(z, y, owners, l2, 12).numpy()
    best = minimize(
        objective, w.ravel(), (z.numpy(), y.numpy(), owners, l2, 12), "BFGS", tol=1e-9
    ).x
    reach = TOLERANCE / (math.sqrt(2) * 12 * l2)
    assert np.linalg.norm(w.ravel() - best) <= reach * 1.02
    assert np.linalg.norm(best) > 50 * reach


def moved(rows: Any, gone: np.ndarray, l2: float, n: int, merge: bool = True) -> float:
    """How far the answer moves when the rows `gone` leave. merge: what belongs to one unit does."""
    z, y, owners = rows
    owners = owners if merge else np.arange(len(owners))
    a = output_perturbation.solve(z, y, owners, l2, n)
    b = output_perturbation.solve(z[~gone], y[~gone], owners[~gone], l2, n)
    return float((a - b).norm())


def worst_pair(labels: int) -> tuple[Any, np.ndarray, float, int]:
    """Many agree, each in a direction of its own; one lies between all and disagrees.

    (rows, the one, λ, n_public): along the odd one's direction there is hardly a curvature but λ,
    and it is as wrong as can be, so that it moves the answer by most of the bound.
    """
    n = 64
    z = torch.cat([torch.eye(n), torch.full((1, n), 1 / math.sqrt(n))]).double()
    y = torch.ones(n + 1, labels)
    y[-1] = 0.0
    gone = np.zeros(n + 1, bool)
    gone[-1] = True
    return (z, y, np.arange(n + 1)), gone, 1.0 / (labels * n), n


@pytest.mark.parametrize("labels", [1, 3])
def test_neighbour_moves_the_answer_within_the_bound(labels: int) -> None:
    """No neighbour moves the answer by more than the declared bound."""
    rng = np.random.default_rng(labels)
    for trial in range(30):
        z, y = problem(rng, 20, labels)
        owners = np.sort(rng.integers(0, 9, 20))
        gone = owners == owners[rng.integers(20)]
        l2 = float(rng.choice([1e-2, 0.1, 1.0]))
        n = int(rng.choice([3, 9, 200]))
        assert moved((z, y, owners), gone, l2, n) <= sensitivity(labels, l2, n), trial
    rows, gone, l2, n = worst_pair(labels)
    assert moved(rows, gone, l2, n) <= sensitivity(labels, l2, n)


@pytest.mark.parametrize("labels", [1, 3])
def test_wrong_bound_is_found_out_by_neighbours(labels: int) -> None:
    rows, gone, l2, n = worst_pair(labels)
    seen, right = moved(rows, gone, l2, n), sensitivity(labels, l2, n)
    assert seen > right / 2, "a bound half as large would pass"
    assert seen < right * n / 8, "a bound without n would be called tight"
    assert seen > right / math.sqrt(2), "a bound for another number of labels would pass"


def test_patients_reports_count_as_one_else_the_bound_breaks() -> None:
    """A patient's reports count as one, and would break the bound if they did not."""
    (z, y, owners), gone, l2, n = worst_pair(2)
    many = [np.arange(n), np.full(12, n)]
    rows = (z[np.concatenate(many)], y[np.concatenate(many)], owners[np.concatenate(many)])
    gone = np.concatenate(many) == n
    bound = sensitivity(2, l2, n)
    assert bound / 2 < moved(rows, gone, l2, n) <= bound
    assert moved(rows, gone, l2, n, merge=False) > bound


def test_record_not_finite_is_absent_and_a_long_one_is_cut() -> None:
    """A record that is not finite is absent, and a long one is cut."""
    z, y = problem(np.random.default_rng(5), 9, 2)
    owners = np.arange(9)
    long = z.clone()
    long[3] *= 1e9
    solved = output_perturbation.solve(long, y, owners, 0.1, 9)
    np.testing.assert_allclose(solved, output_perturbation.solve(z, y, owners, 0.1, 9), atol=1e-9)
    bad = z.clone()
    bad[4, 0], bad[5, 0] = math.nan, math.inf
    left = np.array([0, 1, 2, 3, 6, 7, 8])
    np.testing.assert_allclose(
        output_perturbation.solve(bad, y, owners, 0.1, 9),
        output_perturbation.solve(z[left], y[left], owners[left], 0.1, 9),
        atol=2 * TOLERANCE / (math.sqrt(2) * 9 * 0.1),
    )


def test_label_out_of_range_weighs_no_more_than_one_within() -> None:
    z, y = problem(np.random.default_rng(6), 9, 2)
    far = y.clone()
    far[y == 1], far[y == 0] = 1e6, -1e6
    np.testing.assert_array_equal(
        output_perturbation.solve(z, far, np.arange(9), 0.1, 9),
        output_perturbation.solve(z, y, np.arange(9), 0.1, 9),
    )


def test_release_declares_the_bound_that_was_proved(probe: Fit) -> None:
    _, run, _, _ = probe("output")
    declared = run.declared[0]
    bound = (1 + 2e-3) / (math.sqrt(2) * 240 * output_perturbation.L2)
    assert declared.sensitivity == pytest.approx(bound, rel=1e-12)
    assert "Corollary 8" in declared.source
    assert run.releases[0].sensitivity == declared.sensitivity
