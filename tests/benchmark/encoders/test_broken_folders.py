"""Folders that hold no usable encoder: one sentence with what to do, whatever a library raises."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.folder import INDEX
from radpriv.benchmark.encoders.usable import check_usable
from radpriv.errors import EncoderError

MARKER = "zyzzyvaquux"


def set_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def remove(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()


def cut(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])


def drop_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[next(n for n in tensors if "layer.1" in n)]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def not_finite(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    spoilt = {n: t.fill_(float("nan")) if "layer.0" in n else t for n, t in tensors.items()}
    save_file(spoilt, folder / "model.safetensors", metadata={"format": "pt"})


def index(folder: Path, shard: str) -> None:
    remove(folder, "model.safetensors")
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": {"a": shard}}))


class Harmful:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def pickle_only(folder: Path) -> None:
    remove(folder, "model.safetensors")
    torch.save({"a": Harmful(folder / "harmed")}, folder / "pytorch_model.bin")


def more_words(folder: Path) -> None:
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    told["model"]["vocab"]["more"] = 4000
    path.write_text(json.dumps(told))


def own_code(folder: Path) -> None:
    set_config(folder, model_type="mine", auto_map={"AutoConfig": "mine.C", "AutoModel": "mine.M"})
    body = f"import os; os.mkdir({str(folder / 'harmed')!r})\n"
    (folder / "mine.py").write_text(body)


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "config no JSON": (write("config.json", '{"a": 1,\n oops'), "config.json is not JSON, line 2"),
    "config a list": (write("config.json", "[1]"), "config.json holds no JSON object"),
    "no model_type": (write("config.json", "{}"), "names no model_type.*take the config.json"),
    "unknown type": (lambda f: set_config(f, model_type="mine"), r"\(mine\): reading its config"),
    "a bad value": (lambda f: set_config(f, hidden_size="wide"), r"\(bert\): reading its config"),
    "no heads": (lambda f: set_config(f, num_attention_heads=5), r"\(bert\): building it"),
    "its own code": (own_code, r"\(mine\): reading its config"),
    "another type": (lambda f: set_config(f, model_type="distilbert"), "lack tensor .* model_type"),
    "other shapes": (lambda f: set_config(f, hidden_size=32), "has another shape than config.json"),
    "a lost tensor": (drop_tensor, r"lack tensor encoder.layer.1.* \(1 tensors in all\)"),
    "writes texts": (write("config.json", '{"model_type": "t5"}'), "an encoder-decoder"),
    "weights cut": (lambda f: cut(f, 9000), "damaged or cut short, 9,000 bytes; copy or download"),
    "header cut": (lambda f: cut(f, 30), "damaged or cut short, 30 bytes"),
    "weights empty": (lambda f: cut(f, 0), "damaged or cut short, 0 bytes"),
    "not finite": (not_finite, "makes numbers that are not finite"),
    "a lost shard": (lambda f: index(f, "model-1.safetensors"), "not in the folder.*all its parts"),
    "a shard outside": (lambda f: index(f, "../model.safetensors"), "which is not in the folder"),
    "no shard": (write(INDEX, "{}"), ""),
    "harmful pickle": (pickle_only, "loading its weights .*a model.safetensors loads"),
    "no weights": (lambda f: remove(f, "model.safetensors"), "give a folder that does"),
    "no tokenizer": (lambda f: remove(f, "tok*", "vocab*"), "holds no tokenizer"),
    "bad tokenizer": (write("tokenizer.json", "{"), "loading its tokenizer .*put the tokenizer"),
    "no words": (
        lambda f: (remove(f, "tokenizer.json"), write("vocab.txt", "")(f)),
        "its tokenizer (has no word|names token)|loading its tokenizer",
    ),
    "many words": (more_words, "names token 4000, and its weights have vectors for 40 tokens"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_encoder_is_one_sentence(fault: str, tiny_bert: Encoder, tmp_path: Path) -> None:
    """With the encoder's name and a remedy, and nothing in the folder is run."""
    folder = Path(shutil.copytree(tiny_bert.folder, tmp_path / "mine"))
    spoil, sentence = FAULTS[fault]
    spoil(folder)
    if not sentence:  # the whole file is taken where both are there
        check_usable(resolve(str(folder), "nothing"), 32)
        return
    with pytest.raises(EncoderError, match=sentence) as caught:
        check_usable(resolve(str(folder), "nothing"), 32)
    words = str(caught.value)
    assert words.startswith("encoder 'mine'") and "\n" not in words and ";" in words
    assert not (folder / "harmed").exists()


def test_pooler_that_is_missing_is_not_missed(tiny_bert: Encoder, tmp_path: Path) -> None:
    """A checkpoint of a language model has none, and no state depends on it."""
    folder = Path(shutil.copytree(tiny_bert.folder, tmp_path / "mine"))
    tensors = load_file(folder / "model.safetensors")
    kept = {n: t for n, t in tensors.items() if "pooler" not in n}
    assert len(kept) < len(tensors)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    check_usable(resolve(str(folder), "nothing"), 32)


def test_text_that_a_tokenizer_fails_on_is_not_quoted(
    tiny_bert: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library's exception may hold the text; the sentence has its kind and place alone."""
    encoder = resolve(str(tiny_bert.folder), "nothing")

    def fail(text: str, **_: Any) -> None:
        raise ValueError(f"cannot split {text}")

    monkeypatch.setattr(type(encoder.tokenizer), "__call__", lambda self, text, **_: fail(text))
    for split in (lambda: encoder.count(MARKER), lambda: encoder.tokens(MARKER, 9)):
        with pytest.raises(EncoderError, match="ended in ValueError at") as caught:
            split()
        assert MARKER not in str(caught.value)
