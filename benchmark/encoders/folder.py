"""An encoder's folder: from the hub, the files that decide what it computes, and if they read.

    folder = from_hub("mine", "owner/mine", revision, "give a folder")
    sha256 = identity("mine", folder)              # EncoderError names the file that is amiss

Only headers are read here, so a damaged file is found before anything else is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from radpriv.benchmark.store.digests import file_sha256
from radpriv.errors import EncoderError

INDEX = "model.safetensors.index.json"
TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
    "tokenizer.model",
)
FILES = (
    "config.json",
    "model.safetensors",
    "pytorch_model.bin",
    INDEX,
    *TOKENIZERS,
    "merges.txt",
    "added_tokens.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
"""Files that decide what an encoder computes, shards apart; their hash is its identity."""

AGAIN = "copy or download it again"


def from_hub(name: str, hub_id: str, revision: str, otherwise: str) -> Path:
    """The folder of a snapshot in the local cache of the hub, fetched where it is not there yet.

    otherwise: what the user may do instead.
    """
    from huggingface_hub import snapshot_download

    wanted = [*(f for f in FILES if f != "pytorch_model.bin"), "model-*.safetensors"]
    for patterns in (wanted, [*wanted, "pytorch_model.bin"]):
        try:
            found = Path(snapshot_download(hub_id, revision=revision, allow_patterns=patterns))
        except Exception as error:
            raise EncoderError(
                f"encoder '{name}': {hub_id}@{revision[:12]} is not in the local hub cache and the "
                f"hub did not answer ({type(error).__name__}); go online once, or {otherwise}"
            ) from error
        if any((found / weights).is_file() for weights in ("model.safetensors", INDEX)):
            return found
    return found


def identity(name: str, folder: Path, weights_sha256: str = "") -> str:
    """SHA-256 over all files that decide what it computes, so one changed weight shows.

    weights_sha256: of model.safetensors, where it is pinned.

    Raises:
        EncoderError: a file is missing, damaged or not the pinned one.
    """
    present = [f for f in FILES if (folder / f).is_file()]
    shards = _shards(name, folder) if "model.safetensors" not in present else []
    weights = [f for f in ("model.safetensors", "pytorch_model.bin") if f in present] or shards
    if "config.json" not in present or not weights:
        raise EncoderError(
            f"encoder '{name}': {folder} holds no config.json with model.safetensors or "
            "pytorch_model.bin; give a folder that does"
        )
    if not any(f in present for f in TOKENIZERS):
        raise EncoderError(
            f"encoder '{name}': {folder} holds no tokenizer ({', '.join(TOKENIZERS)}); put that of "
            "the same model beside its weights"
        )
    declared_type(name, folder)
    for file in weights:
        if file.endswith(".safetensors"):
            _check_header(name, folder / file)
    if weights_sha256 and (found := file_sha256(folder / weights[0])) != weights_sha256:
        raise EncoderError(
            f"encoder '{name}': {folder / weights[0]} has SHA-256 {found[:16]}…, pinned "
            f"is {weights_sha256[:16]}…; reinstall the package, or give --encoder FOLDER for your "
            "own"
        )
    return _files_sha256(folder, {*present, *shards})


def declared_type(name: str, folder: Path) -> str:
    """The architecture that config.json names; EncoderError where it names none."""
    found = _json(name, folder / "config.json").get("model_type")
    if not (isinstance(found, str) and 0 < len(found) <= 60 and found.isprintable()):
        raise EncoderError(
            f"encoder '{name}': {folder / 'config.json'} names no model_type, so its architecture "
            "is not known; take the config.json that came with the weights"
        )
    return found


def _shards(name: str, folder: Path) -> Sequence[str]:
    """The files that an index of weights names, each of which must be in the folder."""
    if not (folder / INDEX).is_file():
        return []
    named = _json(name, folder / INDEX).get("weight_map")
    shards = sorted({str(v) for v in named.values()}) if isinstance(named, dict) else []
    for shard in shards:
        if Path(shard).name != shard or not (folder / shard).is_file():
            raise EncoderError(
                f"encoder '{name}': {folder / INDEX} names '{shard}', which is not in the folder; "
                f"{AGAIN}, with all its parts"
            )
    if not shards:
        raise EncoderError(f"encoder '{name}': {folder / INDEX} names no file; {AGAIN}")
    return shards


def _json(name: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise EncoderError(f"encoder '{name}': {path} is not JSON{line}; {AGAIN}") from error
    if not isinstance(found, dict):
        raise EncoderError(f"encoder '{name}': {path} holds no JSON object; {AGAIN}")
    return found


def _check_header(name: str, path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            file.keys()
    except (OSError, SafetensorError) as error:
        raise EncoderError(
            f"encoder '{name}': {path} is damaged or cut short, {path.stat().st_size:,} bytes; "
            f"{AGAIN}"
        ) from error


def _files_sha256(folder: Path, names: Iterable[str]) -> str:
    h = hashlib.sha256()
    for name in sorted(names):
        h.update(f"{name}\0{file_sha256(folder / name)}\n".encode())
    return h.hexdigest()
