"""`radpriv predict`: every method's answers, every format of reports, and no word of them kept."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.store.store import Store
from radpriv.errors import DataError, StoreError
from radpriv.workflow import predict_labels as predict_module
from radpriv.workflow.predict_labels import predict
from radpriv.workflow.read_reports import read_reports

from .finished_cells import Cells

Radpriv = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "using_a_model.md"
MARKER = "zyzzyvaquux"
METHODS = (
    "dp_lora tiny-bert",
    "lora tiny-bert",
    "lora tiny-albert",
    "dp_linear_probe",
    "linear_probe",
    "dp_bow",
    "tfidf",
    "keyword",
    "prior",
)
THREE = ["The heart is normal.", "Small left pleural effusion, no pneumothorax.", "clear lungs"]


def logistic(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_as_its_saved_model(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, name: str
) -> None:
    """By the library and by the command alike."""
    model = cells.model(name)
    logits = model.saved.load().logits(THREE)
    found = predict(cells.store, cells.ids[name], THREE)
    assert found.probabilities.dtype == np.float32 and found.labels == model.labels
    np.testing.assert_allclose(found.probabilities, logistic(logits), atol=2e-5)
    np.testing.assert_array_equal(found.positive, logits > 0)
    (tmp_path / "new.txt").write_text("\n".join(THREE))
    asked = (cells.ids[name], tmp_path / "new.txt", "--store", cells.store.root)
    every = radpriv("predict", *asked, "--all", "--json")
    assert every.code == 0 and every.err == ""
    rows = [json.loads(line) for line in every.out.splitlines()]
    assert [row["line"] for row in rows] == [1, 2, 3]
    for row, p, positive in zip(rows, found.probabilities, found.positive):
        assert list(row["probabilities"]) == list(found.labels)
        np.testing.assert_allclose(list(row["probabilities"].values()), p, atol=1e-6)
        assert row["positive"] == [label for label, yes in zip(found.labels, positive) if yes]
    for line, row in zip(radpriv("predict", *asked, "--json").out.splitlines(), rows, strict=True):
        shown = {label: row["probabilities"][label] for label in row["positive"]}
        assert json.loads(line) == {**row, "probabilities": shown}


def test_a_threshold_of_the_record_decides(cells: Cells, tmp_path: Path) -> None:
    """In logits, and strictly above."""
    path = cells.copy("dp_bow", tmp_path)
    logits = cells.model("dp_bow").saved.load().logits(THREE)
    record = json.loads(path.read_text())
    record["thresholds"] = [float(t) for t in logits[1]]
    path.write_text(json.dumps(record))
    found = predict(tmp_path, cells.ids["dp_bow"], THREE)
    np.testing.assert_array_equal(found.positive, logits > logits[1])
    assert found.positive.any() and not found.positive[1].any()


def test_texts_keep_their_order_however_many(
    cells: Cells, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(cells.store, cells.ids["dp_lora tiny-bert"], reports)
    monkeypatch.setattr(predict_module, "AT_ONCE", 7)
    counts: list[int] = []
    parts = predict(cells.store, cells.ids["dp_lora tiny-bert"], reports, tick=counts.append)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)
    assert counts == [7] * 5 + [5] and len(parts) == 40
    assert len(np.unique(whole.probabilities[:, 0])) > 30


def test_the_library_takes_a_list_of_strings(cells: Cells) -> None:
    cell = cells.ids["prior"]
    assert predict(cells.store.root, cell, []).probabilities.shape == (0, 14)
    with pytest.raises(DataError, match="give a list"):
        predict(cells.store, cell, MARKER)
    with pytest.raises(DataError, match=r"texts\[1\]: int"):
        predict(cells.store, cell, [MARKER, 3])  # type: ignore[list-item]


def written(folder: Path) -> list[Path]:
    """The same three reports in every format, a report of two lines where one can be."""
    two = "Small left pleural effusion,\nno pneumothorax."
    texts = [THREE[0], two, THREE[2]]
    lines = "\ufeff" + "\r\n".join([THREE[0], "", f"  {THREE[1]} ", THREE[2], ""])
    (folder / "a.txt").write_bytes(lines.encode())
    table = 'id,text,findings\n1,"{}",x\n2,"{}",y\n\n3,"{}",z\n'.format(*texts)
    (folder / "b.csv").write_text(table)
    (folder / "b.csv.gz").write_bytes(gzip.compress(table.encode()))
    rows = [json.dumps({"id": i, "text": t}) for i, t in enumerate(texts)]
    (folder / "C.JSONL").write_text("\n".join(rows) + "\n\n")
    return sorted(folder.iterdir())


def test_formats_are_one_and_the_same(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict(cells.store, cells.ids["tfidf"], THREE).probabilities
    asked = ("--store", cells.store.root, "--json", "--all")
    lines = {"a.txt": [1, 3, 4], "b.csv": [2, 3, 6], "b.csv.gz": [2, 3, 6], "C.JSONL": [1, 2, 3]}
    for path in written(tmp_path):
        done = radpriv("predict", cells.ids["tfidf"], path, *asked)
        rows = [json.loads(line) for line in done.out.splitlines()]
        assert [row["line"] for row in rows] == lines[path.name], done.err
        found = [list(row["probabilities"].values()) for row in rows]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    for dash in ((), ("-",)):
        piped = io.TextIOWrapper(io.BytesIO("\n".join(THREE).encode()))
        monkeypatch.setattr(sys, "stdin", piped)
        done = radpriv("predict", cells.ids["tfidf"], *dash, *asked)
        found = [list(json.loads(r)["probabilities"].values()) for r in done.out.splitlines()]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("findings,text\none,two\n")
    (tmp_path / "a.jsonl").write_text('{"findings": "one"}\n')
    for name in ("a.csv", "a.jsonl"):
        assert read_reports(tmp_path / name, "findings").texts == ("one",)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.txt", b"fine\nzyzzyvaquux \xff\n", "a.txt line 2: not UTF-8 at its byte 13"),
        ("a.txt", b"\n \n", "holds no report"),
        ("a.csv", b"text\nfine\n zyzzyvaquux,zyzzyvaquux\n", "a.csv line 3: 2 fields"),
        ("a.csv", b"report\nzyzzyvaquux\n", "--column"),
        ("a.csv", b"text,id\nzyzzyvaquux,1\n  ,2\n", "a.csv line 3, column text, is blank"),
        ("a.csv", b"", "is empty"),
        ("a.jsonl", b'{"text": "zyzzyvaquux"}\n{"text": "zyzzyvaquux\n', "a.jsonl line 2: no JSON"),
        ("a.jsonl", b'["zyzzyvaquux"]', "a.jsonl line 1: no JSON object"),
        ("a.jsonl", b'{"zyzzyvaquux": "x"}', "a.jsonl line 1, column text, is missing"),
        ("a.jsonl", b'{"text": ["zyzzyvaquux"]}', "a.jsonl line 1, column text, is no text"),
        ("a.jsonl", b'{"text": "zyzzyvaquux \\ud800"}', "line 1, column text, holds half"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl line 1: no JSON object"),
        ("a.pdf", b"zyzzyvaquux", "ends in .txt"),
    ],
)
def test_bad_input_is_one_line_that_names_it(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = radpriv("predict", cells.ids["prior"], tmp_path / name, "--store", cells.store.root)
    assert why in done.only_line and MARKER not in done.err


def test_a_file_that_is_absent_or_a_needless_column_is_one_line(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    asked = ("--store", cells.store.root)
    for name in ("none.txt", "none.csv", "none.jsonl"):
        sentence = radpriv("predict", cells.ids["prior"], tmp_path / name, *asked).only_line
        assert f"{name}: cannot be read" in sentence
    (tmp_path / "a.txt").write_text("fine\n")
    asked = (*asked, "--column", "findings")
    assert (
        "no column" in radpriv("predict", cells.ids["prior"], tmp_path / "a.txt", *asked).sentence
    )


def test_the_table_shows_what_is_above_its_threshold(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text("Small left pleural effusion.\nThe weather.\n")
    asked = (cells.ids["keyword"], tmp_path / "new.txt", "--store", cells.store.root)
    done = radpriv("predict", *asked)
    rows = [re.split(r"  +", line.strip()) for line in done.out.splitlines()]
    assert ["1", "Pleural Effusion", "0.73"] in rows
    assert "Cardiomegaly" not in done.out and "The weather" not in done.out
    every = radpriv("predict", *asked, "--all").out
    assert every.count("Cardiomegaly") == 2 and every.count("yes") == done.out.count("0.73")
    (tmp_path / "new.txt").write_text("anything\n")
    assert "none" in radpriv("predict", cells.ids["prior"], *asked[1:]).out


def test_a_model_of_gated_data_answers_and_keeps_no_word(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    """Where it was trained; and nothing is written anywhere."""
    path = cells.copy("dp_lora tiny-bert", tmp_path / "store")
    record = json.loads(path.read_text())
    record["card"]["release"] = "nothing"
    path.write_text(json.dumps(record))
    (tmp_path / "new.txt").write_text(f"the heart {MARKER}\n")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    done = radpriv("predict", cells.ids["dp_lora tiny-bert"], tmp_path / "new.txt", "--all")
    assert done.code == 0 and "Cardiomegaly" in done.out, done.err
    assert MARKER not in done.out + done.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


SOURCE = """
from dataclasses import dataclass
import numpy as np
from radpriv.baselines.prior import PriorFitted
from radpriv.benchmark.methods.method import Method, methods

