"""Hashed words: a public function of one text that stores no vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict


class Hashing(TypedDict):
    """The parameters of HashedWords."""

    size: int
    ngrams: int
    binary: bool


class HashedSpec(TypedDict):
    """Features that are hashed words."""

    features: Literal["hashed"]
    hashing: Hashing


@dataclass(frozen=True)
class HashedWords:
    """Hashed words: text -> float32 (size,), counts of 1..ngrams, scaled to L2 norm 1.

    size: columns; more mean fewer collisions.  ngrams: the longest run of words that is counted.
    binary: presence only.

    scikit-learn's HashingVectorizer with its fixed hash (MurmurHash3): nothing is fitted, so no
    word of any record is kept. Collisions are the price.
    """

    size: int
    ngrams: int
    binary: bool
    ragged: bool = field(default=False, init=False)

    @property
    def key(self) -> str:
        return f"hashed/1/{self.size}/{self.ngrams}/{self.binary}" if self.size <= 65536 else ""

    @property
    def spec(self) -> HashedSpec:
        """How a saved model finds it again."""
        return {
            "features": "hashed",
            "hashing": {"size": self.size, "ngrams": self.ngrams, "binary": self.binary},
        }

    @cached_property
    def vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        return HashingVectorizer(
            n_features=self.size,
            ngram_range=(1, self.ngrams),
            binary=self.binary,
            alternate_sign=False,
            norm="l2",
        )

    def __call__(self, text: str) -> NDArray[np.float32]:
        return np.asarray(self.vectorizer.transform([text]).toarray()[0], np.float32)
