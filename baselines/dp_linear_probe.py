"""DP linear probe: a linear head on frozen, publicly centred features, trained by DP-Adam."""

from __future__ import annotations

import math
from dataclasses import dataclass

from radpriv.baselines.linear import fit_dp_linear
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.classifier import Pooled, center_of
from radpriv.benchmark.encoders import Encoder
from radpriv.benchmark.fitted import LinearFitted
from radpriv.benchmark.method import Method, methods
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("dp_linear_probe")
@dataclass(frozen=True)
class DPLinearProbe(Method):
    """Defaults chosen on `synthetic-plain`. Features are scaled by 1/sqrt(size)."""

    rate: float = 0.2
    steps: int = 150
    max_norm: float = 0.05
    lr: float = 1.0
    max_length: int = 256

    private = True
    units = frozenset({"report", "patient"})

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LinearFitted:
        assert encoder is not None
        return fit_dp_linear(
            train,
            run,
            Pooled(encoder, self.max_length),
            pooled_spec(encoder, self.max_length),
            size=encoder.hidden_size,
            center=center_of(encoder, self.max_length).numpy(),
            scale=1.0 / math.sqrt(encoder.hidden_size),
            rate=self.rate,
            steps=self.steps,
            max_norm=self.max_norm,
            lr=self.lr,
        )

    def record_passes(self, n_public: int) -> float:
        return 0.0


def pooled_spec(encoder: Encoder, max_length: int) -> dict[str, object]:
    """How a saved head finds its features again."""
    return {
        "features": "pooled",
        "max_length": max_length,
        "encoder": encoder.name,
        "encoder_sha256": encoder.sha256,
    }
