"""The file of a description: written and read by one class, strictly (description_schema.py)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.description import token_counts
from radpriv.benchmark.datasets.description.description import describe
from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.store.dataset_card import Card
from radpriv.benchmark.store.description_schema import Agreement, Description
from radpriv.benchmark.store.schema import dump, parse, read, write
from radpriv.errors import EncoderError, StoreError, SuiteError

CARD = Card("made up", "none", "none", "open", "by hand", known_errors=("a", "b"))


@pytest.fixture
def description(monkeypatch: pytest.MonkeyPatch) -> Description:
    """Of twelve reports; label b never occurs, so its phi is undefined."""

    def absent(name: str) -> None:
        raise EncoderError(f"encoder '{name}' is not installed")

    monkeypatch.setattr(token_counts, "resolve", absent)
    ids = tuple(f"r{i:02d}" for i in range(12))
    texts = tuple(f"no opacity {i}." for i in range(12))
    y = np.array([[i % 3 == 0, 0] for i in range(12)], np.float32)
    data = Dataset("made-up", ("a", "b"), CARD, ids, ids, ("train",) * 12, texts, y, {"kept": 12})
    return describe(data, [Published("positive/a", 0.3, 0.1, "somewhere")], {"size": 12})


def test_description_survives_its_file(description: Description, tmp_path: Path) -> None:
    """Also through the plain JSON that the page's folder holds."""
    write(tmp_path / "d.json", description)
    found = read(Description, tmp_path / "d.json")
    assert found == description and found.card == CARD
    assert found.published[0].verdict is Agreement.WITHIN
    assert found.as_dict() == description.as_dict() == dump(description)


def test_description_numbers_by_name(description: Description) -> None:
    """A number that could not be measured is NaN there, and null in the file."""
    figures = description.figures()
    assert figures["positive/a"] == pytest.approx(1 / 3, abs=1e-9)
    assert figures["counted/kept"] == 1.0 and figures["both/b/a"] == 0.0
    assert math.isnan(figures["phi/a/b"]) and math.isnan(figures["tokens/mean"])
    assert description.phi[0][1] is None and description.values["tokens/mean"] is None


def test_description_floats_have_ten_digits(description: Description) -> None:
    """So that equal data give equal files everywhere."""
    assert description.shares[0].positive.share == 0.3333333333


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"effective":', '"efective":', "positive.effective is missing"),
        ('"within tolerance"', '"zebra"', r"published\[0\].verdict: expected 'within tolerance'"),
        ('"release":"open"', '"release":"zebra"', "card.release: expected 'open', 'aggregates' or"),
        ('"format":1', '"format":2', "format: expected 1"),
    ],
)
def test_description_that_is_damaged_is_refused(
    description: Description, old: str, new: str, what: str
) -> None:
    """With file and key, and no value."""
    text = json.dumps(dump(description), separators=(",", ":"))
    assert old in text
    with pytest.raises(StoreError, match=f"^d.json: .*{what}") as caught:
        parse(Description, text.replace(old, new), "d.json")
    assert "zebra" not in str(caught.value)


def test_card_of_an_unknown_policy_is_refused() -> None:
    """Also where no file is read."""
    with pytest.raises(SuiteError, match="release policy 'zebra'"):
        Card("made up", "none", "none", "zebra", "by hand")  # type: ignore[arg-type]
