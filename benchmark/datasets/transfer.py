"""Trained on one dataset, tested on another: the labels that both know, by name.

    [[datasets]]
    name = "transfer"
    n_public = 2400
    options = { train = "synthetic-mimic-cxr", test = "openi", train_options = { reports = 3000 } }

The training rows of the one and the test rows of the other; all else of either is left out. Labels
are one where their names are, whatever their case, and bear the training dataset's. With
train = test it is the dataset itself on its own split, so that an F1 across datasets and the F1 at
home are measured by the same code on the same labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets, make_loader
from radpriv.benchmark.datasets.texts import pick
from radpriv.errors import DataError, SuiteError

STRICTEST = ("nothing", "aggregates", "open")


@datasets.register("transfer")
@dataclass(frozen=True)
class Transfer(Loader):
    """train, test: names of datasets. train_options, test_options: tables of their options."""

    name = "transfer"
    card = Card(
        title="transfer: trained on one dataset, tested on another",
        licence="that of its two datasets",
        access="that of its two datasets",
        release="open",
        labels_from="the two datasets; the labels that both have, by name",
        unit_note="the training dataset's",
    )
    labels = ()

    train: str = ""
    test: str = ""
    train_options: Any = None
    test_options: Any = None

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            given = getattr(self, f"{side}_options") or {}
            if not isinstance(given, Mapping | tuple):
                raise SuiteError(f"dataset 'transfer': {side}_options = {given!r}: give a table")
            object.__setattr__(self, f"{side}_options", tuple(sorted(dict(given).items())))
            if getattr(self, side) in ("", self.name):
                raise SuiteError(f"dataset 'transfer': option '{side}': name a dataset")
        one, two = self._sides()
        theirs = {label.casefold() for label in two.labels}
        shared = tuple(label for label in one.labels if label.casefold() in theirs)
        if not shared:
            raise SuiteError(f"dataset 'transfer': {one.name} and {two.name} share no label")
        object.__setattr__(self, "labels", shared)
        object.__setattr__(self, "card", _card(one, two))

    def _sides(self) -> tuple[Loader, Loader]:
        return (
            make_loader(self.train, dict(self.train_options)),
            make_loader(self.test, dict(self.test_options)),
        )

    def parts(self) -> tuple[Loader, ...]:
        return (self, *(part for side in self._sides() for part in side.parts()))

    def find(self, data: Path | None) -> Path | None:
        one, two = self._sides()
        one.find(data)
        return two.find(data)

    def identity(self, data: Path | None) -> dict[str, JsonValue]:
        one, two = self._sides()
        return {
            "loader": self.name,
            "options": self.options(),
            "train": one.identity(data),
            "test": two.identity(data),
        }

    def load(self, data: Path | None) -> Dataset:
        one, two = (loader.load(data) for loader in self._sides())
        _apart(one, two)
        parts = [_part(one, "train", self.labels), _part(two, "test", self.labels)]
        for part in parts:
            if not len(part.ids):
                raise DataError(f"dataset 'transfer': {part.name} has no rows for its side")
        train, test = parts
        ids = test.ids + train.ids
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__), np.int64)
        return Dataset(
            name=self.name,
            labels=self.labels,
            card=self.card,
            ids=tuple(pick(ids, order)),
            patients=tuple(pick(test.patients + train.patients, order)),
            splits=tuple(pick(test.splits + train.splits, order)),
            texts=pick(tuple(test.texts) + tuple(train.texts), order),
            y=np.concatenate([test.y, train.y])[order],
            counts={"train": len(train.ids), "test": len(test.ids)},
        )


def _apart(one: Dataset, two: Dataset) -> None:
    """DataError where two arrangements of one dataset test a model on reports it has seen."""
    if one.name != two.name:
        return
    seen = {(one.ids[r], one.texts[r]) for r in one.rows("train")}
    if both := sum((two.ids[r], two.texts[r]) in seen for r in two.rows("test")):
        raise DataError(
            f"dataset 'transfer': {both:,} reports of {one.name} are in the training split of the "
            "one arrangement and in the test split of the other; give both the same split"
        )


def _part(dataset: Dataset, split: str, labels: tuple[str, ...]) -> Dataset:
    """The rows of one split, with these labels. Ids and patients of the training side are marked;
    test records keep their names, by which they are paired with results of models at home."""
    rows = dataset.rows(split)
    mark = "train/" if split == "train" else ""
    known = [label.casefold() for label in dataset.labels]
    columns = [known.index(label.casefold()) for label in labels]
    y: NDArray[np.float32] = dataset.y[rows][:, columns]
    return replace(
        dataset,
        labels=labels,
        ids=tuple(mark + dataset.ids[r] for r in rows),
        patients=tuple(mark + dataset.patients[r] for r in rows),
        splits=(split,) * len(rows),
        texts=pick(dataset.texts, rows),
        y=y,
    )


def _card(one: Loader, two: Loader) -> Card:
    """What both cards say, and the stricter of their release policies."""
    cards = (one.card, two.card)
    return replace(
        Transfer.card,
        title=f"trained on {one.name}, tested on {two.name}",
        licence=" / ".join(dict.fromkeys(c.licence for c in cards)),
        access=" / ".join(dict.fromkeys(c.access for c in cards)),
        release=min((c.release for c in cards), key=STRICTEST.index),
        labels_from=" / ".join(dict.fromkeys(c.labels_from for c in cards)),
        unit_note=one.card.unit_note,
        known_errors=tuple(dict.fromkeys(e for c in cards for e in c.known_errors)),
        calibrated_on=tuple(dict.fromkeys(n for c in cards for n in c.calibrated_on)),
    )
