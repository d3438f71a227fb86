"""Keywords and negation: a lexicon of phrases, read with NegEx. Nothing is learned from records.

`fit` reads no record, so the answer is the same for every training set and no membership can leak:
what a method that trains has to beat. It needs `pip install 'radpriv[keyword]'`.

Labels are known by name, the 14 of CheXpert and the 18 of CT-RATE. A label is positive where a
phrase of it is neither denied nor, by the parameter `hedges`, left open. "No Finding" is positive
where no finding is asserted or left open, whatever label the finding has; devices are none.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radpriv.baselines.keyword.lexicon import (
    ELSEWHERE,
    LEXICON,
    NOTHING,
    Lexicon,
    label_key,
    read_lexicon,
)
from radpriv.baselines.keyword.reader import Mention, Reader, require_library
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Fitted, Method, methods
from radpriv.benchmark.methods.model_spec import read_spec, write_spec
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.store.atomic import atomic_write
from radpriv.errors import StoreError, SuiteError

HEDGES = ("positive", "negative")
NO_FINDING = label_key("No Finding")
DEVICES = frozenset(map(label_key, ("Support Devices", "Medical material")))


@methods.register("keyword")
@dataclass(frozen=True)
class Keyword(Method):
    """hedges: what a finding that is only left open ("possible edema") counts as. Positive by
    default: a reader who writes it down wants it known, and coders record it."""

    hedges: str = "positive"

    private = False
    uses_encoder = False

    def __post_init__(self) -> None:
        if self.hedges not in HEDGES:
            raise SuiteError(
                f"method 'keyword': hedges = {self.hedges!r}: one of {', '.join(HEDGES)}"
            )

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> KeywordFitted:
        require_library()
        lexicon = read_lexicon(LEXICON.read_text("utf-8"), LEXICON.name)
        fitted = KeywordFitted(train.labels, lexicon, self.hedges)
        if fitted.unknown:
            listed = ", ".join(fitted.unknown)
            warnings.warn(f"keyword: no lexicon for {listed}: always negative", stacklevel=2)
        return fitted


class KeywordFitted(Fitted):
    """Logits are +1 or -1. unknown: labels without a lexicon, always -1."""

    def __init__(self, labels: tuple[str, ...], lexicon: Lexicon, hedges: str) -> None:
        self.labels = labels
        self.thresholds = np.zeros(len(labels), np.float32)
        self.hedges = hedges
        self._lexicon = lexicon
        known = {NO_FINDING, *map(label_key, lexicon.phrases(labels))} - {ELSEWHERE, NOTHING}
        self.unknown = tuple(label for label in labels if label_key(label) not in known)

    @cached_property
    def reader(self) -> Reader:
        return Reader(self._lexicon, self.labels)

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        out = np.full((len(texts), len(self.labels)), -1.0, np.float32)
        columns = [None if label in self.unknown else label_key(label) for label in self.labels]
        for row, mentions in zip(out, self.reader.read(texts)):
            positive = self._positive(mentions)
            row[[column in positive for column in columns]] = 1.0
        return out

    def _positive(self, mentions: Sequence[Mention]) -> set[str]:
        """Keys of the positive labels of one report."""
        told = [(label_key(m.label), m.open) for m in mentions if not m.denied]
        positive = {label for label, is_open in told if not is_open or self.hedges == "positive"}
        if not {label for label, _ in told} - DEVICES:
            positive.add(NO_FINDING)
        return positive

    def save(self, folder: Path) -> None:
        text = self._lexicon.text.encode()
        atomic_write(folder / LEXICON.name, text)
        write_spec(
            folder,
            {
                "kind": "keyword",
                "labels": list(self.labels),
                "hedges": self.hedges,
                "unknown": list(self.unknown),
                "lexicon_sha256": hashlib.sha256(text).hexdigest(),
            },
        )

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> KeywordFitted:
        spec = read_spec(folder, "keyword")
        path = folder / LEXICON.name
        try:
            text = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror}); run again") from error
        if hashlib.sha256(text).hexdigest() != spec.get("lexicon_sha256"):
            raise StoreError(f"{path}: not the lexicon that this model has; run again")
        labels, hedges = spec["labels"], spec.get("hedges")
        if hedges not in HEDGES:
            raise StoreError(f"{folder / 'model.json'}: hedges are damaged; run again")
        lexicon = read_lexicon(text.decode(errors="replace"), str(path))
        return cls(tuple(labels), lexicon, hedges)
