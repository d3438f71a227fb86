"""An exported folder read back as its README does it: by the usual libraries alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from radpriv.benchmark.store.atomic import read_json
from radpriv.workflow.export_page import ABOUT


def read_back(folder: Path, base: Path | None, texts: Sequence[str]) -> NDArray[np.float32]:
    """float32 (n, L): logits of an export. base: folder of its encoder."""
    info, head = read_json(folder / ABOUT), load_file(folder / "head.safetensors")
    if base is None:
        x = _words(info["hashing"], texts, head.get("idf"))
    else:
        x = _pooled(folder, base, info["kind"] == "adapter", info["max_length"], texts)
        x = x - head.get("center", np.zeros(x.shape[1], np.float32))
    return np.asarray(x @ head["weight"].T + head["bias"], np.float32)


def _pooled(
    folder: Path, base: Path, adapted: bool, max_length: int, texts: Sequence[str]
) -> NDArray[np.float32]:
    """float32 (n, hidden): the mean of the last layer's states, normalised, text by text."""
    import torch
    from peft import PeftModel
    from transformers import AutoModel, AutoTokenizer

    from radpriv.benchmark.encoders.loading import quiet

    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of one library to the other
        model = AutoModel.from_pretrained(base, dtype=torch.float32, local_files_only=True)
        model = PeftModel.from_pretrained(model, str(folder)) if adapted else model
    tokenizer, rows = AutoTokenizer.from_pretrained(folder, local_files_only=True), []
    with torch.inference_mode():
        for text in texts:
            cut = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
            mean = model.eval()(**cut).last_hidden_state.mean(1)
            rows.append(torch.layer_norm(mean, mean.shape[1:])[0].numpy())
    return np.stack(rows)


def _words(
    hashing: dict[str, int], texts: Sequence[str], idf: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    words = HashingVectorizer(
        n_features=hashing["size"],
        ngram_range=(1, hashing["ngrams"]),
        binary=hashing["binary"],
        alternate_sign=False,
    )
    x = words.transform(texts)
    x = x if idf is None else normalize(x.multiply(idf[None]).tocsr())
    return np.asarray(x.toarray(), np.float32)
