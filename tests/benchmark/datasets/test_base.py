"""The contract of loaders and datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Card, Dataset, Loader, build, datasets, make_loader
from radpriv.errors import DataError, SuiteError, UnknownNameError

CARD = Card(title="t", licence="l", access="a", release="open", labels_from="hand")


def dataset(**changes: Any) -> Dataset:
    columns: dict[str, Any] = {
        "name": "tiny",
        "labels": ("one", "two"),
        "card": CARD,
        "ids": ("a", "b", "c"),
        "patients": ("p", "p", "q"),
        "splits": ("train", "train", "test"),
        "texts": ("private words", "more", "rest"),
        "y": np.array([[0, 1], [1, np.nan], [0, 0]], np.float32),
    }
    return Dataset(**(columns | changes))


@dataclass(frozen=True)
class Options(Loader):
    name = "options"
    card = CARD
    labels = ("one", "two")
    word: str = "x"
    count: int = 3
    share: float = 0.5
    strict: bool = False

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, Any]:
        return {"loader": self.name, "options": self.options()}

    def load(self, data: Path | None) -> Dataset:
        return dataset()


def test_a_dataset_gives_the_rows_of_a_split_in_order_of_id() -> None:
    assert dataset().rows("train").tolist() == [0, 1]
    assert dataset().rows("validate").tolist() == []
    assert len(dataset()) == 3


@pytest.mark.parametrize("ids", [("b", "a", "c"), ("a", "a", "b")])
def test_unsorted_or_repeated_ids_are_refused(ids: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="unique and sorted"):
        dataset(ids=ids)


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, np.inf, -np.inf])
def test_a_label_that_is_not_0_1_or_nan_is_refused(value: float) -> None:
    y = np.array([[0, 1], [1, value], [0, 0]], np.float32)
    with pytest.raises(DataError, match="0, 1 or NaN"):
        dataset(y=y)


@pytest.mark.parametrize(
    "y", [np.zeros((3, 2)), np.zeros((3, 3), np.float32), np.zeros((2, 2), np.float32)]
)
def test_labels_of_another_shape_or_type_are_refused(y: np.ndarray) -> None:
    with pytest.raises(DataError, match="tiny"):
        dataset(y=y)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="differ in length"):
        dataset(texts=("one",))


def test_printing_a_dataset_shows_no_text() -> None:
    assert "private words" not in repr(dataset())


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SuiteError, match=r"no option 'worf' \(known: count, share, strict, word\)"):
        build(Options, {"worf": "y"}, "dataset 'options'", "option")


@pytest.mark.parametrize(
    ("option", "value"),
    [("count", "3"), ("count", 3.0), ("count", True), ("word", 1), ("strict", 1), ("share", "0.5")],
)
def test_an_option_of_the_wrong_type_is_refused(option: str, value: object) -> None:
    with pytest.raises(SuiteError, match=f"option '{option}' = {value!r}: expected"):
        build(Options, {option: value}, "dataset 'options'", "option")


def test_a_whole_number_will_do_for_a_float_option() -> None:
    assert build(Options, {"share": 1}, "dataset 'options'", "option").share == 1


@dataclass(frozen=True)
class Unusual:
    """Options that no default gives a type, of types beyond the plain ones."""

    columns: tuple[str, ...]
    policy: Literal["open", "nothing"]
    limit: int | None = None
    guess: Absent = 3  # type: ignore[name-defined]  # noqa: F821


@dataclass(frozen=True)
class Typed:
    columns: tuple[str, ...]
    policy: Literal["open", "nothing"]
    limit: int | None = None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"policy": "open"}, "option 'columns' is missing; give a list of texts"),
        ({"columns": "a", "policy": "open"}, "'columns' = 'a': expected a list of texts"),
        ({"columns": ["a"], "policy": "shut"}, "'policy' = 'shut': expected one of open, nothing"),
        ({"columns": ["a"], "policy": "open", "limit": "3"}, "'limit' = '3': expected a whole n"),
    ],
)
def test_options_are_checked_by_their_annotation(values: dict[str, Any], sentence: str) -> None:
    """Also where there is no default to learn a type from."""
    with pytest.raises(SuiteError, match=rf"^dataset 'typed': .*{sentence}"):
        build(Typed, values, "dataset 'typed'", "option")
    found = build(Typed, {"columns": ["a", "b"], "policy": "open"}, "dataset 'typed'", "option")
    assert found == Typed(("a", "b"), "open")


def test_options_without_known_annotation_use_the_default() -> None:
    """A plug-in may import the name of a type for type checkers alone."""
    values = {"columns": (), "policy": "x", "guess": "4"}
    with pytest.raises(SuiteError, match="'guess' = '4': expected int"):
        build(Unusual, values, "dataset 'unusual'", "option")
    assert build(Unusual, {**values, "guess": 4}, "dataset 'unusual'", "option").guess == 4


def test_a_misspelt_dataset_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'openi'"):
        make_loader("opemi", {})


@pytest.mark.parametrize("name", ["openi", "synthetic-plain"])
def test_package_loaders_are_named_documented_and_hashable(name: str) -> None:
    """Each loader of the package is named, documented and hashable."""
    kind = datasets.get(name)
    loader = make_loader(name, {})
    assert kind.name == name == loader.name
    assert hash(loader) == hash(make_loader(name, {}))
    assert kind.card.release in ("open", "aggregates", "nothing")
    assert len(set(kind.labels)) == len(kind.labels) >= 10
    assert kind.__doc__


def test_a_release_policy_of_ones_own_is_refused() -> None:
    with pytest.raises(SuiteError, match="open, aggregates or nothing"):
        Card(title="t", licence="l", access="a", release="some", labels_from="hand")
