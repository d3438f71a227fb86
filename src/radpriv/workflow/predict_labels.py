"""Labels of new reports by the saved model of a finished cell.

    found = predict(Store(Path("radpriv-store")), "openi.minilm.dp_lora.eps1.s0", texts)
    found.labels, found.probabilities[0], found.positive[0]

Texts are read and forgotten: neither the store nor a log nor an error has a word of them. Nothing
leaves the machine, so a model of gated data may be used so too, by whoever may hold the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from radpriv.benchmark.store.store import Store
from radpriv.errors import DataError
from radpriv.workflow.cell_model import CellModel

AT_ONCE = 256
"""Texts between two notes of progress."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of n texts.

    cell_id: of the cell that trained it. labels: L names.
    probabilities: float32 (n, L), the logistic function of its logits, not calibrated.
    positive: bool (n, L), whether a logit is above the cell's threshold.
    notes: what must be known of the model, a sentence each.
    """

    cell_id: str
    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    positive: NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.probabilities)


def predict(
    store: Store | Path,
    cell: str,
    texts: Sequence[str],
    encoder: str = "",
    tick: Callable[[int], None] = lambda count: None,
) -> Predictions:
    """Probabilities and labels of each text, in their order.

    Args:
        store: a store, or its folder.
        cell: a cell id, or the start of one.
        texts: n reports, any length; a model reads as many tokens as its method says.
        encoder: a folder or hub-id@revision, where the cell's encoder is not found by its name.
        tick: is given the number of texts that were just answered.

    Raises:
        DataError: `texts` is no sequence of strings.
        StoreError: no such cell, several, or one that kept no model.
        EncoderError: the encoder of the cell is not here.
        AttackError: its saved model cannot be loaded.
    """
    if isinstance(texts, str):
        raise DataError("texts: one string; give a list of reports")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts[{number}]: {type(text).__name__}; give a string")
    model = CellModel.open(store if isinstance(store, Store) else Store(store), cell, encoder)
    logits = np.zeros((len(texts), len(model.labels)), np.float32)
    for start in range(0, len(texts), AT_ONCE):
        part = list(texts[start : start + AT_ONCE])
        logits[start : start + AT_ONCE] = model.query(part)
        tick(len(part))
    return Predictions(
        model.id, model.labels, expit(logits), logits > model.thresholds, tuple(_notes(model))
    )


def _notes(model: CellModel) -> list[str]:
    found = []
    if model.control:
        found.append(
            "this is the positive control, trained on flipped labels so that it leaks: its answers "
            "are worth nothing"
        )
    if (limit := model.cell.record.cell.limited) is not None:
        found.append(f"this model is a smoke test, of a run with --limit {limit}")
    return found
