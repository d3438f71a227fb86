"""TF-IDF on hashed 1,2-grams and logistic regression: the simple model to beat. Not private."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.baselines.solvers.linear import logistic_regression
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.fitted import read_tensors
from radpriv.benchmark.methods.method import Fitted, Method, methods
from radpriv.benchmark.methods.model_spec import read_spec, write_spec
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("tfidf")
@dataclass(frozen=True)
class TfIdf(Method):
    """c: inverse strength of L2. Words are hashed into `size` columns, so none is stored."""

    c: float = 1000.0
    size: int = 65536
    ngrams: int = 2

    private = False
    uses_encoder = False

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> TfIdfFitted:
        raw = train.raw()
        words = HashedWords(self.size, self.ngrams, binary=False)
        counts = words.vectorizer.transform(raw.texts)
        documents = np.bincount(counts.indices, minlength=self.size)
        idf = np.log((1 + len(raw.texts)) / (1 + documents)) + 1.0
        used = np.flatnonzero(documents)  # elsewhere the penalty keeps weights at exactly 0
        weight = np.zeros((self.size, len(train.labels)))
        x = _weigh(counts, idf)[:, used]
        weight[used], bias = logistic_regression(x, raw.y, self.c)
        return TfIdfFitted(train.labels, words, idf, weight, bias)


class TfIdfFitted(Fitted):
    """Sparse features, so it scores texts directly and declares no frozen part."""

    def __init__(
        self,
        labels: tuple[str, ...],
        words: HashedWords,
        idf: NDArray[Any],
        weight: NDArray[Any],
        bias: NDArray[Any],
    ) -> None:
        self.labels = labels
        self.thresholds = np.zeros(len(labels), np.float32)
        self.words = words
        self.idf = np.asarray(idf, np.float32)
        self.weight = np.asarray(weight, np.float32)
        self.bias = np.asarray(bias, np.float32)
        self.trainable_parameters = self.weight.size + self.bias.size

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        x = _weigh(self.words.vectorizer.transform(texts), self.idf)
        return np.asarray(x @ self.weight + self.bias, np.float32)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"idf": self.idf, "weight": self.weight, "bias": self.bias}
        save_file(tensors, folder / "head.safetensors")
        write_spec(folder, {"kind": "tfidf", "labels": list(self.labels), **self.words.spec})

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> TfIdfFitted:
        spec = read_spec(folder, "tfidf")
        t = read_tensors(folder / "head.safetensors", ("idf", "weight", "bias"))
        words = HashedWords(**spec["hashing"])
        return cls(tuple(spec["labels"]), words, t["idf"], t["weight"], t["bias"])


def _weigh(counts: Any, idf: NDArray[Any]) -> Any:
    """Counts times idf, each row scaled to L2 norm 1."""
    from sklearn.preprocessing import normalize

    return normalize(counts.multiply(idf[None, :]).tocsr())
