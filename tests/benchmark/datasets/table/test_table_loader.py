"""A CSV or Parquet file by the names of its columns: what is read, and what is refused how."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radpriv.benchmark.conformance.check_dataset import CHECKS, check_dataset
from radpriv.benchmark.datasets.base import Dataset, Loader, make_loader
from radpriv.errors import DataError, SuiteError

HEADER = ("mrn", "report", "effusion", "opacity", "part", "note")
SECRET = "zyzzyvaquux"
ROWS: list[tuple[Any, ...]] = [
    (f"P{i // 2:02d}", f"Report {i} of {SECRET}, quite clear.", i % 2, None if i == 3 else 0,
     "test" if i > 7 else "train", SECRET)
    for i in range(12)
]  # fmt: skip
OPTIONS: dict[str, Any] = {
    "file": "mine/notes.csv",
    "text": "report",
    "patient": "mrn",
    "labels": ["effusion", "opacity"],
    "split": "part",
    "release": "open",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))


def write(
    data: Path,
    rows: Sequence[Sequence[Any]] = ROWS,
    header: Sequence[str] = HEADER,
    name: str = "notes.csv",
) -> Path:
    """The rows as CSV, gzipped CSV or Parquet under data/mine/."""
    path = data / "mine" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        columns = dict(zip(header, map(list, zip(*rows))))
        pq.write_table(pa.table(columns), path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def loader(**options: Any) -> Loader:
    given = {**OPTIONS, **options}
    return make_loader("table", {k: v for k, v in given.items() if v is not None})


def load(data: Path, **options: Any) -> Dataset:
    return loader(**options).load(data)


def refusal(data: Path, **options: Any) -> str:
    """The one line of a refusal, which quotes no report."""
    with pytest.raises(DataError) as caught:
        load(data, **options)
    message = str(caught.value)
    assert "\n" not in message and SECRET not in message
    return message


@pytest.mark.parametrize("name", ["notes.csv", "notes.csv.gz", "notes.parquet"])
def test_rows_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    write(tmp_path, name=name)
    found = load(tmp_path, file=f"mine/{name}")
    assert found.labels == ("effusion", "opacity")
    assert found.ids[:2] == ("row000000001", "row000000002")
    assert list(found.texts) == [row[1] for row in ROWS]
    assert found.patients == tuple(row[0] for row in ROWS)
    assert found.splits == tuple(row[4] for row in ROWS)
    expected = np.array([[row[2], np.nan if row[3] is None else row[3]] for row in ROWS])
    assert np.array_equal(found.y, expected.astype(np.float32), equal_nan=True)
    assert found.counts == {
        "rows": 12,
        "without_text": 0,
        "section_not_given": 0,
        "kept": 12,
        "patients": 6,
    }


@pytest.mark.parametrize("name", ["notes.csv", "notes.csv.gz", "notes.parquet"])
def test_the_loader_passes_the_dataset_suite(name: str) -> None:
    def source(data: Path) -> None:
        write(data, [row[:5] for row in ROWS], HEADER[:5], name)

    verdicts = list(check_dataset(loader(file=f"mine/{name}"), source))
    assert [v for v in verdicts if v.passed is not True] == []
    assert tuple(v.check for v in verdicts) == CHECKS


def test_a_release_policy_must_be_said(tmp_path: Path) -> None:
    for given, words in ((None, "is not said"), ("all", "is 'all'")):
        with pytest.raises(SuiteError) as caught:
            loader(release=given)
        assert f"option 'release' {words}" in str(caught.value)
        assert "one of open, aggregates, nothing" in str(caught.value)
    assert loader(release="nothing").card.release == "nothing"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"file": None}, "option 'file' is missing"),
        ({"text": None}, "option 'text' is missing"),
        ({"labels": []}, "option 'labels' is missing"),
        ({"labels": "effusion"}, "option 'labels' = 'effusion': expected a list of texts"),
        (
            {"labels": ["effusion", 3]},
            "= ['effusion', 3]: expected a list of texts",
        ),
        ({"file": "notes.xlsx"}, "'notes.xlsx': one of .csv, .csv.gz, .parquet"),
        ({"test_share": 1.0}, "option 'test_share' = 1: between 0 and 1"),
        ({"patient": "report"}, "column 'report' is named twice"),
        ({"labels": ["effusion", "effusion"]}, "column 'effusion' is named twice"),
        ({"colour": "red"}, "has no option 'colour'"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SuiteError) as caught:
        loader(**options)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["notes.csv", "notes.parquet"])
def test_a_missing_column_is_named_beside_those_present(name: str, tmp_path: Path) -> None:
    write(tmp_path, name=name)
    message = refusal(tmp_path, file=f"mine/{name}", text="reprot")
    assert "has no column 'reprot', which option 'text' names; did you mean 'report'?" in message
    assert message.endswith("(present: mrn, report, effusion, opacity, part, note)")
    assert "option 'labels' names; did you mean 'opacity'?" in refusal(
        tmp_path, file=f"mine/{name}", labels=["effusion", "opacty"]
    )


def test_a_file_without_a_header_shows_none_of_its_first_line(tmp_path: Path) -> None:
    write(tmp_path, ROWS[1:], ROWS[0])
    message = refusal(tmp_path)
    assert "none of the columns report, mrn, part, effusion, opacity is there (6 c" in message


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("notes.csv", -1, "line 4, column effusion: '-1' is no label value (1, 0, blank)"),
        ("notes.csv", f"{SECRET} is here", "line 4, column effusion: this is no label value"),
        ("notes.parquet", -1, "row 3, column effusion: -1 is no label value (1, 0, blank)"),
        ("notes.parquet", 0.5, "row 3, column effusion: 0.5 is no label value"),
    ],
)
def test_an_unknown_label_value_is_named_with_its_row(
    name: str, value: Any, words: str, tmp_path: Path
) -> None:
    rows = [list(row) for row in ROWS]
    rows[2][2] = value
    write(tmp_path, rows, name=name)
    assert words in refusal(tmp_path, file=f"mine/{name}")


def test_parquet_labels_may_be_booleans_numbers_or_words(tmp_path: Path) -> None:
    for cells in ([True, False, None], [1.0, 0.0, float("nan")], ["1", "0", ""]):
        rows = [("P", f"text {i}", cells[i % 3], 1, "train", "") for i in range(6)]
        write(tmp_path, rows, name="n.parquet")
        y = load(tmp_path, file="mine/n.parquet").y[:, 0]
        assert np.array_equal(y, np.array([1, 0, np.nan] * 2, np.float32), equal_nan=True)
    write(tmp_path, [("P", f"{SECRET}", SECRET, 1, "train", "")], name="n.parquet")
    assert "this is no label value" in refusal(tmp_path, file="mine/n.parquet")


def test_without_patients_each_row_is_one_and_the_card_says_so(tmp_path: Path) -> None:
    write(tmp_path)
    found = load(tmp_path, patient=None)
    assert found.patients == found.ids
    assert "each row counts as a patient of its own" in found.card.known_errors[0]
    assert load(tmp_path).card.known_errors == ()


def test_without_a_split_a_public_hash_of_the_patient_decides(tmp_path: Path) -> None:
    rows = [(f"P{i // 3:03d}", f"text {i}", 1, 0, "", "") for i in range(900)]
    write(tmp_path, rows)
    found = load(tmp_path, split=None, test_share=0.3)
    sides = {(p, s) for p, s in zip(found.patients, found.splits)}
    assert len(sides) == 300
    assert 60 < sum(side == "test" for _, side in sides) < 120
    assert load(tmp_path, split=None, test_share=0.3).splits == found.splits
    few = load(tmp_path, split=None, test_share=0.01)
    assert {p for p, s in zip(few.patients, few.splits) if s == "test"} <= {
        p for p, s in sides if s == "test"
    }


@pytest.mark.parametrize("name", ["notes.csv", "notes.parquet"])
def test_a_row_that_is_at_fault_is_named(name: str, tmp_path: Path) -> None:
    place = "line 6" if name.endswith("csv") else "row 5"
    first = "line 10" if name.endswith("csv") else "row 9"
    later = "line 11" if name.endswith("csv") else "row 10"
    for column, row, value, words in (
        (4, 4, SECRET, f"{place}, column part: no split: one of train, test, validate"),
        (0, 4, "", f"{place}, column mrn: blank: give each row its patient"),
        (4, 9, "train", f"{later}, column part: its patient is in 'test' at {first}, and here"),
    ):
        rows = [list(r) for r in ROWS]
        rows[row][column] = value
        write(tmp_path, rows, name=name)
        assert words in refusal(tmp_path, file=f"mine/{name}")


def test_rows_without_text_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [list(row) for row in ROWS]
    rows[3][1] = "  "
    write(tmp_path, rows)
    found = load(tmp_path)
    assert len(found) == 11 and "row000000004" not in found.ids
    assert found.counts["without_text"] == 1 and found.counts["kept"] == 11


def test_a_file_that_is_not_there_is_named_in_full(tmp_path: Path) -> None:
    path = write(tmp_path)
    message = refusal(tmp_path, file="mine/note.csv")
    assert message == f"{path.with_name('note.csv')}: no such file; did you mean 'notes.csv'?"
    with pytest.raises(DataError, match=r"name it by --data or RADPRIV_DATA, or give an absolute"):
        loader().find(None)
    assert loader(file=str(path)).load(None).ids == load(tmp_path).ids


def test_the_identity_is_of_options_and_content(tmp_path: Path) -> None:
    path = write(tmp_path)
    write(tmp_path / "elsewhere")
    first = loader().identity(tmp_path)
    assert (
        first == loader().identity(tmp_path / "elsewhere") == loader(file=str(path)).identity(None)
    )
    assert str(tmp_path) not in repr(first)
    assert first != loader(release="nothing").identity(tmp_path)
    assert first != loader(split=None).identity(tmp_path)
    write(tmp_path, ROWS[:-1])
    assert first != loader().identity(tmp_path)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert "holds no row below its header; mend the file" in refusal(tmp_path)
    schema = pa.schema([(name, pa.string()) for name in HEADER])
    pq.write_table(schema.empty_table(), tmp_path / "mine" / "n.parquet")
    assert "holds no row; mend the file" in refusal(tmp_path, file="mine/n.parquet")


def test_a_long_file_is_streamed_in_order(tmp_path: Path) -> None:
    """More rows than one batch of the reader and of the table."""
    rows = [("P", f"text {i}", i % 2, 0, "train", "") for i in range(5000)]
    write(tmp_path, rows, name="n.parquet")
    found = load(tmp_path, file="mine/n.parquet")
    assert found.texts[4999] == "text 4999" and found.ids[4999] == "row000005000"
    assert found.y[:, 0].tolist() == [float(i % 2) for i in range(5000)]
