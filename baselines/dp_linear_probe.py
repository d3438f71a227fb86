"""DP linear probe: a linear head on frozen, publicly centred features.

solver: "sgd" (DP-Adam, many sampled steps), "least_squares" (Gram matrix and moments, one query),
"output" (logistic regression, one release), or "auto", which takes one of them by public numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from radpriv.baselines.solvers.framed_features import frame_of
from radpriv.baselines.solvers.least_squares import least_squares
from radpriv.baselines.solvers.linear import fit_dp_linear
from radpriv.baselines.solvers.output_perturbation import output_perturbation
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.methods.classifier import Pooled, center_of
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.methods.model_spec import PooledSpec
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run
from radpriv.errors import SuiteError

SOLVERS = ("auto", "sgd", "least_squares", "output")
ONE_SHOT_BELOW = 100.0
"""Of ε · n_public / sqrt(size · labels): up to here least squares was seen to win."""


@methods.register("dp_linear_probe")
@dataclass(frozen=True)
class DPLinearProbe(Method):
    """Defaults chosen on `synthetic-plain`. rate to lr: of "sgd", on features / sqrt(size)."""

    rate: float = 0.2
    steps: int = 150
    max_norm: float = 0.05
    lr: float = 1.0
    max_length: int = 256
    solver: str = "auto"

    private = True
    units = frozenset({"report", "patient"})

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise SuiteError(f"solver = {self.solver!r}: one of {', '.join(SOLVERS)}")

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LinearFitted:
        encoder = required(encoder)
        function, spec = Pooled(encoder, self.max_length), pooled_spec(encoder, self.max_length)
        labels, n_public = len(train.labels), train.n_public
        solver = self.chosen(budget, n_public, encoder.hidden_size, labels)
        if solver != "sgd":
            frame = frame_of(encoder, self.max_length)
            records = train.map("features", function)
            if solver == "least_squares":
                weight, bias = least_squares(records, run, frame, n_public)
            else:
                weight, bias = output_perturbation(records, run, frame, labels, n_public)
            return LinearFitted(train.labels, function, weight, bias, spec)
        return fit_dp_linear(
            train,
            run,
            function,
            spec,
            size=encoder.hidden_size,
            center=center_of(encoder, self.max_length).numpy(),
            scale=1.0 / math.sqrt(encoder.hidden_size),
            rate=self.rate,
            steps=self.steps,
            max_norm=self.max_norm,
            lr=self.lr,
        )

    def chosen(self, budget: Budget, n_public: int, size: int, labels: int) -> str:
        """The solver that "auto" stands for: least squares unless ε or the data are large.

        A function of public numbers; docs/one_shot.md has the measurements behind it.
        """
        if self.solver != "auto":
            return self.solver
        worth = budget.epsilon * n_public / math.sqrt(size * labels)
        return "least_squares" if worth < ONE_SHOT_BELOW else "sgd"

    def record_passes(self, n_public: int) -> float:
        return 0.0


def pooled_spec(encoder: Encoder, max_length: int) -> PooledSpec:
    """How a saved head finds its features again."""
    return {
        "features": "pooled",
        "max_length": max_length,
        "encoder": encoder.name,
        "encoder_sha256": encoder.sha256,
    }
