"""Least squares from noised sums: the algebra, and what the solver makes of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from radpriv.baselines import least_squares
from radpriv.baselines.least_squares import Statistics, symmetric, targets, triangle
from radpriv.baselines.one_shot import Frame, frame_of
from radpriv.benchmark.classifier import Pooled
from radpriv.benchmark.datasets.audit import Universe
from radpriv.benchmark.encoders import Encoder
from radpriv.benchmark.features import FeatureCache
from radpriv.benchmark.privacy import calibration
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run

Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


def test_the_released_sums_are_gram_and_moments_of_the_members(
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
            gram += np.outer(z, z)
            moments += np.outer(z, t)
    np.testing.assert_allclose(kept[0].gram, gram, atol=1e-5)
    np.testing.assert_allclose(kept[0].moments, moments, atol=1e-5)


def test_the_triangle_of_a_gram_matrix_keeps_its_norm_and_gives_it_back() -> None:
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


def test_targets_have_norm_at_most_one_and_nothing_of_what_was_not_observed() -> None:
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


def test_drowned_scores_call_everything_positive_and_clear_ones_follow_the_rate() -> None:
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
