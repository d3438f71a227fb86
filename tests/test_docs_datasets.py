"""docs/datasets.md is made from the cards: `radpriv data cards > docs/datasets.md`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from radpriv.benchmark.datasets.base import Card, Loader, datasets
from radpriv.benchmark.datasets.description.dataset_cards import all_cards, card, markdown, meanings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "datasets.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not beside these tests")
def test_page_of_the_datasets_is_that_of_the_cards() -> None:
    fresh = markdown(all_cards())
    assert PAGE.read_text(encoding="utf-8") == fresh, "run: radpriv data cards > docs/datasets.md"


@pytest.mark.skipif(not (ROOT / "benchmark").is_dir(), reason="the tree is not beside these tests")
def test_every_registered_dataset_of_the_tree_has_its_section() -> None:
    """By the decorators in the source, so that one without an entry point is seen too."""
    found = [
        node.args[0].value
        for path in (ROOT / "benchmark" / "datasets").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "datasets.register"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert len(found) == len(set(found)) >= 3
    assert sorted(c["name"] for c in all_cards()) == sorted(str(name) for name in found)


def test_card_full_of_marks_keeps_to_one_line() -> None:
    """A card without an error and a card full of marks are both one line each."""

    class Odd(Loader):
        """size: how many | at most."""

        name = "odd"
        labels = ("a | b", "*c*")
        card = Card("a <b> | *c*", "x\ny", "z", "nothing", "w", known_errors=("one\n# two",))

    page = markdown([card("odd", Odd)])
    assert "| [`odd`](#odd) | a &lt;b> \\| \\*c\\* | z | nothing |" in page
    assert "- Licence: x y" in page and "  - one # two" in page
    assert "- Labels (2): a \\| b, \\*c\\*" in page


def test_option_meanings_come_from_docstrings() -> None:
    """What an option means comes from the docstring of its class or of the one above."""

    class Above:
        """size: how many, and text: of what.  seed: another seed.

        low, high: bounds; never seed alone.
        """

    class Below(Above):
        """size: fewer."""

    known = ["size", "seed", "low", "high", "bare"]
    assert meanings(Below, known) == {
        "size": "fewer.",
        "seed": "another seed.",
        "low": "bounds; never seed alone.",
        "high": "bounds; never seed alone.",
    }
    assert meanings(Below, []) == {}


def test_every_option_of_every_shipped_dataset_has_a_meaning() -> None:
    found = [(c["name"], o["name"], o["meaning"]) for c in all_cards() for o in c["options"]]
    assert len(found) > 10
    assert [entry for entry in found if not entry[2]] == []


def test_plugins_card_stays_out_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    before = all_cards()

    @datasets.register("of-a-plugin")
    class Mine(Loader):
        card = Card("x", "x", "x", "open", "x")
        labels = ("a",)

    assert "of-a-plugin" in datasets.names()
    assert all_cards() == before
    monkeypatch.delitem(datasets._items, "of-a-plugin")
