"""Which share of the training reports is longer than what a model reads of one.

    note(fitted.frozen, universe, dataset, cache, folder / "private")

What stands after the first max_length tokens is never seen, by training or by scoring. max_length
is public: a parameter of the method, in the record. How many reports it cuts is a statistic of
private records: it goes to the cell's private/truncation.json, and to the terminal for open data
alone. For gated data the terminal gets one line that is the same whatever the share is, so that
not even its presence tells anything.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache, Progress, RecordFunction
from radpriv.benchmark.store.atomic import write_json

FILE = "truncation.json"
HIGH = 0.05
"""A warning is printed above this share of the training reports."""


@dataclass(frozen=True)
class TokenCount:
    """text -> int64 (): its tokens, uncut, with special ones; one count serves every max_length."""

    encoder: Encoder
    ragged: bool = field(default=False, init=False)

    @property
    def key(self) -> str:
        return f"token_count/1/{self.encoder.sha256}"

    def __call__(self, text: str) -> NDArray[Any]:
        return np.asarray(self.encoder.count(text), np.int64)


@dataclass(frozen=True)
class Truncation:
    """encoder, max_length: public. reports, cut: trained on, and longer of these; private."""

    encoder: str
    max_length: int
    reports: int = field(repr=False)
    cut: int = field(repr=False)

    @property
    def share(self) -> float:
        return self.cut / max(self.reports, 1)


def note(
    function: RecordFunction | None,
    universe: Universe,
    dataset: Dataset,
    cache: FeatureCache,
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Measure what `function` reads of the training reports, keep it in `folder`, and tell."""
    found = measure(function, universe, cache, progress)
    if found is not None:
        keep(found, folder)
        tell(found, dataset)


def measure(
    function: RecordFunction | None,
    universe: Universe,
    cache: FeatureCache,
    progress: Progress | None = None,
) -> Truncation | None:
    """How many of the training reports the function reads in part.

    None for a function that has no encoder with a max_length: it reads texts whole.
    """
    encoder, longest = getattr(function, "encoder", None), getattr(function, "max_length", None)
    if not isinstance(encoder, Encoder) or not isinstance(longest, int):
        return None
    trained = universe.member & ~universe.canary  # planted texts are short
    tokens = cache.map(TokenCount(encoder), universe.texts, progress).values[trained]
    return Truncation(encoder.name, longest, len(tokens), int((tokens > longest).sum()))


def keep(found: Truncation, folder: Path) -> None:
    """Write it into a private/ folder."""
    counts = {"reports": found.reports, "cut": found.cut, "share": found.share}
    write_json(folder / FILE, {"encoder": found.encoder, "max_length": found.max_length, **counts})


def line(found: Truncation, dataset: Dataset) -> str | None:
    """What the terminal may say; None: nothing."""
    read = f"{found.max_length} tokens ({found.encoder})"
    if dataset.card.gated:
        return (
            f"{dataset.name}: of a longer report the first {read} are read; private/{FILE} in the "
            "cell's folder says which share of the training reports is longer"
        )
    if found.share <= HIGH:
        return None
    return (
        f"{dataset.name}: {found.share:.0%} of the training reports are longer than {read}, and "
        "what comes after is never seen; raise the method's max_length"
    )


_reported: set[tuple[str, str, int]] = set()


def tell(found: Truncation, dataset: Dataset) -> None:
    """Print that line on stderr, once per process for a dataset, an encoder and a max_length."""
    about = (dataset.name, found.encoder, found.max_length)
    if about not in _reported and (text := line(found, dataset)) is not None:
        _reported.add(about)
        print(text, file=sys.stderr, flush=True)
