"""The tool that chooses the threshold: its edits, its rates, its choice and its tables."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from tools.similarity_threshold.__main__ import kept_numbers, main, one_token
from tools.similarity_threshold.edits import COPIES, finding_exchanged
from tools.similarity_threshold.rates import GRID, Measured, Rate, choose, measure

from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.audit_set.similarity import COPY
from radpriv.benchmark.datasets.texts import normalise

REPORT = "Heart size is normal. There is no effusion on the left. Lungs are clear."
OTHER = "Stable nodule."
SAME = tuple(COPIES)[:5]
"""Edits of what is left out alone."""
DOCS = Path(__file__).parents[2] / "docs" / "near_copies.md"


@pytest.mark.parametrize("name", COPIES)
def test_an_edit_makes_another_text_of_the_same_report(name: str) -> None:
    for seed in range(30):
        one, copy = COPIES[name](REPORT, OTHER, np.random.default_rng(seed)) or ("", "")
        assert normalise(one) != normalise(copy)
        words, changed = compared_words(one), compared_words(copy)
        assert (words == changed) == (name in SAME)
        if name == "two sentences swapped":
            assert sorted(words) == sorted(changed)
        elif name != "closing sentence added":
            assert len(set(words) ^ set(changed)) <= 2


def test_an_exchanged_finding_is_another_word() -> None:
    found = {
        (finding_exchanged(REPORT, OTHER, np.random.default_rng(seed)) or ("", ""))[1]
        for seed in range(60)
    }
    assert REPORT.replace("left", "right") in found and REPORT.replace("no ", " ") in found
    assert REPORT not in found and "" not in found and len(found) == 5
    assert finding_exchanged("Nodule.", OTHER, np.random.default_rng(0)) is None
    assert COPIES["two sentences swapped"]("Nodule.", OTHER, np.random.default_rng(0)) is None


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (3, 40), (40, 40), (1, 1)])
def test_a_rate_has_wilsons_interval(hits: int, n: int) -> None:
    rate = Rate.of(np.arange(n) < hits)
    wilson = binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert (rate.value, rate.n) == (hits / n, n)
    assert (rate.low, rate.high) == pytest.approx((wilson.low, wilson.high), abs=1e-9)


def test_a_share_of_copies_counts_as_one_report() -> None:
    copies = np.array([[0.6, 0.9], [np.nan, 0.75], [np.nan, np.nan]])
    none = np.full(3, np.nan)
    found = Measured(np.array([5, 15, 25]), copies, none, np.array([0.1, 0.7, 0.8]), none)
    assert [found.missed(t).value for t in (0.6, 0.7, 0.8)] == [0.0, 0.25, 0.75]
    assert found.missed(0.7).n == 2 and found.missed(0.7, kind=0).value == 1.0
    assert found.false(0.7).value == 2 / 3 and found.findings(0.7).n == 0
    assert found.within((10, 20)).missed(0.8).n == 1


def test_the_largest_threshold_that_misses_few_is_chosen() -> None:
    copies = np.repeat([[0.62], [0.72], [0.99]], [2, 4, 94], axis=0)
    zero = np.zeros(100)
    found = Measured(zero.astype(np.int64), copies, zero, zero, zero)
    assert choose(found) == 0.7  # 2% are missed there, 6% at 0.75
    hopeless = Measured(zero.astype(np.int64), np.zeros((100, 1)), zero, zero, zero)
    assert choose(hopeless) == GRID[0]


def test_the_nearest_report_with_other_labels_is_the_negative() -> None:
    texts = [REPORT, REPORT + " ___", REPORT.replace("left", "right"), "Nodule of the lingula."]
    labels = np.array([[0, np.nan], [0, np.nan], [1, 0], [1, 0]], np.float32)
    found = measure(texts, labels, compared_words, seed=0)
    assert found.any[:2].tolist() == [1, 1]
    assert found.others[0] == found.others[1] == pytest.approx(9 / 15)
    assert found.words.tolist() == [14, 14, 14, 4]


def test_a_token_stands_for_neighbours() -> None:
    text = "Seen on ___, 3/4/2019 at 10:45 AM."
    assert one_token(text) == ["seen", "on", "#", "at", "#"]
    assert kept_numbers(text)[2:5] == ["___", "3", "4"]


def test_the_tables_are_the_same_with_the_same_seed(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--dataset", "synthetic-plain", "--reports", "60"]
    made = []
    for seed in ("0", "0", "1"):
        assert main([*asked, "--seed", seed]) == 0
        made.append(capsys.readouterr().out)
    assert made[0] == made[1] != made[2]
    assert "| all | 60 | 0.70 |" in made[0] and f"| missed at {COPY:g} |" in made[0]


def test_without_open_i_the_threshold_is_radprivs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RADPRIV_DATA", raising=False)
    assert main(["--dataset", "openi"]) == 0
    assert f"the threshold is radpriv's, {COPY:g}" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif("RADPRIV_DATA" not in os.environ, reason="needs Open-i (set RADPRIV_DATA)")
def test_the_docs_show_the_table_of_open_i(capsys: pytest.CaptureFixture[str]) -> None:
    """The threshold is the chosen one, and the page's rows are those that the command prints."""
    assert main(["--dataset", "openi"]) == 0
    printed = capsys.readouterr().out
    assert f"reports of openi: {COPY:g}," in printed
    rows = [line for line in DOCS.read_text(encoding="utf-8").split("\n") if line in printed]
    assert sum(line.startswith("| all |") for line in rows) == len(GRID)
    assert all(any(line.startswith(f"| {name} |") for line in rows) for name in COPIES)
