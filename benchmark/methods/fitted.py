"""Fitted classifiers that the baselines share: a linear head on fixed features, and LoRA.

Saved as safetensors and JSON with sorted keys and lists: no pickle, no word, no record.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.encoders.features import RecordFunction
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import FrozenPart, Pooled, untrained
from radpriv.benchmark.methods.method import Fitted
from radpriv.benchmark.methods.model_spec import FeatureSpec, ModelSpec, read_spec, write_spec
from radpriv.benchmark.privacy.records import pad
from radpriv.benchmark.store.atomic import read_json, write_json
from radpriv.errors import StoreError


class LinearFitted(Fitted):
    """A linear classifier: logits = x · W + b, x the features of one text.

    Args:
        labels: names, in the order of columns.
        function: the public function of one text that gives x, (size,).
        weight: W, (size, labels); kept as float32.
        bias: b, (labels,); kept as float32.
        spec: how a saved model makes `function` again: `HashedWords.spec`, or features "pooled".
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        function: RecordFunction,
        weight: NDArray[Any],
        bias: NDArray[Any],
        spec: FeatureSpec,
    ) -> None:
        self.labels = labels
        self.thresholds = np.zeros(len(labels), np.float32)
        self.frozen = function
        self.weight = np.ascontiguousarray(weight, np.float32)
        self.bias = np.ascontiguousarray(bias, np.float32)
        self.trainable_parameters = self.weight.size + self.bias.size
        self._spec = spec

    def score(self, features: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        out = np.empty((len(features), len(self.labels)), np.float32)
        for start in range(0, len(features), 1024):
            x = np.stack(features[start : start + 1024]).astype(np.float32)
            out[start : start + 1024] = x @ self.weight + self.bias
        return out

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({"weight": self.weight, "bias": self.bias}, folder / "head.safetensors")
        write_spec(folder, {"kind": "linear", "labels": list(self.labels), **self._spec})

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> LinearFitted:
        """The saved classifier.

        Raises:
            StoreError: the folder holds no saved linear model, or one of another encoder.
        """
        spec = read_spec(folder, "linear")
        tensors = read_tensors(folder / "head.safetensors", ("weight", "bias"))
        function = _function(folder, spec, encoder)
        labels = tuple(spec["labels"])
        return cls(labels, function, tensors["weight"], tensors["bias"], _features(folder, spec))


class LoraFitted(Fitted):
    """A PEFT-wrapped Classifier and the frozen part below it."""

    def __init__(self, labels: tuple[str, ...], model: Any, frozen: FrozenPart) -> None:
        self.labels = labels
        self.thresholds = np.zeros(len(labels), np.float32)
        self.frozen = frozen
        self.model = model
        self.trainable_parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)

    def score(self, features: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        out = np.empty((len(features), len(self.labels)), np.float32)
        order = sorted(range(len(features)), key=lambda i: (len(features[i]), i))
        device = next(self.model.parameters()).device
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), 32):
                part = order[start : start + 32]
                values, mask = pad([features[i] for i in part], ragged=True)
                logits = self.model(values.to(device), mask.to(device))
                out[part] = logits.float().cpu().numpy()
        return out

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            self.model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        config = folder / "adapter_config.json"
        saved = read_json(config)
        saved["base_model_name_or_path"] = self.frozen.encoder.name  # type: ignore[union-attr]
        write_json(config, _sorted(saved))
        frozen: Any = self.frozen
        write_spec(
            folder,
            {
                "kind": "lora",
                "labels": list(self.labels),
                "start": frozen.layers,
                "max_length": frozen.max_length,
                "encoder": frozen.encoder.name,
                "encoder_sha256": frozen.encoder.sha256,
            },
        )

    @classmethod
    def load(cls, folder: Path, encoder: Encoder | None) -> LoraFitted:
        """The saved classifier, adapter and head, on its encoder.

        Raises:
            StoreError: the folder holds no saved LoRA model, or one of another encoder.
        """
        from peft import PeftModel

        spec = read_spec(folder, "lora")
        encoder = _same_encoder(folder, spec, encoder)
        base, _ = untrained(encoder, len(spec["labels"]), 0, spec["max_length"])
        base.begin(spec["start"])
        frozen = FrozenPart(encoder, spec["start"], spec["max_length"])
        saved = read_tensors(folder / "adapter_model.safetensors", ())
        if not any(name.endswith("head.weight") for name in saved):
            raise StoreError(f"{folder}: the saved adapter holds no classifier head")
        model = PeftModel.from_pretrained(base, str(folder))
        return cls(tuple(spec["labels"]), model, frozen)


def _features(folder: Path, spec: ModelSpec) -> FeatureSpec:
    """What a model's file says of its features."""
    try:
        if spec["features"] == "pooled":
            return {
                "features": "pooled",
                "max_length": spec["max_length"],
                "encoder": spec["encoder"],
                "encoder_sha256": spec["encoder_sha256"],
            }
        if spec["features"] == "hashed":
            return {"features": "hashed", "hashing": spec["hashing"]}
    except KeyError as error:
        raise StoreError(f"{folder / 'model.json'}: key {error} is missing") from None
    raise StoreError(f"{folder / 'model.json'}: unknown features '{spec['features']}'")


def _function(folder: Path, spec: ModelSpec, encoder: Encoder | None) -> RecordFunction:
    features = _features(folder, spec)
    if features["features"] == "pooled":
        return Pooled(_same_encoder(folder, spec, encoder), features["max_length"])
    return HashedWords(**features["hashing"])


def _same_encoder(folder: Path, spec: ModelSpec, encoder: Encoder | None) -> Encoder:
    if encoder is None or required(encoder).sha256 != spec["encoder_sha256"]:
        raise StoreError(
            f"{folder}: trained on encoder '{spec['encoder']}' ({spec['encoder_sha256'][:12]}…); "
            "give that encoder"
        )
    return encoder


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return sorted(value)
    return value


def read_tensors(path: Path, needed: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read a safetensors file, arrays by name.

    Raises:
        StoreError: the file cannot be read, or lacks a tensor of `needed`.
    """
    try:
        tensors: dict[str, NDArray[Any]] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error
    missing = [n for n in needed if n not in tensors]
    if missing:
        raise StoreError(f"{path}: tensor '{missing[0]}' is missing")
    return tensors
