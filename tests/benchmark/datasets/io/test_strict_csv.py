"""The reader of label CSVs: any order of columns, and every damage named by file, line, column."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radpriv.benchmark.datasets.io.strict_csv import STATES, CsvTable
from radpriv.errors import DataError

MARKER = "unspeakable"
COLUMNS = ("id", "who")
LABELS = ("Edema", "Fracture")
HEADER = "id,who,Edema,Fracture\n"
SPELLINGS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": math.nan}


def table(path: Path, content: str | bytes, **options: Any) -> CsvTable:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return CsvTable(path, COLUMNS, labels=LABELS, **options)


def refusal(read: Callable[..., object]) -> str:
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert MARKER not in message and MARKER not in repr(caught.value.__cause__)
    assert "\n" not in message
    return message


def same(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return len(one) == len(two) and all(a == b or (a != a and b != b) for a, b in zip(one, two))


def test_four_label_values_are_read_in_each_of_their_spellings(tmp_path: Path) -> None:
    """The four label values are read in each of their spellings."""
    rows = "".join(f"{i},p,{cell},\n" for i, cell in enumerate(SPELLINGS))
    lines = list(table(tmp_path / "a.csv", HEADER + rows))
    assert [line.number for line in lines] == list(range(2, 9))
    for line, value in zip(lines, SPELLINGS.values()):
        assert same(line.states, (value, math.nan))


def test_columns_are_found_by_name_with_index_bom_and_crlf(tmp_path: Path) -> None:
    """Columns are found by name, with an index column, a BOM and CRLF."""
    text = "\ufeff,Fracture,who,Unnamed: 0,id,Edema\r\n0,1.0,p,9,s, 0.0 \r\n\r\n1,,p,9,t,-1.0\r\n"
    for name, content in (("a.csv", text.encode()), ("a.csv.gz", gzip.compress(text.encode()))):
        first, second = table(tmp_path / name, content)
        assert (first.number, first.cells, first.states) == (2, ("s", "p"), (0.0, 1.0))
        assert second.number == 4 and same(second.states, (-1.0, math.nan))


def test_a_gzip_file_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    text = (HEADER + "s,p,1,0\n").encode()
    assert len(list(table(tmp_path / "unpacked_by_the_browser.csv.gz", text))) == 1
    assert len(list(table(tmp_path / "renamed.csv", gzip.compress(text)))) == 1


def test_alias_stands_for_a_column_and_both_at_once_are_refused(tmp_path: Path) -> None:
    """An alias stands for a column, and both at once are refused."""
    options = {"aliases": {"Swelling": "Edema"}}
    (line,) = table(tmp_path / "a.csv", "id,who,Swelling,Fracture\ns,p,1,0\n", **options)
    assert line.states == (1.0, 0.0)
    both = table(tmp_path / "b.csv", "id,who,Swelling,Edema,Fracture\ns,p,1,1,0\n", **options)
    assert "line 1, column Edema: there twice" in refusal(lambda: list(both))


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    wrong = table(tmp_path / "a.csv", f"id,AccessionNo,Edema,{'x' * 80}\ns,p,1,0\n")
    assert refusal(lambda: list(wrong)) == (
        f"{tmp_path / 'a.csv'} line 1, column who, Fracture: missing (present: id, AccessionNo, "
        "Edema, (a field of 80 characters)); get the file again"
    )


def test_missing_header_is_refused_without_quoting_the_first_row(tmp_path: Path) -> None:
    """A file without a header is refused without quoting its first row."""
    bare = table(tmp_path / "a.csv", f"s,p,{MARKER},1\n")
    assert "line 1: none of the columns id, who, Edema, Fracture" in refusal(lambda: list(bare))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("s,p,2,0", "line 3, column Edema: '2' is no label value (1, 0, -1, blank)"),
        ("s,p,1,0.5", "line 3, column Fracture: '0.5' is no label value"),
        ("s,p,nan,0", "line 3, column Edema: this is no label value"),
        (f"s,p,1,{MARKER}", "line 3, column Fracture: this is no label value"),
        ("s,p,1", "line 3: 3 fields where the header has 4"),
        (f"s,p,1,0,{MARKER}", "line 3: 5 fields where the header has 4"),
        ("r,p,1,0", "line 3, column id: repeats line 2"),
        (f's,"{MARKER},1,0', "line 3: from here on no whole row (unexpected end of data)"),
        (f's,"p"{MARKER},1,0', "line 3: from here on no whole row ("),
        (f"s,p\r{MARKER},1,0", "line 3: 2 fields where the header has 4"),
        (f"s,{MARKER}{'x' * (1 << 17)},1,0", "line 3: from here on no whole row (field larger"),
        (f"s,{MARKER}{'x' * (1 << 22)},1,0", "line 3: longer than 4 MiB"),
    ],
)
def test_a_faulty_row_is_refused_by_line_and_column(tmp_path: Path, row: str, said: str) -> None:
    faulty = table(tmp_path / "a.csv", f"{HEADER}r,p,1,0\n{row}\n", key=("id",))
    message = refusal(lambda: list(faulty))
    assert message.startswith(f"{tmp_path / 'a.csv'} {said}")


def test_only_the_label_values_that_are_declared_pass(tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", HEADER + "r,p,1,0\ns,p,-1,\n", states=("1", "0", "blank"))
    assert "line 3, column Edema: '-1' is no label value (1, 0, blank)" in refusal(
        lambda: list(file)
    )
    file = table(tmp_path / "b.csv", HEADER + "r,p,1,\n", states=("1", "0"))
    assert "line 2, column Fracture: blank is no label value (1, 0)" in refusal(lambda: list(file))


def test_a_row_over_several_lines_counts_as_its_first_line(tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", HEADER + 'r,"p\nq\nr",1,0\ns,p,7,0\n')
    lines = iter(file)
    assert next(lines).cells == ("r", "p\nq\nr")
    assert "line 5, column Edema: '7'" in refusal(lambda: next(lines))


def test_bytes_that_are_not_utf8_are_named_by_their_line(tmp_path: Path) -> None:
    file = table(tmp_path / "a.csv", HEADER.encode() + b"r,p,1,0\n" + b"s,\xe9t\xe9,1,0\n")
    assert "line 3: not UTF-8 at its byte 3" in refusal(lambda: list(file))
    assert "line 1: not UTF-8" in refusal(lambda: list(table(tmp_path / "b.csv", b"\xff\xfei\x00")))


def test_a_gzip_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{i},p{i * 7919 % 997},1,0\n" for i in range(300))
    whole = gzip.compress((HEADER + rows).encode(), mtime=0)
    for cut in range(2, len(whole), 29):  # below 2 bytes it does not even look like gzip
        short = table(tmp_path / "a.csv.gz", whole[:cut])
        assert "cut short after line" in refusal(lambda file=short: list(file))
    damaged = bytearray(whole)
    damaged[-6] ^= 1  # the checksum
    assert "damaged" in refusal(lambda: list(table(tmp_path / "a.csv.gz", bytes(damaged))))


def test_absent_empty_and_header_only_files_are_refused(tmp_path: Path) -> None:
    """An absent, an empty and a headed but empty file are refused."""
    absent = CsvTable(tmp_path / "none.csv", COLUMNS)
    assert "cannot be read (No such file or directory)" in refusal(lambda: list(absent))
    assert "is empty" in refusal(lambda: list(table(tmp_path / "a.csv", "")))
    assert "is empty" in refusal(lambda: list(table(tmp_path / "a.csv", "\ufeff\n")))
    assert "holds no row" in refusal(lambda: list(table(tmp_path / "a.csv", HEADER)))


def test_rows_are_given_while_the_file_is_read(tmp_path: Path) -> None:
    lines = iter(table(tmp_path / "a.csv", HEADER + "r,p,1,0\n" + "\xff,\n" * 3))
    assert next(lines).cells == ("r", "p")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.text("abc019,\"\n\t é'", max_size=8),
            st.sampled_from(sorted(SPELLINGS)),
            st.sampled_from(sorted(SPELLINGS)),
        ),
        min_size=1,
        max_size=6,
    ),
    order=st.permutations(("id", "who", "Edema", "Fracture", "")),
    bom=st.booleans(),
    end=st.sampled_from(("\n", "\r\n")),
    zipped=st.booleans(),
)
def test_what_a_csv_writer_wrote_is_read_back(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    order: list[str],
    bom: bool,
    end: str,
    zipped: bool,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, order, lineterminator=end)
    writer.writeheader()
    for i, (who, one, two) in enumerate(rows):
        writer.writerow({"": i, "id": f"s{i}", "who": who, "Edema": one, "Fracture": two})
    content = text.getvalue().encode("utf-8-sig" if bom else "utf-8")
    path = tmp_path / "a.csv"
    lines = list(table(path, gzip.compress(content) if zipped else content, key=("id",)))
    assert [line.cells for line in lines] == [
        (f"s{i}", who.strip()) for i, (who, _, _) in enumerate(rows)
    ]
    for line, (_, one, two) in zip(lines, rows):
        assert same(line.states, (SPELLINGS[one], SPELLINGS[two]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cell=st.text(st.characters(exclude_characters='",\r\n', codec="utf-8"), max_size=12))
def test_label_outside_the_four_values_is_refused_unquoted(tmp_path: Path, cell: str) -> None:
    """A label is one of the four values or refused without being quoted."""
    file = table(tmp_path / "a.csv", f"{HEADER}r,p,{cell},0\n")
    if cell.strip() in SPELLINGS:
        (line,) = file
        assert same(line.states, (SPELLINGS[cell.strip()], 0.0))
        return
    message = refusal(lambda: list(file))
    assert "line 2, column Edema: " in message and message.isprintable()


def test_the_four_states_have_names() -> None:
    assert STATES == ("1", "0", "-1", "blank")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_kind_are_read_alike(tmp_path: Path, end: str) -> None:
    rows = [f'{n},"who {n}{end}and more",1,0' for n in range(20_000)]  # over several chunks
    found = list(table(tmp_path / "t.csv", end.join([HEADER.strip(), *rows])))
    assert len(found) == 20_000 and {line.states for line in found} == {(1.0, 0.0)}
    assert [line.cells for line in found[::5000]] == [
        (str(n), f"who {n}{end}and more") for n in range(0, 20_000, 5000)
    ]


def test_a_carriage_return_at_the_end_of_a_chunk(tmp_path: Path) -> None:
    from radpriv.benchmark.datasets.io import strict_csv

    path = tmp_path / "t.csv"
    row = b"%06d,w,1,0\r\n"
    header = HEADER.strip().encode() + b"\r\n"
    for shift in range(3):
        pad = b" " * ((strict_csv._CHUNK + shift - len(header) - 1) % 14)
        content = header.replace(b"\r\n", pad + b"\r\n") + b"".join(row % n for n in range(40_000))
        assert len(list(table(path, content))) == 40_000
