"""Output perturbation: L2-regularised logistic regression, solved, and released once with noise.

J(W) = 1/n_public · Σ_u ℓ_u(W) + λ/2 · ‖W‖²       W: (p, labels), Frobenius norm

ℓ_u is the mean over the unit's reports of 1/L · Σ over observed labels of log(1 + exp(-±z·w_l)),
‖z‖ ≤ 1. The divisor n_public is a constant, also when a unit leaves.

Sensitivity, after Chaudhuri, Monteleoni & Sarwate 2011 (JMLR 12), Lemma 7 and Corollary 8, whose
2/(nλ) is for replacing a record under one label and a divisor n that stays. Here:
1. Each label's part of ∇ℓ_u has norm ≤ 1/L, its L parts stand in different columns, and a mean over
   reports is no longer than its longest: ‖∇ℓ_u(W)‖ ≤ √L/L = 1/√L at every W, for any unit.
2. J is λ-strongly convex. Let W, W' be the minimisers with and without unit u. ∇J'(W) =
   ∇J(W) - ∇ℓ_u(W)/n_public = -∇ℓ_u(W)/n_public, and λ‖W - W'‖ ≤ ‖∇J'(W) - ∇J'(W')‖ = ‖∇J'(W)‖.
   So ‖W - W'‖ ≤ 1/(√L · λ · n_public): one term, as a unit is added or removed and not replaced.
3. The solver stops within τ/λ of the minimiser on either side: 2τ/λ more.
   Altogether (1/(√L · n_public) + 2τ) / λ.

The solver cannot miss τ on hard data, so that no failure tells anything: gradient descent with step
1/M, M = λ + Σ‖z‖²/(4 · L · n_public) ≥ the largest curvature, shrinks the distance to the minimiser
by 1 - λ/M each time, and starts at 0 with a distance ≤ ‖∇J(0)‖/λ. The number of iterations that
this needs is known before the first (Nesterov 2004, Theorem 2.1.14; the step 1/M). It follows the
data and shows in running time only; time is outside the claim. Rounding (1e-15) is far below τ.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radpriv.baselines.solvers.framed_features import Frame
from radpriv.benchmark.privacy.bounded import Declared
from radpriv.benchmark.privacy.records import PrivateFeatures, Records
from radpriv.benchmark.privacy.run import Run

Array = NDArray[np.float64]

L2 = 0.001
"""λ. Chosen on `synthetic-plain`."""
TOLERANCE = 1e-3
"""τ in units of 1/(√L · n_public): what the solver adds to the sensitivity is 0.2%."""
SOURCE = (
    "Chaudhuri, Monteleoni & Sarwate 2011, Corollary 8, for adding or removing a unit: "
    "(1/(sqrt(L) n) + 2 tau) / lambda"
)


def sensitivity(labels: int, l2: float, n_public: int) -> float:
    """How far one unit moves the solver's answer, in L2 norm over all of W."""
    return (1.0 + 2.0 * TOLERANCE) / (math.sqrt(labels) * n_public * l2)


def solve(z: Tensor, y: Tensor, owners: NDArray[np.int64], l2: float, n_public: int) -> Tensor:
    """W (p, labels) float64, within τ/λ of the minimiser of J.

    z: (B, p), norm ≤ 1, of which a non-finite row counts as absent from its unit's sum; y: (B,
    labels), within [0, 1], NaN where not observed; owners: (B,), the unit of each row.
    """
    labels = y.shape[1]
    _, unit, counts = np.unique(owners, return_inverse=True, return_counts=True)
    weight = torch.from_numpy(1.0 / counts[unit]).to(z)
    whole = torch.isfinite(z).all(1, keepdim=True)
    z = torch.where(whole, z, 0.0)
    z = z / z.norm(dim=1, keepdim=True).clamp_min(1.0)
    target = y.double().nan_to_num(0.0).clamp(0.0, 1.0)
    factor = ~torch.isnan(y) * weight[:, None] / (labels * n_public)

    def gradient(w: Tensor) -> Tensor:
        return z.T @ (factor * (torch.sigmoid(z @ w) - target)) + l2 * w

    w = z.new_zeros(z.shape[1], labels)
    tau = TOLERANCE / (math.sqrt(labels) * n_public)
    curvature = l2 + float((weight * z.square().sum(1)).sum()) / (4.0 * labels * n_public)
    start = float(gradient(w).norm())
    for _ in range(math.ceil(max(0.0, math.log(max(start / tau, 1.0))) * curvature / l2)):
        w = w - gradient(w) / curvature
    return w


def output_perturbation(
    records: PrivateFeatures, run: Run, frame: Frame, labels: int, n_public: int, l2: float = L2
) -> tuple[Array, Array]:
    """(weight (size, labels), bias (labels,)) on features; one query, one release."""
    sigma = run.calibrate(1.0, 1)
    with run.once(records) as query:
        head = exact(query.records, frame, labels, n_public, l2)
        noised = query.gaussian("head", head, sigma)
    return frame.fold(noised.tensors["head"].cpu().numpy(), np.zeros(labels))


def exact(records: Records, frame: Frame, labels: int, n_public: int, l2: float) -> Declared:
    """The regression of these records, with its bound."""
    if records.size:
        z = frame.inputs(records.inputs()[0])
        w = solve(z, records.labels, records.owners, l2, n_public)
    else:
        w = torch.zeros(frame.size, labels, dtype=torch.float64, device=records.device)
    return Declared({"head": w}, sensitivity(labels, l2, n_public), SOURCE)
