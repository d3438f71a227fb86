"""Public pseudo-random numbers by name: for permuting coins and for breaking ties.

They depend on the name alone, never on data, and are the same under every NumPy version: PCG64's
raw words are kept stable by NumPy (NEP 19), `Generator.permutation` is not.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.cell import canonical


def public_words(size: int, *name: str | int) -> NDArray[np.uint64]:
    """Public pseudo-random words, uint64 (size,): PCG64, its seed the SHA-256 of the name."""
    seed = hashlib.sha256(f"radpriv/attacks/{canonical(list(name))}".encode()).digest()
    return np.random.PCG64(int.from_bytes(seed, "little")).random_raw(size)


def public_permutation(size: int, *name: str | int) -> NDArray[np.int64]:
    """A public permutation, int64 (size,): 0 … size − 1 in the order of their public words."""
    return np.argsort(public_words(size, *name), kind="stable").astype(np.int64)