class Quotes(PriorFitted):
    def logits(self, texts):
        if len(texts) == 1:
            raise {error}
        return super().logits(texts)

@methods.register("quotes_reports")
@dataclass(frozen=True)
class Mine(Method):
    levels: tuple = (0.5,)
    most: float = float("inf")
    private = False
    uses_encoder = False

    def fit(self, train, encoder, budget, run) -> Quotes:
        assert self.levels == (0.5,) and self.most == float("inf")
        return Quotes(train.labels, np.full(len(train.labels), 0.5))
"""


@pytest.mark.parametrize("error", ["ValueError(texts[0])", "SystemExit(texts[0])"])
def test_a_plugin_answers_from_its_snapshot_and_is_not_quoted(
    radpriv: Radpriv, write_suite: Callable[..., Path], tmp_path: Path, error: str
) -> None:
    """With parameters that JSON cannot hold; its file may be gone by then."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(SOURCE.format(error=error))
    suite = write_suite("prior", control="false", attacks="[]")
    assert radpriv("run", suite, "--method", plugin).code == 0
    plugin.unlink()
    (tmp_path / "new.txt").write_text(f"the heart {MARKER}\n" * 2)
    done = radpriv("predict", "synthetic-plain.quotes", tmp_path / "new.txt", "--json")
    assert done.code == 0 and len(done.out.splitlines()) == 2, done.err
    (tmp_path / "new.txt").write_text(f"the heart {MARKER}\n")
    done = radpriv("predict", "synthetic-plain.quotes", tmp_path / "new.txt")
    assert f"{error.partition('(')[0]} at mine.py" in done.only_line and MARKER not in done.err


