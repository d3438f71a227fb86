"""The private linear head against a loop written out: gradients by hand, Adam by torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy.streams import gaussians, uniforms

SIZE, CLIP, RATE, STEPS, LR = 32, 1e-6, 0.4, 3, 0.05
"""A clip so small that Adam's constant, 1e-8, shows whatever the update is multiplied with."""


def by_hand(universe: Universe, run: Any) -> tuple[np.ndarray, np.ndarray]:
    """(weight (SIZE, 2), bias (2,)) after STEPS steps over the members, record by record."""
    words = HashedWords(SIZE, 2, True)
    members = np.flatnonzero(universe.member)
    x = np.stack([words(universe.texts[i]) for i in members]).astype(np.float64)
    y = universe.y[members].astype(np.float64)
    names = {"head.weight": torch.zeros(2, SIZE), "head.bias": torch.zeros(2)}
    params = {n: t.requires_grad_() for n, t in names.items()}
    optimizer = torch.optim.Adam(params.values(), lr=LR)
    sigma = run.calibrations[0].noise_multiplier
    for t in range(STEPS):
        optimizer.param_groups[0]["lr"] = LR * (1 - t / STEPS)
        coins = uniforms(b"k" * 32, ("coin", t), universe.units) < RATE
        w, b = (params[n].detach().double().numpy() for n in names)
        total = {"head.weight": np.zeros((2, SIZE)), "head.bias": np.zeros(2)}
        for i in np.flatnonzero(coins[universe.unit[members]]):
            residual = np.where(np.isnan(y[i]), 0.0, expit(w @ x[i] + b) - np.nan_to_num(y[i])) / 2
            norm = np.linalg.norm(residual) * np.sqrt(x[i] @ x[i] + 1)
            residual *= min(1.0, CLIP / max(norm, 1e-300))
            total["head.weight"] += np.outer(residual, x[i])
            total["head.bias"] += residual
        for name, p in params.items():
            z = gaussians(b"k" * 32, ("noise", t, "gradient", name), total[name].size)
            noised = total[name] + CLIP * sigma * z.reshape(total[name].shape)
            p.grad = torch.from_numpy(noised / (RATE * run._n_public)).float()
        optimizer.step()
    return params["head.weight"].detach().numpy().T, params["head.bias"].detach().numpy()


@pytest.mark.parametrize("epsilon", [8.0, 1000.0])
def test_a_bag_of_words_is_what_a_loop_written_out_gives(
    epsilon: float, fit: Callable[..., Any]
) -> None:
    method = DPBagOfWords(SIZE, rate=RATE, steps=STEPS, max_norm=CLIP, lr=LR)
    fitted, run, _, universe = fit(method, epsilon)
    weight, bias = by_hand(universe, run)
    assert np.abs(weight).min() > 1e-4
    np.testing.assert_allclose(fitted.weight, weight, rtol=1e-4)
    np.testing.assert_allclose(fitted.bias, bias, rtol=1e-4)
