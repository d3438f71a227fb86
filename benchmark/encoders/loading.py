"""From an encoder's folder to config, tokenizer and model; one sentence for what does not load.

What a model's files say is looked up in transformers by their model_type; code that a folder brings
along is never run, and a pickle is read as tensors alone. dtype is float32, set explicitly
(transformers ≥ 5 otherwise takes a checkpoint's own).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radpriv.benchmark.encoders.explained import explained
from radpriv.benchmark.encoders.folder import declared_type
from radpriv.errors import EncoderError

if TYPE_CHECKING:
    from torch import nn

UNLIMITED = 2**31
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True)
class Skeleton:
    """What an architecture is like, before any weight is read.

    attention: "sdpa", or "eager" where it has no other.  positions: the longest input, in tokens.
    vocabulary: rows of its table of tokens.  pooler: whether it can be made without one.
    """

    attention: str
    positions: int
    vocabulary: int
    pooler: bool


def load_config(name: str, folder: Path) -> Any:
    from transformers import AutoConfig

    remedy = (
        "its model_type or a value in config.json is not known to this version of transformers; "
        "give another encoder, or the config.json that came with the weights"
    )
    with explained(name, declared_type(name, folder), "reading its config.json", remedy):
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"encoder '{name}' ({config.model_type}): it reads a text only to write another "
            "(an encoder-decoder); give an encoder such as BERT, or a decoder such as GPT-2"
        )
    if not isinstance(getattr(config, "hidden_size", None), int):
        raise EncoderError(
            f"encoder '{name}' ({config.model_type}): its config.json names no hidden_size; give "
            "an encoder of text"
        )
    return config


def load_tokenizer(name: str, folder: Path, kind: str) -> Any:
    from transformers import AutoTokenizer

    remedy = "put the tokenizer.json of the same model into its folder"
    with quiet(), explained(name, kind, "loading its tokenizer", remedy):
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        known = set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)
    if not known:
        raise EncoderError(
            f"encoder '{name}' ({kind}): its tokenizer has no word, as if its vocabulary were "
            f"missing; {remedy}"
        )
    return tokenizer


def skeleton(name: str, config: Any) -> Skeleton:
    """The model without its weights: measured on what its own code builds, not by its name."""
    import torch
    from transformers import AutoModel

    remedy = "it may be no encoder of text; give another, or mend its config.json"
    with quiet(), explained(name, config.model_type, "building it", remedy), torch.device("meta"):
        try:
            attention = "sdpa"
            model = AutoModel.from_config(copy.deepcopy(config), attn_implementation=attention)
        except (ValueError, ImportError):
            attention = "eager"
            model = AutoModel.from_config(copy.deepcopy(config), attn_implementation=attention)
        tokens = model.get_input_embeddings()
        rows = int(tokens.weight.shape[0])
    pooler = "add_pooling_layer" in inspect.signature(type(model).__init__).parameters
    return Skeleton(attention, _positions(config, model, tokens), rows, pooler)


def _positions(config: Any, model: nn.Module, tokens: nn.Module) -> int:
    """The longest input. A table of positions with a row for padding (RoBERTa's) begins behind it,
    so 514 rows read 512 tokens."""
    from torch import nn

    given = getattr(config, "max_position_embeddings", None)
    longest = given if isinstance(given, int) and given > 0 else UNLIMITED
    for module in model.modules():
        table = isinstance(module, nn.Embedding) and module is not tokens
        if table and module.num_embeddings == given and module.padding_idx is not None:
            longest = min(longest, given - module.padding_idx - 1)
    return longest


def load_model(name: str, folder: Path, config: Any, shape: Skeleton) -> nn.Module:
    """A fresh copy in float32, every dropout probability 0 (rule 7), without a pooler.

    Raises:
        EncoderError: the weights do not load, have other shapes, or some are missing: transformers
            would draw those at random.
    """
    import torch
    from transformers import AutoModel

    kind, config = config.model_type, copy.deepcopy(config)
    for key, value in config.to_dict().items():
        if "drop" in key and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, key, 0.0)
    remedy = "its files are damaged, or of a kind that is not read; a model.safetensors loads"
    with quiet(), explained(name, kind, "loading its weights", remedy):
        model, info = AutoModel.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=shape.attention,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **({"add_pooling_layer": False} if shape.pooler else {}),
            **LOCAL,
        )
    mismatched = sorted(str(found[0]) for found in info["mismatched_keys"])
    if mismatched:
        raise EncoderError(
            f"encoder '{name}' ({kind}): tensor {mismatched[0]} has another shape than config.json "
            f"says ({len(mismatched)} tensors do); take the config.json that came with the weights"
        )
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise EncoderError(
            f"encoder '{name}' ({kind}): its weights lack tensor {missing[0]} ({len(missing)} "
            "tensors in all), which would be random; is model_type in config.json that of the "
            "weights?"
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
    found: nn.Module = model
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Silences loading bars and reports of transformers: expected differences are no news."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
