"""Least squares from noised sums: the algebra, and what the solver makes of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from radpriv.baselines.solvers import least_squares
from radpriv.baselines.solvers.framed_features import Frame, frame_of
from radpriv.baselines.solvers.least_squares import Statistics, symmetric, targets, triangle
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.privacy.accounting import calibration
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run

Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


def test_released_sums_are_gram_and_moments_of_the_members(
    probe: Fit, tiny_bert: Encoder, cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 1e-9)
    kept: list[Statistics] = []
    solve = least_squares.solve
    monkeypatch.setattr(
        least_squares, "solve", lambda found, n: (kept.append(found), solve(found, n))[1]
    )
    _, _, _, universe = probe("least_squares")
    frame = frame_of(tiny_bert, 32)
    gram, moments = np.zeros((17, 17)), np.zeros((17, 2))
    features = cache.map(Pooled(tiny_bert, 32), universe.texts)
    for i, y in enumerate(universe.y):
        if universe.member[i]:
            x = features[i].astype(np.float64) - frame.center
            z = np.append(x / np.linalg.norm(x) * math.sqrt(0.96), 0.2)
            t = np.array([0.0 if v != v else v - 0.15 for v in y])
            t /= max(1.0, np.linalg.norm(t))
            gram += np.outer(z, z) * np.isfinite(y).mean()
            moments += np.outer(z, t)
    np.testing.assert_allclose(kept[0].gram, gram, atol=1e-5)
    np.testing.assert_allclose(kept[0].moments, moments, atol=1e-5)


def test_triangle_of_a_gram_matrix_keeps_its_norm() -> None:
    """The triangle of a Gram matrix keeps its norm and gives it back."""
    z = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    flat = triangle(z)
    np.testing.assert_allclose(flat.norm(dim=1), z.square().sum(1))
    np.testing.assert_allclose(symmetric(flat.sum(0).numpy(), 7), (z.T @ z).numpy(), atol=1e-12)


def test_gram_noise_has_the_deviations_that_the_solver_is_told() -> None:
    rng = np.random.default_rng(0)
    noise = np.stack([symmetric(rng.normal(size=15), 5) for _ in range(4000)])
    np.testing.assert_array_equal(noise, noise.transpose(0, 2, 1))
    assert noise[:, range(5), range(5)].std() == pytest.approx(1.0, rel=0.03)
    assert noise[:, 0, 1:].std() == pytest.approx(math.sqrt(0.5), rel=0.03)


def test_targets_have_norm_one_at_most() -> None:
    """Targets have norm at most one, and nothing of what was not observed."""
    y = torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0], [math.nan, 1, math.nan, 0]])
    t = targets(y)
    np.testing.assert_allclose(t.norm(dim=1), [1.0, 0.3, math.hypot(0.85, 0.15)])
    assert t[2, 0] == t[2, 2] == 0.0 and (t[0] > 0).all()


def test_least_squares_without_noise_is_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6))
    z[:, -1] = 0.2
    t = rng.normal(size=(300, 2))
    head, _ = least_squares.solve(Statistics(z.T @ z, z.T @ t, 0.0, 0.0), 300)
    ridge = least_squares.FLOOR * 300 / 6
    w = minimize(
        lambda v: np.square(z @ v.reshape(6, 2) - t).sum() + ridge * np.square(v).sum(),
        np.zeros(12),
        tol=1e-12,
    ).x
    np.testing.assert_allclose(head, w.reshape(6, 2), atol=1e-5)


def test_drowned_scores_call_everything_positive() -> None:
    """Drowned scores call everything positive, and clear ones follow the rate."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(2000, 20))
    frame = Frame(np.zeros(20), 1.0)
    z = frame.inputs(torch.from_numpy(directions)).numpy()
    y = (directions[:, :1] > 0.85).astype(np.float64)
    t = y - least_squares.RATE
    for noise, low, high in ((0.5, 0.1, 0.3), (3000.0, 0.97, 1.0)):
        gram = z.T @ z + symmetric(rng.normal(size=231), 21) * noise
        found = Statistics(gram, z.T @ t + rng.normal(size=(21, 1)) * noise, noise, noise)
        head, cut = least_squares.solve(found, 2000)
        assert low <= ((z @ head - cut) > 0).mean() <= high


def test_report_adds_no_more_than_the_clip(probe: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """No report adds more than the clip, however much of it is observed."""
    parts: list[torch.Tensor] = []
    real = least_squares.bounded_sum

    def noted(f: Any, records: Any, clip: float) -> Any:
        assert clip == least_squares.CLIP == 1.0
        parts.extend(value.flatten(1).norm(dim=1) for value in f(records).values())
        return real(f, records, clip)

    monkeypatch.setattr(least_squares, "bounded_sum", noted)
    probe("least_squares")
    gram, moments = parts
    assert gram.max() == pytest.approx(1.0) and moments.max() <= 1.0 + 1e-12
    assert gram.min() == pytest.approx(0.5)  # one of two labels observed


MASKED = 20_000
FAR = 0.7


@pytest.fixture(scope="module")
def half_seen() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(z, y, masked y) of many reports. Three in ten labels are missing: nearly all of a report
    that lies far out in the first direction, hardly any of the others."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(MASKED, 8))
    z = Frame(np.zeros(8), 1.0).inputs(torch.from_numpy(x)).numpy()
    y = (rng.random((MASKED, 4)) < 1 / (1 + np.exp(-2 * x[:, :4] - [0, 0.5, -1, -2]))).astype(float)
    hidden = rng.random((MASKED, 4)) < np.where(x[:, :1] > np.quantile(x[:, 0], FAR), 0.9, 0.04)
    assert hidden.mean() == pytest.approx(0.3, abs=0.01)
    return z, y, np.where(hidden, np.nan, y)


def fitted(z: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    moments = z.T @ targets(torch.from_numpy(y)).numpy()
    return least_squares.solve(Statistics((z.T * weight) @ z, moments, 0.0, 0.0), len(z))


def wrong(found: tuple[np.ndarray, np.ndarray], z: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    """Mean error of the shares called positive, and of the scores' directions (1 - cosine)."""
    whole, _ = fitted(z, y, np.ones(len(z)))
    head, cut = found
    called = ((z @ head - cut) > 0).mean(0)
    cosine = (head * whole).sum(0) / np.linalg.norm(head, axis=0) / np.linalg.norm(whole, axis=0)
    return float(np.abs(called - y.mean(0)).mean()), float((1 - cosine).mean())


def test_missing_labels_bias_neither_scores_nor_rates(
    half_seen: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    z, y, masked = half_seen
    rate, turn = wrong(fitted(z, masked, np.isfinite(masked).mean(1)), z, y)
    as_if_there = wrong(fitted(z, masked, np.ones(len(z))), z, y)  # every report counts in full
    assert rate < 0.6 * as_if_there[0] and turn < 0.3 * as_if_there[1], (rate, turn, as_if_there)


def test_trace_counts_observed_reports_unless_noise_hides_it() -> None:
    """The trace tells how many reports are observed unless noise hides it."""

    def observed(reports: float, noise: float) -> float:
        return Statistics(np.eye(4) * reports / 4, np.zeros((4, 1)), noise, 0.0).observed(1000)

    assert observed(700, 1.0) == pytest.approx(700) and observed(1100, 1.0) == pytest.approx(1100)
    assert observed(700, 75.1) == observed(990, 5.0) == 1000
    assert observed(-900, 100.0) == 50
