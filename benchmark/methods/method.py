"""Method and Fitted: what a researcher implements, and what comes back from training.

    @methods.register("mine")
    @dataclass(frozen=True)
    class Mine(Method):
        steps: int = 100                         # fields are parameters: part of the cell id
        private = True; uses_encoder = False

        def fit(self, train, encoder, budget, run): ...   # see baselines/ for whole examples

`train` and `run` are the doors of the waist (privacy/): private records reach a method only there.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from radpriv.benchmark.encoders.features import RecordFunction, evaluate
from radpriv.benchmark.registry import Registry
from radpriv.errors import CellFailed

if TYPE_CHECKING:
    from radpriv.benchmark.cell import Budget
    from radpriv.benchmark.encoders.encoders import Encoder
    from radpriv.benchmark.privacy.records import PrivateRecords
    from radpriv.benchmark.privacy.run import Run


class Fitted(abc.ABC):
    """A trained classifier. Predictions are `logits > thresholds`, everywhere.

    labels: label names.  thresholds: float32 (labels,), in logits; 0 unless accounted or public.
    frozen: the public function of one text that comes before the trained part, or None. Where
    given, `score` takes its values, so that a suite computes them once and not once per cell.
    """

    labels: tuple[str, ...]
    thresholds: NDArray[np.float32]
    frozen: RecordFunction | None = None
    trainable_parameters: int = 0

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n, labels); here from `frozen` and `score`, else to be overridden.

        Raises:
            CellFailed: neither this nor a frozen part is given.
        """
        if self.frozen is None:
            raise CellFailed(f"{type(self).__name__} gives neither logits() nor a frozen part")
        features = evaluate(self.frozen, texts)
        return self.score([features[i] for i in range(len(features))])

    def score(self, features: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Logits, float32 (n, labels), from the values of `frozen`, one array per text.

        Raises:
            CellFailed: a frozen part is declared, and this is not given.
        """
        raise CellFailed(f"{type(self).__name__} declares a frozen part and has no score()")

    @abc.abstractmethod
    def save(self, folder: Path) -> None:
        """safetensors and JSON (sorted keys) only; nothing learned from records but parameters."""

    @classmethod
    @abc.abstractmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> Fitted:
        """The inverse of `save`: equal logits within 1e-6, no pickle."""


@dataclass(frozen=True)
class Method(abc.ABC):
    """What turns (private training set, encoder, budget) into a classifier.

    private: expands over finite ε only; a non-private one runs at ε = inf only.
    units: units for which its claim can hold.  uses_encoder: one cell per encoder, or one at all.
    public: names of public datasets that it may ask of `run.public`.
    """

    private: ClassVar[bool] = True
    uses_encoder: ClassVar[bool] = True
    units: ClassVar[frozenset[str]] = frozenset({"report"})
    public: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> Fitted:
        """Train. Whatever is learned from `train` goes through `run`, or the claim is void.

        Args:
            train: the private records, through a door: `train.map(name, f)`, `train.labels`.
            encoder: the pretrained model; None for a method that uses none.
            budget: (ε, δ, unit), for which `run.calibrate` gives the noise.
            run: sampling, release and public randomness: `run.poisson`, `run.once`, `run.rng`.

        Returns:
            The trained classifier.
        """

    def check_encoder(self, encoder: Encoder) -> None:
        """EncoderError for an encoder that it cannot be trained on; here if it does not load, or
        does not read texts of `max_length`. Called before the first cell is run, on no record."""
        from radpriv.benchmark.encoders.usable import check_usable

        longest = getattr(self, "max_length", None)
        check_usable(encoder, longest if isinstance(longest, int) else 1 + encoder.special_tokens)

    def params(self) -> dict[str, JsonValue]:
        return asdict(self)

    def record_passes(self, n_public: int) -> float:
        """Expected forward-and-backward passes of single records; 0 where nothing is stepped."""
        rate, steps = getattr(self, "rate", 0.0), getattr(self, "steps", 0)
        return float(rate * steps * n_public)

    def limited(self, steps: int = 20) -> Method:
        """The same method with at most `steps` steps, for `--limit`."""
        if getattr(self, "steps", 0) > steps:
            return replace(self, **{"steps": steps})
        return self


methods: Registry[type[Method]] = Registry("method", "radpriv.methods")
