"""Low false-positive rates from scores to the page: a number or "not resolvable", and never NaN.

500 members and 500 non-members in each of two models: in one the best score is a non-member's, in
the other all members come first. Public tools gave NaN, −∞ or a garbled band for them.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.attacks import metrics
from radpriv.attacks.inputs.cell_outputs import open_cell
from radpriv.attacks.run_family import attack_family, write_result
from radpriv.benchmark.store.atomic import make_folder
from radpriv.benchmark.store.attack_schema import read_result
from radpriv.benchmark.store.results import FinishedCell
from radpriv.reports.figures.figure_data import roc_lines
from radpriv.reports.figures.roc_figure import FLOOR, roc_figure
from radpriv.reports.results.load import load
from radpriv.reports.write import Report, write_report

from .fake_store import FakeStore

N = 500
WORST, PERFECT = "tfidf", "linear_probe"


@pytest.fixture(autouse=True, scope="module")
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # a file of another test, collected here
        yield


def case(method: str) -> tuple[np.ndarray, np.ndarray]:
    """(scores, member), (1000,)."""
    member = np.random.default_rng(0).permutation(2 * N) < N
    scores = np.random.default_rng(26).normal(size=2 * N)
    if method == PERFECT:
        return np.where(member, 1.0, -1.0) * (1 + np.abs(scores)), member
    scores += 0.5 * member
    scores[np.flatnonzero(~member)[7]] = scores.max() + 3
    return scores, member


def plant(cell: FinishedCell, method: str) -> None:
    """Candidates whose loss ranks them by their score: one label, present in all, is observed."""
    scores, member = case(method)
    size, width = 2 * N, len(cell.record.label_names)
    labels, logits = np.full((size, width), np.nan, "f4"), np.zeros((size, width), "f4")
    labels[:, 0], logits[:, 0] = 1.0, scores
    names = [f"c{i:04d}" for i in range(size)]
    columns = {
        "slot": np.arange(size), "record": names, "patient": names, "kind": ["natural"] * size,
        "labels": pa.array(labels.tolist(), pa.list_(pa.float32())),
        "logits": pa.array(logits.tolist(), pa.list_(pa.float32())),
        "length": np.full(size, 40, np.int32), "similarity": np.full(size, 0.1, "f4"),
    }  # fmt: skip
    private = cell.folder / "private"
    private.mkdir()
    pq.write_table(pa.table(columns), private / "candidates.parquet")
    flags = pa.table({"slot": columns["slot"], "member": member})
    pq.write_table(flags, private / "flags.parquet")


@pytest.fixture(scope="module")
def attacked(warnings_are_errors: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a model of each kind, both attacked by `loss`."""
    fake = FakeStore(tmp_path_factory.mktemp("low rates") / "store")
    fake.private, fake.attacks, fake.seeds = {}, (), (0,)
    fake.non_private = {WORST: 1.8, PERFECT: 1.7}
    root = fake.write()
    for path in sorted(root.glob("cells/*/*/record.json")):
        cell = open_cell(path.parent)
        if cell.record.role == "cell":
            plant(cell, cell.record.cell.method)
            result, rows = attack_family("loss", {}, [cell], "f")
            write_result(make_folder(root / "attacks" / result.attack_id), result, rows)
    return root


@pytest.fixture(scope="module")
def written(attacked: Path) -> Report:
    return write_report(attacked, "demo")


def test_metric_is_a_number_at_every_rate() -> None:
    for rate in (0.0, 1e-6, 0.001, 0.01, 0.05, 1.0):
        worst, perfect = (metrics.tpr_at_fpr(*case(m), rate) for m in (WORST, PERFECT))
        assert math.isfinite(worst) and perfect == 1.0
        assert (worst == 0.0) == (rate < 1 / N)


def test_result_holds_no_nan_and_names_unresolved_rates(attacked: Path) -> None:
    """A result holds no NaN and says which rates cannot be resolved."""

    def refused(text: str) -> None:
        raise AssertionError(f"{text} in a result")

    paths = sorted(attacked.glob("attacks/*/result.json"))
    assert len(paths) == 2
    for path in paths:
        json.loads(path.read_text(), parse_constant=refused)
        result = read_result(path.parent)
        of_seed, of_family = result.rows[0].tpr_at_fpr, result.summary["attack"].tpr_at_fpr
        for rates in (of_seed, of_family):
            assert {r: rates[r] is not None for r in rates} == {
                "0.05": True, "0.01": False, "0.001": False,
            }  # fmt: skip
        seen = of_family["0.05"]
        assert seen is not None and 0 < seen.low <= seen.value <= seen.high <= 1
        assert of_seed["0.05"] == seen.value  # one model


def test_table_prints_not_resolvable_at_low_rates(written: Report) -> None:
    """Every form of the table prints "not resolvable" at 1% and at 0.1%."""
    table = written.datasets[0].tables["leakage:loss"]
    at = [table.columns.index(f"TPR at {rate} FPR") for rate in ("5%", "1%", "0.1%")]
    attacks = [r for r in table.rows if r[0].text.startswith((WORST, PERFECT))]
    nulls = [r for r in table.rows if r[0].text.startswith("null")]
    assert len(attacks) == 2 and len(nulls) == 1
    for row in (*attacks, *nulls):
        assert [row[i].text for i in at[1:]] == ["not resolvable"] * 2
        assert re.match(r"\d\.\d\d", row[at[0]].text)
    markdown = (written.folder / "report.md").read_text()
    page = (written.folder / "index.html").read_text()
    section = markdown.split("Membership inference by loss")[1]
    for name in (WORST, PERFECT):
        line = re.findall(rf"^\| {name}\b.*$", section, re.MULTILINE)[0]
        found = [c.strip() for c in line.strip("|").split("|")]
        assert [found[i] for i in at[1:]] == ["not resolvable"] * 2
    assert page.count("not resolvable") >= 6
    for text in (markdown, page):
        assert not re.search(r"\b(nan|-?inf)\b", re.sub(r"<svg.*?</svg>", "", text, flags=re.S))
    assert not re.search(r"\bnan\b", (written.folder / "leakage.csv").read_text())


def test_log_log_figure_has_bands_and_its_stated_floor(attacked: Path, written: Report) -> None:
    """The log-log figure has its bands and starts at its stated floor."""
    lines = roc_lines(load(attacked, "demo"), "openi")
    by_name = {line.name: line for line in lines}
    worst, perfect = by_name[f"{WORST}, no DP"], by_name[f"{PERFECT}, no DP"]
    assert worst.tpr[0] == worst.low[0] == 0 and set(perfect.tpr) == {1.0}
    figure = roc_figure(lines, "openi")
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim() == (FLOOR, 1.0)
    bands = [path.vertices for c in axes.collections for path in c.get_paths()]
    curves = [np.asarray(line.get_xydata()) for line in axes.lines]
    assert len(bands) == 3  # two attacks and the null
    for points in (*bands, *curves):
        assert np.isfinite(points).all() and (points >= FLOOR).all()
    assert all(band[:, 0].min() >= 10 / N - 1e-9 for band in bands)  # where TPR can be resolved
    said = " ".join(t.get_text() for t in figure.texts).replace("\n", " ")
    assert f"drawn at {FLOOR:g}" in said and "fewer than 10/f non-members" in said
    drawn = (written.folder / "roc.svg").read_text().lower()
    assert (written.folder / "roc.png").read_bytes().startswith(b"\x89PNG")
    assert "nan" not in drawn and "inf" not in drawn
