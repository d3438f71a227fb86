"""A small world to replay methods in: public reports, tiny random encoders in float64.

    world = World.small()
    world.universe("patient"), world.encoder, world.labels

Nothing private: `synthetic-plain` is written from a grammar that was calibrated on nothing, and the
encoders have random weights. Float64, so that what differs between two runs is not rounding.
"""

from __future__ import annotations

import importlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import make_loader
from radpriv.benchmark.encoders.encoders import Encoder, resolve

if TYPE_CHECKING:
    from torch import nn

REPORTS = 65
LABELS = 4
MANY = 1040
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}


@dataclass(frozen=True)
class Float64Encoder(Encoder):
    """The same encoder computed in float64."""

    dtype = "float64"

    def model(self) -> nn.Module:
        return super().model().double()


@dataclass(frozen=True)
class World:
    """One patient has seven reports; two reports have one text; one label has one positive.

    65 reports: one more than a multiple of 16, and a multiple of 13, so that both a sample rate and
    a divisor that follow the number of records change when one is gone.

    units: report or patient; n_public: a round constant near the number of units.
    """

    texts: tuple[str, ...] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    y: NDArray[np.float32] = field(repr=False)
    labels: tuple[str, ...]

    @staticmethod
    @lru_cache(maxsize=1)
    def small() -> World:
        """Always the same."""
        data = make_loader("synthetic-plain", {"reports": 3000}).load(None)
        sizes = {p: data.patients.count(p) for p in dict.fromkeys(data.patients[:400])}
        most = max(sizes, key=lambda p: (sizes[p], p))
        others = [p for p in sizes if p != most]
        rows: list[int] = [i for i, p in enumerate(data.patients) if p == most]
        for p in others:
            if len(rows) >= REPORTS:
                break
            rows += [i for i, q in enumerate(data.patients) if q == p]
        rows = sorted(rows)[:REPORTS]
        texts = [data.texts[r] for r in rows]
        y = data.y[rows, :LABELS].copy()
        rare = LABELS - 1
        y[:, rare] = 0.0
        y[11, rare] = 1.0  # the one positive of its label
        texts[23] = texts[24]  # a duplicate, of another patient where they differ
        y[31] = np.nan  # nothing observed
        y[37] = 1.0 - y[37]  # badly labelled: a large loss
        texts[37] = " ".join([texts[37]] * 3)  # and the longest
        return World(
            tuple(texts), tuple(data.patients[r] for r in rows), y, tuple(data.labels[:LABELS])
        )

    @staticmethod
    @lru_cache(maxsize=1)
    def large() -> World:
        """More records and labels than most conditions on their number ask for; among the texts
        what hospitals have: nothing, two thousand words, scrub marks, digits, accents."""
        data = make_loader("synthetic-plain", {"reports": 3000}).load(None)
        texts = list(data.texts[:MANY])
        odd = ("", "word " * 2000, "___", "12345 67 8,9", "Größe unverändert, état stationnaire")
        for i, text in enumerate(odd):
            texts[100 * (i + 1)] = text
        return World(tuple(texts), data.patients[:MANY], data.y[:MANY].copy(), data.labels)

    def universe(self, unit: str) -> Universe:
        """All records as members; units numbered as the waist numbers them."""
        ids = tuple(f"r{i:03d}" for i in range(len(self.texts)))
        names = self.patients if unit == "patient" else ids
        number = {name: i for i, name in enumerate(sorted(set(names)))}
        everyone = np.ones(len(ids), bool)
        return Universe(
            ids=ids,
            patients=self.patients,
            texts=self.texts,
            y=self.y,
            unit=np.array([number[n] for n in names], np.int64),
            candidate=np.zeros(len(ids), bool),
            member=everyone,
            kinds=("",) * len(ids),
        )

    def n_public(self, unit: str) -> int:
        """A constant near the number of units; a hundred times as large for the large world."""
        if len(self.texts) > REPORTS:
            return 100 * MANY
        return 20 if unit == "patient" else REPORTS

    @contextmanager
    def encoder(self, kind: str = "bert", double: bool = True) -> Iterator[Encoder]:
        """A tiny random BERT or ALBERT with a word vocabulary, on disk inside the block; in float64
        if `double`."""
        with tempfile.TemporaryDirectory(prefix="radpriv-check-") as folder:
            path = _save(Path(folder) / f"tiny-{kind}", kind, self.texts)
            found = resolve(str(path), "nothing: random weights")
            values = {f.name: getattr(found, f.name) for f in fields(Encoder)}
            yield Float64Encoder(**values) if double else found


def without(universe: Universe, units: Sequence[int]) -> Universe:
    """The neighbour: these units are gone, and with them every word and label in their slots."""
    gone = np.isin(universe.unit, units)
    y = universe.y.copy()
    y[gone] = np.nan
    texts = tuple("" if g else t for g, t in zip(gone, universe.texts))
    return replace(universe, texts=texts, y=y, member=universe.member & ~gone)


def only(universe: Universe, units: NDArray[np.int64]) -> Universe:
    """The same universe with these units as its members."""
    return replace(universe, member=np.isin(universe.unit, units))


def _save(folder: Path, kind: str, texts: tuple[str, ...]) -> Path:

    hf: Any = importlib.import_module("transformers")  # lazy: it takes seconds
    folder.mkdir(parents=True)
    words = sorted({w for t in texts for w in re.findall(r"\w+|[^\w\s]", t.lower())})
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    hf.BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "albert":
            config = hf.AlbertConfig(vocab_size=len(vocab), embedding_size=8, **SIZES)
            hf.AlbertModel(config).save_pretrained(folder)
        else:
            config = hf.BertConfig(vocab_size=len(vocab), **SIZES)
            hf.BertModel(config).save_pretrained(folder)
    return folder
