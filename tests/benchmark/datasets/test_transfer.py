"""Training on one dataset and testing on another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.datasets import transfer
from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets, make_loader
from radpriv.benchmark.datasets.transfer import Transfer
from radpriv.errors import DataError, SuiteError

PLAIN = {"train": "synthetic-plain", "test": "synthetic-plain"}
SMALL = {"train_options": {"reports": 200}, "test_options": {"reports": 150, "seed": 1}}


@dataclass(frozen=True)
class Other(Loader):
    """Two reports whose labels overlap with synthetic-plain's in one name."""

    name = "other"
    card = Card("other", "closed", "by request", "nothing", "a radiologist", calibrated_on=("x",))
    labels = ("Nonsense", "Pneumothorax")

    def find(self, data: Path | None) -> Path | None:
        return None

    def identity(self, data: Path | None) -> dict[str, Any]:
        return {"loader": self.name, "options": {}}

    def load(self, data: Path | None) -> Dataset:
        y = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
        splits = ("train", "test", "test")
        ids = ("a", "b", "c")
        return Dataset("other", self.labels, self.card, ids, ids, splits, ("A", "B", "C"), y)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    known = datasets.get

    def get(name: str) -> type[Loader]:
        return Other if name == "other" else known(name)

    monkeypatch.setattr(datasets, "get", get)


def test_rows_are_one_datasets_training_and_the_others_test() -> None:
    """The rows are one dataset's training rows and the other's test rows."""
    data = Transfer(**PLAIN, **SMALL).load(None)
    one = make_loader("synthetic-plain", {"reports": 200}).load(None)
    two = make_loader("synthetic-plain", {"reports": 150, "seed": 1}).load(None)
    train, test = data.rows("train"), data.rows("test")
    assert [data.texts[r] for r in train] == [one.texts[r] for r in one.rows("train")]
    assert [data.texts[r] for r in test] == [two.texts[r] for r in two.rows("test")]
    assert np.array_equal(data.y[train], one.y[one.rows("train")])
    assert len(data) == len(train) + len(test)
    assert not set(np.array(data.patients)[train]) & set(np.array(data.patients)[test])


def test_only_labels_that_both_know_are_left(other: None) -> None:
    data = Transfer(train="synthetic-plain", test="other").load(None)
    assert data.labels == ("Pneumothorax",)
    assert data.y[data.rows("test")].tolist() == [[1.0], [1.0]]
    plain = make_loader("synthetic-plain", {}).load(None)
    column = plain.labels.index("Pneumothorax")
    expected = plain.y[plain.rows("train"), column]
    assert np.array_equal(data.y[data.rows("train"), 0], expected)


def test_stricter_release_policy_and_every_calibration_are_kept(other: None) -> None:
    """The stricter release policy and every calibration are kept."""
    card = Transfer(train="synthetic-plain", test="other").card
    assert card.release == "nothing" and card.gated and card.calibrated_on == ("x",)
    assert Transfer(train="other", test="synthetic-plain").card.release == "nothing"
    assert Transfer(**PLAIN).card.release == "open"


def test_the_identity_holds_both_sources_and_all_options(other: None) -> None:
    asked = [
        Transfer(**PLAIN),
        Transfer(**PLAIN, train_options={"reports": 200}),
        Transfer(**PLAIN, test_options={"reports": 200}),
        Transfer(train="synthetic-plain", test="other"),
    ]
    assert len({canonical(t.identity(None)) for t in asked}) == 4
    assert len(set(asked)) == 4  # hashable: a loaded dataset is remembered by its loader


def test_combined_datasets_are_named_for_fingerprint_and_rule() -> None:
    """What is combined is named for fingerprints and for the rule on public data."""
    loader = Transfer(train="synthetic-plain", test="openi")
    assert [part.name for part in loader.parts()] == ["transfer", "synthetic-plain", "openi"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "name a dataset"),
        ({"train": "synthetic-plain"}, "'test': name a dataset"),
        ({**PLAIN, "test": "transfer"}, "name a dataset"),
        ({**PLAIN, "train_options": "reports=3"}, "give a table"),
        ({**PLAIN, "train_options": {"report": 3}}, "no option 'report'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], what: str) -> None:
    with pytest.raises(SuiteError, match=what):
        make_loader("transfer", options)


def test_datasets_without_a_common_label_are_refused(
    other: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Other, "labels", ("Nonsense", "More nonsense"))
    with pytest.raises(SuiteError, match="share no label"):
        Transfer(train="synthetic-plain", test="other")


def test_the_card_itself_is_not_changed_by_an_instance() -> None:
    Transfer(**PLAIN)
    assert Transfer.labels == () and Transfer.card == replace(Transfer.card)
    assert Transfer.card.title.startswith("transfer")


def test_a_report_of_both_sides_is_refused() -> None:
    """Two arrangements of one dataset may split it otherwise: a test on what was trained on."""
    options = {"train_options": {"reports": 300}, "test_options": {"reports": 300, "seed": 0}}
    Transfer(**PLAIN, **options).load(None)
    whole = make_loader("synthetic-plain", {"reports": 300}).load(None)
    other = replace(whole, splits=tuple("test" for _ in whole.splits))
    with pytest.raises(DataError, match="reports of synthetic-plain are in the training split"):
        transfer._apart(whole, other)
    transfer._apart(whole, replace(other, name="another"))


def test_labels_are_one_whatever_their_case() -> None:
    pairs = Transfer(train="synthetic-ct-rate", test="synthetic-mimic-cxr")
    assert "Pleural effusion" in pairs.labels and "Lung opacity" in pairs.labels
    data = Transfer(
        train="synthetic-ct-rate",
        test="synthetic-mimic-cxr",
        train_options={"reports": 60},
        test_options={"reports": 60},
    ).load(None)
    cxr = make_loader("synthetic-mimic-cxr", {"reports": 60}).load(None)
    theirs = cxr.y[cxr.rows("test"), cxr.labels.index("Pleural Effusion")]
    ours = data.y[data.rows("test"), data.labels.index("Pleural effusion")]
    np.testing.assert_array_equal(ours, theirs)


def test_test_records_keep_their_names_and_trained_are_marked() -> None:
    """Test records keep their names, and trained ones are marked."""
    data = Transfer(**PLAIN).load(None)
    home = make_loader("synthetic-plain", {}).load(None)
    for names, theirs in ((data.ids, home.ids), (data.patients, home.patients)):
        assert [names[r] for r in data.rows("test")] == [theirs[r] for r in home.rows("test")]
        assert all(names[r].startswith("train/") for r in data.rows("train"))
    np.testing.assert_array_equal(data.y[data.rows("test")], home.y[home.rows("test")])
    assert [data.texts[r] for r in data.rows("test")] == [home.texts[r] for r in home.rows("test")]
