"""The prior: each label's training rate against the threshold, whatever the text. Not private."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.fitted import read_tensors
from radpriv.benchmark.methods.method import Fitted, Method, methods
from radpriv.benchmark.methods.model_spec import read_spec, write_spec
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("prior")
@dataclass(frozen=True)
class Prior(Method):
    private = False
    uses_encoder = False

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> PriorFitted:
        y = train.raw().y
        seen = (~np.isnan(y)).sum(0)
        positive = np.nansum(y, axis=0)
        odds = (positive + 0.5) / (seen - positive + 0.5)
        return PriorFitted(train.labels, np.log(odds))


class PriorFitted(Fitted):
    """One constant logit per label."""

    def __init__(self, labels: tuple[str, ...], bias: NDArray[np.floating]) -> None:
        self.labels = labels
        self.thresholds = np.zeros(len(labels), np.float32)
        self.bias = np.asarray(bias, np.float32)
        self.trainable_parameters = self.bias.size

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(self.bias, (len(texts), 1))

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"bias": self.bias}, folder / "head.safetensors")
        write_spec(folder, {"kind": "prior", "labels": list(self.labels)})

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> PriorFitted:
        spec = read_spec(folder, "prior")
        bias = read_tensors(folder / "head.safetensors", ("bias",))["bias"]
        return cls(tuple(spec["labels"]), bias)
