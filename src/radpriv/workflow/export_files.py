"""Saved models as files that the usual libraries read, one writer for each kind of model.

    adapter: head, adapter and tokenizer    AutoTokenizer, AutoModel, PeftModel
    head:    head and tokenizer             AutoTokenizer, AutoModel
    words:   head on hashed words           HashingVectorizer

PEFT saved the adapter of a whole Classifier, whose encoder is a module of it; here it is that of
the bare encoder, under the names that AutoModel gives its modules. The head lies apart.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from radpriv.baselines.tfidf import TfIdfFitted
from radpriv.benchmark.encoders.encoders import Encoder, encoders
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.methods.fitted import LinearFitted, LoraFitted, read_tensors
from radpriv.benchmark.methods.method import Fitted
from radpriv.benchmark.store.atomic import atomic_write, read_json, storing, write_json
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import StoreError
from radpriv.workflow.export_page import COPY, encoder_code, words_code

ENCODER_PACKAGES = "safetensors torch transformers"
_WRAPPED = "base_model.model."
_MACHINE = ("_name_or_path", "name_or_path", "is_local", "local_files_only")
"""Keys by which transformers notes where it once read a file."""


@dataclass(frozen=True)
class ExportedFiles:
    """What was written. code: of the README. packages: that it needs. how: for radpriv.json.

    base: where the encoder is found, "" without one: COPY, or hub-id@revision.
    """

    kind: str
    code: list[str]
    packages: str
    how: dict[str, Any]
    base: str = ""


def write_model(
    model: Fitted, folder: Path, encoder: Encoder | None, copy: bool
) -> ExportedFiles | None:
    """Write the files of a model; None for a kind that has no such form.

    copy: the encoder too, also where it is found on the hub.
    """
    writer = WRITERS.get(type(model))  # a subclass, of a plug-in, may compute something else
    return writer(model, folder, encoder, copy) if writer else None


def _adapter(model: Any, folder: Path, encoder: Encoder | None, copy: bool) -> ExportedFiles | None:
    assert encoder is not None
    classifier = model.model.base_model.model
    saved, config = _as_peft(model)
    prefix = f"{_WRAPPED}encoder."
    tensors = {
        _WRAPPED + name.removeprefix(prefix): value
        for name, value in saved.items()
        if name.startswith(prefix)
    }
    base, revision = _base(encoder, folder, copy)
    write_json(
        folder / "adapter_config.json",
        {
            **config,
            "auto_mapping": None,
            "base_model_name_or_path": base,
            "modules_to_save": None,
            "revision": revision or None,
            "target_modules": sorted(
                name.removeprefix(_WRAPPED).removesuffix(".lora_A.weight")
                for name in tensors
                if name.endswith(".lora_A.weight")
            ),
        },
    )
    write_tensors(folder / "adapter_model.safetensors", tensors)
    write_tensors(
        folder / "head.safetensors",
        {
            "weight": saved[f"{_WRAPPED}head.weight"],
            "bias": saved[f"{_WRAPPED}head.bias"],
            "center": classifier.center.numpy(),
        },
    )
    _tokenizer(encoder, folder)
    longest = model.frozen.max_length
    return ExportedFiles(
        "adapter",
        encoder_code(base, revision, encoder.hidden_size, longest, adapted=True, centred=True),
        f"peft {ENCODER_PACKAGES}",
        {"max_length": longest},
        _named(base, revision),
    )


def _linear(model: Any, folder: Path, encoder: Encoder | None, copy: bool) -> ExportedFiles | None:
    if isinstance(model.frozen, HashedWords):
        return _words(folder, model, model.frozen, {})
    if not isinstance(model.frozen, Pooled) or encoder is None:
        return None
    base, revision = _base(encoder, folder, copy)
    write_tensors(folder / "head.safetensors", {"weight": model.weight.T, "bias": model.bias})
    _tokenizer(encoder, folder)
    longest = model.frozen.max_length
    return ExportedFiles(
        "head",
        encoder_code(base, revision, encoder.hidden_size, longest, adapted=False, centred=False),
        ENCODER_PACKAGES,
        {"max_length": longest},
        _named(base, revision),
    )


def _tfidf(model: Any, folder: Path, encoder: Encoder | None, copy: bool) -> ExportedFiles | None:
    return _words(folder, model, model.words, {"idf": model.idf})


def _words(
    folder: Path, model: Any, words: HashedWords, more: Mapping[str, NDArray[Any]]
) -> ExportedFiles:
    tensors = {"weight": model.weight.T, "bias": model.bias, **more}
    write_tensors(folder / "head.safetensors", tensors)
    code = words_code(words.size, words.ngrams, words.binary, weighted=bool(more))
    how = {"hashing": words.spec["hashing"]}
    return ExportedFiles("words", code, "numpy safetensors scikit-learn", how)


WRITERS: dict[type[Fitted], Callable[[Any, Path, Encoder | None, bool], ExportedFiles | None]] = {
    LoraFitted: _adapter,
    LinearFitted: _linear,
    TfIdfFitted: _tfidf,
}


def _as_peft(model: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """(tensors of adapter and head, configuration), as PEFT writes them."""
    with tempfile.TemporaryDirectory() as scratch:
        model.save(Path(scratch))
        tensors = read_tensors(Path(scratch) / "adapter_model.safetensors", ())
        return tensors, dict(read_json(Path(scratch) / "adapter_config.json"))


def _base(encoder: Encoder, folder: Path, copy: bool) -> tuple[str, str]:
    """(what AutoModel is to load, revision): on the hub, where these very files are known to lie
    there, else a copy in the export."""
    found = on_hub(encoder)
    if found is not None and not copy:
        return found
    _copy(encoder, folder / COPY)
    return COPY, ""


def on_hub(encoder: Encoder) -> tuple[str, str] | None:
    """(hub id, commit) of an encoder that was read from the hub, or has the weights pinned there.

    None for any other folder, though it bear the name of one that the hub has.
    """
    snapshots = encoder.folder.parent
    if snapshots.name == "snapshots" and snapshots.parent.name.startswith("models--"):
        hub_id = snapshots.parent.name.removeprefix("models--").replace("--", "/")
        return hub_id, encoder.folder.name
    if encoder.name in encoders.names():
        spec = encoders.get(encoder.name)
        weights = encoder.folder / "model.safetensors"
        if spec.weights_sha256 and file_sha256(weights) == spec.weights_sha256:
            return spec.hub_id, spec.revision
    return None


def _named(base: str, revision: str) -> str:
    return f"{base}@{revision}" if revision else base


def _copy(encoder: Encoder, target: Path) -> None:
    """Configuration and weights, as safetensors."""
    from transformers import AutoModel

    target.mkdir()
    weights = encoder.folder / "model.safetensors"
    if weights.is_file():
        with storing(target):
            shutil.copyfile(weights, target / weights.name)
        config = read_json(encoder.folder / "config.json")
    else:
        AutoModel.from_pretrained(encoder.folder, local_files_only=True).save_pretrained(target)
        config = read_json(target / "config.json")
    write_json(target / "config.json", _portable(config))


def _tokenizer(encoder: Encoder, folder: Path) -> None:
    """As transformers saves one: the files of older encoders name no class. A new one, for one that
    was used keeps how long it was asked to cut texts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder.folder, local_files_only=True)
    with storing(folder):
        tokenizer.save_pretrained(folder)
    config = folder / "tokenizer_config.json"
    write_json(config, _portable(read_json(config)))


def _portable(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _MACHINE}


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """float32 safetensors; StoreError where one is not finite."""
    found = {name: np.ascontiguousarray(t, np.float32) for name, t in sorted(tensors.items())}
    for name, tensor in found.items():
        if not np.isfinite(tensor).all():
            raise StoreError(f"{path.name}: tensor '{name}' is not finite; run the cell again")
    atomic_write(path, save(found, {"format": "pt"}))
