"""Linear probe: logistic regression on frozen features of an encoder. Not private."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from radpriv.baselines.dp_linear_probe import pooled_spec
from radpriv.baselines.solvers.linear import logistic_regression
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("linear_probe")
@dataclass(frozen=True)
class LinearProbe(Method):
    c: float = 0.3
    max_length: int = 256

    private = False

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LinearFitted:
        encoder = required(encoder)
        raw = train.raw()
        function = Pooled(encoder, self.max_length)
        features = raw.features(function)
        x = np.stack([features[int(i)] for i in raw.slots])
        weight, bias = logistic_regression(x, raw.y, self.c)
        return LinearFitted(
            train.labels, function, weight, bias, pooled_spec(encoder, self.max_length)
        )
