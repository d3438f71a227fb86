"""Saved models of finished cells, for attacks that ask them: as trained, or without their adapters.

    model = Saved(folder / "model", job.method, job.encoder)
    model.query(texts)                      # float32 (n, L), as the run that saved it
    model.query(texts, untuned=True)        # the encoder of the checkpoint under the trained head

PEFT's own way to switch adapters off, `disable_adapter`, switches off the trained head too: it goes
back to the copies that `modules_to_save` replaced, and of an untrained head nothing can be learnt.
Here matrices B of LoRA are set to zero in a copy, so that W + s·B·A = W exactly and the head stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import isabstract
from pathlib import Path
from typing import Any

import numpy as np

from radpriv.attacks.inputs.build_view import NotApplicable
from radpriv.attacks.view import Matrix
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.fitted import LinearFitted, LoraFitted
from radpriv.benchmark.methods.method import Fitted, Method
from radpriv.benchmark.privacy.records import pad
from radpriv.benchmark.store.atomic import read_json
from radpriv.errors import AttackError, RadprivError, kind_and_place

BATCH = 32
"""Texts asked at once."""
KINDS: dict[str, type[Fitted]] = {"linear": LinearFitted, "lora": LoraFitted}
"""Classifiers that several methods share, by the kind in their model.json."""


@dataclass(frozen=True)
class Saved:
    """The model in a folder, loaded when it is first asked. encoder: of the job that trained it."""

    folder: Path
    method: Method
    encoder: Encoder | None = field(repr=False)

    @cached_property
    def kind(self) -> type[Fitted]:
        """The class that wrote the folder: what `fit` says that it returns, or one of KINDS.

        NotApplicable for a plug-in's class that `fit` does not name.
        """
        named = _returned(self.method)
        if named is not None:
            return named
        try:
            spec = read_json(self.folder / "model.json")
        except RadprivError as error:
            raise NotApplicable(f"no saved model to ask: {error}") from error
        found = KINDS.get(str(spec.get("kind")) if isinstance(spec, dict) else "")
        if found is None:
            raise NotApplicable(
                f"the class of the models of method '{type(self.method).__name__}' is not known: "
                "name it as what its fit() returns, as in `-> MyFitted`"
            )
        return found

    @property
    def adapted(self) -> bool:
        """Whether it is an encoder with adapters, which can be taken off."""
        return issubclass(self.kind, LoraFitted)

    @cached_property
    def fitted(self) -> Fitted:
        return self.load()

    @cached_property
    def untuned(self) -> LoraFitted:
        """The same with adapters off and its own head; NotApplicable where there are none."""
        if not self.adapted:
            raise NotApplicable(
                "it trained a head on fixed features, so without fine-tuning it is what it was"
            )
        return without_adapters(self.load())

    def query(self, texts: Sequence[str], untuned: bool = False) -> Matrix:
        """float32 (n, L): logits of any texts, in their order."""
        model = self.untuned if untuned else self.fitted
        if not len(texts):
            return np.zeros((0, len(model.labels)), np.float32)
        if type(model) is LoraFitted:  # a plug-in's may have a way of its own
            return batched(model, texts)
        return np.asarray(model.logits(list(texts)), np.float32)

    def load(self) -> Fitted:
        """A new copy; AttackError that names the folder."""
        try:
            return self.kind.load(self.folder, self.encoder)
        except RadprivError as error:
            raise AttackError(f"the saved model cannot be asked: {error}") from error
        except Exception as error:  # of a plug-in's load
            raise AttackError(
                f"{self.folder}: the saved model cannot be loaded ({kind_and_place(error)})"
            ) from error


def batched(fitted: LoraFitted, texts: Sequence[str]) -> Matrix:
    """float32 (n, L): its logits, through the whole model and for many texts at once.

    `logits` evaluates the frozen layers one text at a time, for a cache that serves many runs. What
    an attack makes up is asked once: 60 texts of 20 tokens took 3.1 s so, and 1.2 s in batches.
    """
    import torch

    frozen: Any = fitted.frozen
    ids = [np.array(frozen.encoder.tokens(text, frozen.max_length)) for text in texts]
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    out = np.empty((len(ids), len(fitted.labels)), np.float32)
    model, classifier = fitted.model.eval(), fitted.model.base_model.model
    start, classifier.start = classifier.start, 0
    try:
        with torch.inference_mode():
            for first in range(0, len(order), BATCH):
                part = order[first : first + BATCH]
                out[part] = model(*pad([ids[i] for i in part], ragged=True)).float().numpy()
    finally:
        classifier.start = start
    return out


def without_adapters(fitted: Fitted) -> LoraFitted:
    """`fitted`, its LoRA matrices B set to zero in place; head and frozen part stay."""
    import torch

    assert isinstance(fitted, LoraFitted)
    off = [p for name, p in fitted.model.named_parameters() if ".lora_B." in name]
    if not off:
        raise AttackError("the saved model has no LoRA matrix to take off; run its cell again")
    with torch.no_grad():
        for p in off:
            p.zero_()
    return fitted


def _returned(method: Method) -> type[Fitted] | None:
    """The class that `fit` is annotated to return, if it is one that can be loaded."""
    fit: Any = type(method).fit
    named = getattr(fit, "__annotations__", {}).get("return")
    if isinstance(named, str):
        named = getattr(fit, "__globals__", {}).get(named)
    fits = isinstance(named, type) and issubclass(named, Fitted) and not isabstract(named)
    return named if fits else None
