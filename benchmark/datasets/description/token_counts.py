"""Token counts of texts by MiniLM's tokenizer, where the package that carries it is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.encoders.encoders import resolve
from radpriv.errors import EncoderError

LONGEST = (128, 256, 512)
"""Lengths at which encoders commonly cut a text."""
BLOCK = 512


def token_lengths(texts: Iterable[str]) -> NDArray[np.int64] | None:
    """(n,) tokens of each text, special ones included; None without the tokenizer."""
    try:
        tokenizer = resolve("minilm").tokenizer.backend_tokenizer
    except EncoderError:
        return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    counts = [len(e.ids) for block in _blocks(texts) for e in tokenizer.encode_batch_fast(block)]
    return np.array(counts, np.int64)


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    waiting = iter(texts)
    while block := list(islice(waiting, BLOCK)):
        yield block
