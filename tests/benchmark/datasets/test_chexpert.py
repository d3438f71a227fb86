"""One list of the 14 names: every dataset that has them has these, and nobody writes them again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from radpriv.benchmark.datasets import base, chexpert
from radpriv.benchmark.datasets.chexpert import CHEXPERT, NO_FINDING
from radpriv.benchmark.datasets.mimic_cxr import mimic_cxr_reference
from radpriv.benchmark.datasets.openi import openi_reference

DATASETS = Path(base.__file__).parent


def lists_of_all_names(path: Path) -> int:
    """Tuples, lists and sets in a module that spell out all 14; a table of figures by label is
    none."""
    found = 0
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            texts = {n.value for n in node.elts if isinstance(n, ast.Constant)}
            found += texts >= set(CHEXPERT) - {NO_FINDING}
    return found


@pytest.mark.parametrize("name", ["openi", "mimic-cxr", "synthetic-mimic-cxr"])
def test_datasets_with_the_14_labels_have_them_from_one_list(name: str) -> None:
    """Every dataset that has the 14 labels has them from the one list."""
    assert base.datasets.get(name).labels is CHEXPERT
    assert len(set(CHEXPERT)) == 14 and CHEXPERT[0] == NO_FINDING


def test_the_names_are_spelt_out_in_one_module_alone() -> None:
    written = [path for path in DATASETS.rglob("*.py") if lists_of_all_names(path)]
    assert written == [Path(chexpert.__file__)]


def test_published_figures_are_of_these_labels() -> None:
    assert set(openi_reference.POSITIVE) == set(mimic_cxr_reference.COUNTED) == set(CHEXPERT)
