"""F1 across datasets beside F1 at home: paired ratios, and only where both exist."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from radpriv.cli import main
from radpriv.reports.build import build
from radpriv.reports.render.table import Table
from radpriv.reports.results.load import load
from radpriv.reports.results.scores import score

WEAKER = {"lora": 1.2, "linear_probe": 0.9, "tfidf": 0.6, "prior": 0.0, "keyword": 0.8}
HOME = {"lora": 1.95, "linear_probe": 1.7, "tfidf": 1.8, "prior": 0.0, "keyword": 1.0}


def transferred(record: dict[str, Any]) -> None:
    record["cell"]["dataset"] = "transfer"
    options = {"train": "synthetic-mimic-cxr", "test": "openi"}
    record["cell"]["dataset_identity"] = {"options": options}


def written(fake: Any, **across: Any) -> Any:
    """A plan with Open-i at home, and the transfer to it under a label."""
    fake = replace(fake, private={}, non_private=HOME)
    fake.write()
    other = {"dataset": "twin to Open-i", "non_private": WEAKER, "edit": transferred, **across}
    replace(fake, suite="other", **other).write()
    plans = fake.root / "plans"
    one, two = (json.loads((plans / f"{s}.json").read_text()) for s in ("demo", "other"))
    both = {key: one[key] + two[key] for key in ("datasets", "cells")}
    (plans / "both.json").write_text(json.dumps({**one, "suite": "both", **both}))
    return load(fake.root, "both")


def home(results: Any) -> Table | None:
    return {d.dataset: d.tables.get("home") for d in build(results)}["twin to Open-i"]


def test_ratio_is_paired_by_patient_and_seed(fake: Any) -> None:
    """Each method has its ratio, paired over patients and seeds."""
    results = written(fake)
    table = home(results)
    assert table is not None and "openi" in table.title and "300 records" in table.notes[0]
    names = [row[0].text for row in table.rows]
    assert names == ["lora (minilm)", "linear_probe (minilm)", "tfidf", "keyword (minilm)"]
    one, two = score(results, "twin to Open-i"), score(results, "openi")
    assert one is not None and two is not None
    shown = [[r for r in s.rows if not r.trivial] for s in (one, two)]
    for record, a, b in zip(table.records, *shown, strict=True):
        ours, theirs = a.measured["weighted"], b.measured["weighted"]
        assert record["ratio"] == pytest.approx(np.mean(ours.values / theirs.values))
        assert record["ratio"] < 1
        spread = np.std(ours.resamples / theirs.resamples, ddof=1)
        assert record["ratio_half"] > 1.9 * spread
        apart = np.hypot(ours.resamples.std() / theirs.values.mean(), theirs.resamples.std() *
                         ours.values.mean() / theirs.values.mean() ** 2)  # fmt: skip
        assert spread < apart  # what pairing is for


def test_ratio_of_a_deterministic_method_is_not_pooled(
    fake: Any,
) -> None:
    """A method that draws nothing has no seed variance and stays out of the pool."""
    results = written(fake, deterministic_logits=True)
    scores = score(results, "openi")
    assert scores is not None
    rows = {r.method: r for r in scores.rows}
    assert rows["keyword"].deterministic and not rows["keyword"].trivial
    assert rows["keyword"].estimates["weighted"].s2 is None
    pool = scores.pools(private=False)
    assert pool is not None and pool.df == 6  # lora, linear_probe, tfidf
    found = {(d.first.method, d.second.method): d.estimate for d in scores.differences}
    both, one = found["lora", "tfidf"], found["lora", "keyword"]
    assert one.s2 == pytest.approx(pool.s2) and one.df == pool.df
    assert both.s2 is not None and both.df == 4


def test_no_home_no_ratio(fake: Any) -> None:
    assert home(written(fake)) is not None
    assert all("home" not in d.tables for d in build(load(fake.root, "demo")))


def test_another_test_set_is_no_home(fake: Any) -> None:
    assert home(written(fake, records=299)) is None


def test_a_cell_that_is_missing_leaves_its_row_out(fake: Any) -> None:
    table = home(written(fake, status={"twin_to_Open-i.tfidf.epsinf.cell.s1": "failed"}))
    assert table is not None
    assert [row[0].text for row in table.rows][:2] == ["lora (minilm)", "linear_probe (minilm)"]
    assert "tfidf" not in [row[0].text for row in table.rows]


def test_a_plan_that_was_run_has_the_ratio(tmp_path: Path) -> None:
    """End to end: stored records of the transfer and of its home bear the same names."""
    suite = tmp_path / "small.toml"
    suite.write_text(SUITE)
    store = tmp_path / "store"
    asked = ["run", str(suite), "--store", str(store), "--json"]
    told = CliRunner().invoke(main.app, asked, env={"RADPRIV_CACHE": str(tmp_path / "cache")})
    assert told.exit_code == 0, told.output
    tables = {d.dataset: d.tables for d in build(load(store, "small"))}
    (record,) = tables["from another hospital"]["home"].records
    assert record["method"] == "tfidf" and 0 < record["ratio"] < 1.2
    assert "home" not in tables["synthetic-mimic-cxr"]


SUITE = """
epsilons = [inf]
control = false
[[datasets]]
name = "synthetic-mimic-cxr"
n_public = 90
options = { reports = 200 }
[[datasets]]
name = "transfer"
label = "from another hospital"
n_public = 90
[datasets.options]
train = "synthetic-mimic-cxr"
train_options = { reports = 200, seed = 1 }
test = "synthetic-mimic-cxr"
test_options = { reports = 200 }
[[methods]]
name = "tfidf"
"""