def test_a_cell_that_is_unknown_or_not_the_only_one_is_one_line(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text("fine\n")
    asked = (tmp_path / "new.txt", "--store", cells.store.root)
    typed = cells.ids["tfidf"].replace("tfidf", "tfdif")
    assert f"did you mean {cells.ids['tfidf']}" in radpriv("predict", typed, *asked).only_line
    assert "give more of one" in radpriv("predict", "synthetic-plain", *asked).only_line
    sentence = radpriv("predict", cells.ids["tfidf"], *asked, "--encoder", tmp_path).only_line
    assert "uses no encoder" in sentence


def test_a_cell_computed_in_two_ways_is_told_by_its_fingerprint(
    cells: Cells, tmp_path: Path
) -> None:
    cell, record = cells.ids["prior"], cells.copy("prior", tmp_path)
    other = shutil.copytree(record.parent, record.parent.with_name("0123456789abcdef"))
    changed = {**json.loads(record.read_text()), "fingerprint": other.name}
    (other / "record.json").write_text(json.dumps(changed))
    with pytest.raises(StoreError, match=r"computed in 2 ways; give one of: .*0123456789abcdef \("):
        predict(tmp_path, cell, THREE)
    for folder in (record.parent, other):
        assert len(predict(tmp_path, f"{cell}/{folder.name[:6]}", THREE)) == 3
    with pytest.raises(StoreError, match="was not computed as 'ffff'"):
        predict(tmp_path, f"{cell}/ffff", THREE)
    shutil.rmtree(tmp_path / "cells" / cell)
    (tmp_path / "attempts" / cell / "00").mkdir(parents=True)
    with pytest.raises(StoreError, match="never finished; `radpriv why"):
        predict(Store(tmp_path), cell, THREE)


def test_the_control_says_that_it_is_worth_nothing(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    (tmp_path / "new.txt").write_text("fine\n")
    asked = (tmp_path / "new.txt", "--store", cells.store.root, "--json")
    done = radpriv("predict", cells.ids["control"], *asked)
    assert done.code == 0 and "positive control" in done.err
    assert predict(cells.store, cells.ids["tfidf"], THREE).notes == ()


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not beside these tests")
def test_the_page_has_an_example_that_runs(cells: Cells) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    code = code.replace("radpriv-store", str(cells.store.root))
    code = code.replace("openi.minilm.dp_lora.eps10.s0", cells.ids["dp_bow"])
    names: dict[str, Any] = {}
    exec(code, names)
    assert len(names["found"]) == 1 and str(cells.store.root) in code
