"""DP bag of words: a linear model on hashed words, trained by DP-Adam. No private vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from radpriv.baselines.solvers.linear import fit_dp_linear
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("dp_bow")
@dataclass(frozen=True)
class DPBagOfWords(Method):
    """size hashed columns of 1..ngrams, presence only, each text scaled to L2 norm 1."""

    size: int = 2048
    ngrams: int = 2
    rate: float = 0.2
    steps: int = 100
    max_norm: float = 0.05
    lr: float = 0.3

    private = True
    units = frozenset({"report", "patient"})
    uses_encoder = False

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LinearFitted:
        words = HashedWords(self.size, self.ngrams, binary=True)
        return fit_dp_linear(
            train,
            run,
            words,
            words.spec,
            size=self.size,
            scale=1.0,
            rate=self.rate,
            steps=self.steps,
            max_norm=self.max_norm,
            lr=self.lr,
        )

    def record_passes(self, n_public: int) -> float:
        return 0.0
