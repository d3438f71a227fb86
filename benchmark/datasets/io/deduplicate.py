"""Copies within a dataset: equal texts, and near-copies found by MinHash.

    groups(texts, threshold=0.7)      # int64 (n,): the first record of each record's group
    duplicates(dataset)               # counts that a card may show

Candidate pairs come from MinHash signatures (datasketch) cut into bands of r values each: a pair of
similarity s shares one of b bands with probability 1 − (1 − s^r)^b. r is the largest whose recall
*at the threshold* is 99.9% or more with at most 128 values (0.7: r = 4, b = 32, recall 99.98%).
Each candidate is then checked by the exact Jaccard similarity, so no pair below the threshold is
ever counted; what may be missed is the rare pair just above it. Memory is a few kilobytes a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from radpriv.benchmark.datasets.audit_set.similarity import (
    COPY,
    WordShingles,
    incidence,
    mixed,
    nearest,
)
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.texts import Texts, normalise, pick
from radpriv.benchmark.encoders.features import Features, evaluate
from radpriv.benchmark.store.description_schema import Duplicates
from radpriv.errors import DataError

VALUES = 128
RECALL = 0.999
PAIRS = 1 << 16
"""Pairs checked at once."""


@dataclass(frozen=True)
class Bands:
    """How a signature is cut: `count` bands of `rows` values."""

    count: int
    rows: int

    @staticmethod
    def of(threshold: float) -> Bands:
        """The narrowest net whose recall at the threshold is `RECALL`."""
        if not 0 < threshold <= 1:
            raise DataError(f"similarity threshold {threshold}: give a number in (0, 1]")
        for rows in range(16, 1, -1):
            bands = Bands(VALUES // rows, rows)
            if bands.recall(threshold) >= RECALL:
                return bands
        return Bands(VALUES, 1)

    def recall(self, similarity: float) -> float:
        """Probability that a pair of this similarity becomes a candidate."""
        return float(1 - (1 - similarity**self.rows) ** self.count)


def duplicates(dataset: Dataset, threshold: float = COPY) -> Duplicates:
    """Counts over all splits; public as far as the dataset's release policy allows aggregates."""
    first = copies(dataset.texts)
    sizes = np.bincount(first, minlength=len(dataset)) if len(dataset) else np.zeros(0, np.int64)
    grouped = np.unique(groups(dataset.texts, threshold), return_counts=True)[1]
    test, train = dataset.rows("test"), dataset.rows("train")
    records = evaluate(WordShingles(), pick(dataset.texts, np.concatenate([test, train])))
    places = np.arange(len(test) + len(train))
    found = nearest(records, places, places[: len(test)], places[len(test) :])
    return Duplicates(
        records=len(dataset),
        texts=int((sizes > 0).sum()),
        copies=len(dataset) - int((sizes > 0).sum()),
        copied=int(sizes[sizes > 1].sum()),
        near=int(grouped[grouped > 1].sum()),
        groups=int((grouped > 1).sum()),
        largest=int(grouped.max(initial=0)),
        test=len(test),
        crossing=int((found >= threshold).sum()),
        threshold=threshold,
        recall=Bands.of(threshold).recall(threshold),
    )


def copies(texts: Sequence[str]) -> NDArray[np.int64]:
    """int64 (n,): the first record whose text is equal after normalisation."""
    known: dict[bytes, int] = {}
    return np.array(
        [known.setdefault(_digest(text), i) for i, text in enumerate(texts)], np.int64
    ).reshape(-1)


def groups(texts: Sequence[str], threshold: float = COPY, seed: int = 1) -> NDArray[np.int64]:
    """int64 (n,): the first record of the group of each; a group is chained by near-copies.

    Two records of one group need not be near-copies of each other, but each has one there. seed:
    of the hash functions; it decides only which of the rarest pairs are missed.
    """
    first = copies(texts)
    kept = np.unique(first)
    chosen = pick(texts if isinstance(texts, Texts) else tuple(texts), kept)
    records = evaluate(WordShingles(), chosen)
    label = _linked(records, _band_keys(records, Bands.of(threshold), seed), threshold)
    heads = np.full(len(kept), len(kept), np.int64)
    np.minimum.at(heads, label, np.arange(len(kept)))
    return kept[heads[label]][np.searchsorted(kept, first)]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(
        normalise(text).encode("utf-8", "surrogatepass"), digest_size=16
    ).digest()


def _band_keys(records: Features, bands: Bands, seed: int) -> NDArray[np.uint64]:
    """uint64 (n, bands): equal where two signatures agree in a whole band."""
    from datasketch import MinHash

    width = bands.count * bands.rows
    empty = MinHash(width, seed=seed, hashfunc=int, scheme="affine32")
    signature = np.empty((len(records), width), np.uint32)
    for i in range(len(records)):
        sketch = empty.copy()
        sketch.update_batch((records[i] & np.uint64(0xFFFFFFFF)).tolist())
        signature[i] = sketch.hashvalues
    keys = np.zeros((len(records), bands.count), np.uint64)
    for r in range(bands.rows):
        keys = mixed(keys + signature[:, r :: bands.rows])
    return keys


def _linked(records: Features, keys: NDArray[np.uint64], threshold: float) -> NDArray[np.int64]:
    """int64 (n,): labels of the components that pairs of at least `threshold` make."""
    n = len(records)
    size = records.lengths
    held = incidence(records, np.arange(n), np.unique(records.values).astype(np.uint64))
    label = np.arange(n)
    for band in range(keys.shape[1]):
        for one, two in _pairs(keys[:, band]):
            # Known to be linked, or tried in an earlier band.
            new = label[one] != label[two]
            new &= ~(keys[one, :band] == keys[two, :band]).any(axis=1)
            one, two = one[new], two[new]
            common = np.asarray(held[one].multiply(held[two]).sum(axis=1)).reshape(-1)
            alike = common >= threshold * (size[one] + size[two] - common)
            edges = (np.ones(int(alike.sum()), bool), (label[one[alike]], label[two[alike]]))
            label = connected_components(sparse.csr_matrix(edges, (n, n)), False)[1][label]
    return label.astype(np.int64)


def _pairs(keys: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """All pairs of rows with equal keys, about `PAIRS` at a time.

    Neighbours in the order of keys first, then those two apart, and so on: a large group is linked
    by its first pairs, and the others need no check.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    apart, begin = 1, np.flatnonzero(ordered[:-1] == ordered[1:])
    while len(begin):
        waiting.append((order[begin], order[begin + apart]))
        if apart == 1 or sum(len(one) for one, _ in waiting) >= PAIRS:
            yield _joined(waiting)
            waiting = []
        apart += 1
        begin = begin[begin + apart < len(order)]
        begin = begin[ordered[begin] == ordered[begin + apart]]
    if waiting:
        yield _joined(waiting)


def _joined(
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])
