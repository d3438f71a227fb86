"""How alike two reports are: Jaccard similarity of their sets of three-word shingles.

    records = evaluate(WordShingles(), texts)   # features.py; or FeatureCache.map, on disk
    nearest(records, unit, rows)                # float32: to the nearest record of another unit
    similarities(universe, slots, cache)        # the same for the candidates of an audit set

Texts are compared by their words in lower case without dates, numbers and scrub marks
(compared_words.py). One word changed in the middle of thirty leaves 25 of 31 shingles, 0.81. Texts
that differ in none of these words give 1, and so do the rare ones that hold the same shingles in
another order.

`nearest` is exact: it multiplies sparse incidence matrices block by block, so nothing goes unfound
and 0 means that no shingle is shared. It costs queries × records; groups of copies within a whole
dataset are found by MinHash instead (deduplicate.py). Among 20 million shingles, two share a 64-bit
hash with a probability of 1e-5. Shingles are hashes of report text: private data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.encoders.features import FeatureCache, Features

COPY = 0.7
"""Similarity from which two reports count as near-copies of each other: the largest, in steps of
0.05, that misses at most 5% of the near-copies planted into half of Open-i's reports
(`python -m tools.similarity_threshold`; error rates by length in docs/near_copies.md)."""

QUERIES, BLOCK = 1024, 4096
"""Records compared at once: their common counts take at most 4 M entries."""


@dataclass(frozen=True)
class WordShingles:
    """text -> uint64 (distinct shingles,), sorted: hashes of `words` successive words.

    A shorter text is one shingle of all its words; one without words has none. Integer arithmetic
    on BLAKE2b hashes of the words: the same on every platform.
    """

    words: int = 3
    ragged: bool = field(default=True, init=False)

    @property
    def key(self) -> str:
        return f"shingles/2/{self.words}"

    def __call__(self, text: str) -> NDArray[np.uint64]:
        return shingles(compared_words(text), self.words)


def shingles(words: Sequence[str], width: int) -> NDArray[np.uint64]:
    """The distinct hashes of `width` successive words, sorted; of all where there are fewer."""
    hashed = np.array([_word(w) for w in words], np.uint64)
    if len(hashed) == 0:
        return hashed
    width = min(width, len(hashed))
    # The width goes in first: "a b" alone is not the beginning of "a b c".
    value = np.full(len(hashed) - width + 1, width, np.uint64)
    for i in range(width):
        value = mixed(value + hashed[i : len(hashed) - width + 1 + i])
    return np.unique(value)


@lru_cache(maxsize=1 << 18)
def _word(word: str) -> int:
    raw = word.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection of 64-bit words that spreads every bit (Steele et al. 2014, SplitMix64)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)), np.uint64)


def similarities(
    universe: Universe, slots: NDArray[np.int64], cache: FeatureCache
) -> NDArray[np.float32]:
    """float32 (len(slots),): each slot's similarity to the nearest record of another unit.

    Over the whole universe, members and not: it depends on no coin, so it is the same in every seed
    and tells nothing of membership. Canaries share their carrier sentences and count as nobody's
    neighbours. Computed once for one audit set; the cache is private.
    """
    own = np.flatnonzero(~universe.canary)
    shape = hashlib.sha256(universe.unit.tobytes() + np.asarray(slots, np.int64).tobytes())
    if universe.canary.any():
        shape.update(own.tobytes())

    def make() -> Features:
        records = cache.map(WordShingles(), universe.texts)
        found = nearest(records, universe.unit, slots, own)
        return Features(found, np.arange(len(found) + 1), ragged=False)

    key = f"nearest/1/{WordShingles().key}/{shape.hexdigest()}"
    return np.asarray(cache.keep(key, universe.texts, False, make).values, np.float32)


def nearest(
    records: Features,
    unit: NDArray[np.int64],
    rows: NDArray[np.int64],
    others: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """float32 (len(rows),): similarity to the nearest of `others` (default: all) of another unit.

    records: shingles of n texts. unit: int64 (n,), the unit of each. 0 where there is no record of
    another unit, or none with a shingle in common; texts without words are copies of each other.
    """
    others = np.arange(len(records)) if others is None else np.asarray(others, np.int64)
    rows = np.asarray(rows, np.int64)
    best = np.zeros(len(rows), np.float64)
    for begin in range(0, len(rows), QUERIES):
        block = slice(begin, begin + QUERIES)
        best[block] = _best(records, unit, rows[block], others)
    return best.astype(np.float32)


def _best(
    records: Features, unit: NDArray[np.int64], rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    size = records.lengths
    known = np.unique(taken(records, rows))
    ours = incidence(records, rows, known)
    best = np.zeros(len(rows), np.float64)
    for begin in range(0, len(others), BLOCK):
        block = others[begin : begin + BLOCK]
        common = (ours @ incidence(records, block, known).T).tocoo()
        one, two = rows[common.row], block[common.col]
        likeness = common.data / (size[one] + size[two] - common.data)
        np.maximum.at(best, common.row, np.where(unit[one] == unit[two], 0.0, likeness))
    blank = np.unique(unit[others[size[others] == 0]])
    for i in np.flatnonzero(size[rows] == 0):
        best[i] = float(bool((blank != unit[rows[i]]).any()))
    return best


def taken(records: Features, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The shingles of these rows, one after the other."""
    return np.asarray(records.values[_places(records, rows)], np.uint64)


def incidence(
    records: Features, rows: NDArray[np.int64], known: NDArray[np.uint64]
) -> sparse.csr_matrix:
    """int32 (len(rows), len(known)): 1 where a row holds a shingle of `known` (sorted)."""
    values = taken(records, rows)
    place = np.searchsorted(known, values)
    hit = place < len(known)
    hit[hit] = known[place[hit]] == values[hit]
    ends = np.cumsum(records.lengths[rows])
    counted = np.concatenate([[0], np.cumsum(hit)])
    bounds = np.concatenate([[0], counted[ends]])
    ones = np.ones(int(hit.sum()), np.int32)
    return sparse.csr_matrix((ones, place[hit], bounds), shape=(len(rows), len(known)))


def _places(records: Features, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    length = records.lengths[rows]
    skipped = records.offsets[rows] - np.concatenate([[0], np.cumsum(length)[:-1]])[: len(rows)]
    return np.asarray(np.repeat(skipped, length) + np.arange(int(length.sum())), np.int64)
