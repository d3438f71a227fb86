"""Linear heads of the baselines: DP-Adam through the waist, logistic regression outside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radpriv.benchmark.encoders.features import RecordFunction
from radpriv.benchmark.methods.classifier import masked_bce
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.model_spec import FeatureSpec
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords, Records
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.run import Run


class LinearModel(nn.Module):
    """One linear layer on (features - center) · scale, from zero; center is a public constant."""

    def __init__(self, size: int, labels: int, scale: float, center: Tensor | None = None) -> None:
        super().__init__()
        self.head = nn.Linear(size, labels)
        self.scale = scale
        self.center = torch.zeros(size) if center is None else center
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def losses(self, records: Records) -> Tensor:
        x, _ = records.inputs()
        weight = self.head.weight
        x = x.to(weight.dtype) - self.center.to(weight)
        logits: Tensor = self.head(x * self.scale)
        return masked_bce(logits, records.labels)


def fit_dp_linear(
    train: PrivateRecords,
    run: Run,
    function: RecordFunction,
    spec: FeatureSpec,
    *,
    size: int,
    scale: float,
    rate: float,
    steps: int,
    max_norm: float,
    lr: float,
    center: NDArray[Any] | None = None,
) -> LinearFitted:
    """DP-Adam on a linear head (Abadi et al. 2016 with Adam's step); linear decay of the step.

    Args:
        train: the private records.
        run: where steps are drawn and released.
        function: the public function of one text that gives features, (size,).
        spec: how a saved model makes `function` again.
        size: of one feature vector.
        scale: by which features are multiplied, so that one clip suits.
        rate: sampling probability of a unit in a step.
        steps: how many.
        max_norm: the clip of a unit's gradient, an L2 norm.
        lr: Adam's step size at the first step; 0 at the last.
        center: (size,), public, taken off every feature vector; zero if not given.

    Raises:
        PrivacyError: a rate, count or clip that makes no sense (Run.poisson, clipped_sum).
    """
    middle = np.zeros(size, np.float32) if center is None else center
    model = LinearModel(size, len(train.labels), scale, torch.from_numpy(middle))
    model.train().to(run.device)
    records = train.map("features", function)
    sigma = run.calibrate(rate, steps)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0 - t / steps)
    for step in run.poisson(records, rate, steps, state=(model, optimizer, schedule)):
        total = clipped_sum(model, step.records, max_norm)
        update = step.gaussian("gradient", total, sigma)
        apply(model, optimizer, update / step.expected_batch)
        schedule.step()
    weight = model.head.weight.detach().cpu().numpy().T * scale
    bias = model.head.bias.detach().cpu().numpy() - middle @ weight
    return LinearFitted(train.labels, function, weight, bias, spec)


def logistic_regression(
    x: Any, y: NDArray[np.float32], c: float, iterations: int = 1000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One-vs-rest, L2, not private: weight (size, labels) and bias (labels,).

    Unobserved labels are skipped; a label with one class only gets its smoothed log odds as bias.
    One BLAS thread: the vectors are short, and sums are then the same on every machine.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    weight = np.zeros((x.shape[1], y.shape[1]))
    bias = np.zeros(y.shape[1])
    for j in range(y.shape[1]):
        seen = np.flatnonzero(~np.isnan(y[:, j]))
        target = y[seen, j] > 0.5
        if target.all() or not target.any():
            bias[j] = math.log((target.sum() + 0.5) / ((~target).sum() + 0.5))
            continue
        with threadpool_limits(1):
            fitted = LogisticRegression(C=c, max_iter=iterations).fit(x[seen], target)
        weight[:, j] = fitted.coef_[0]
        bias[j] = fitted.intercept_[0]
    return weight, bias
