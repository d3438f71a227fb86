"""The tables beside the reports: any order of columns, and no contradiction."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.mimic_cxr.label_tables import read_split
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.errors import DataError

HEADER = "dicom_id,study_id,subject_id,split\n"


def refusal(data: Path, marker: str) -> str:
    with pytest.raises(DataError) as caught:
        MimicCXR().load(data)
    message = str(caught.value)
    assert marker not in message and "\n" not in message
    return message


def test_a_study_with_several_images_is_one_study(
    release: Any, new_study: Callable[..., Any]
) -> None:
    made = [new_study(50000001, 10000032, images=4), new_study(50000002, 10000032, images=1)]
    release.write(made)
    assert list(read_split(release.split(made))) == [50000001, 50000002]
    assert MimicCXR().load(release.data).counts["kept"] == 2


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,50000001,10000032,valid\n", "line 2, column split: none of train, validate, test"),
        ("a,s5000001,10000032,train\n", "line 2, column study_id: not a number of 8 digits"),
        ("a,50000001,1000003,train\n", "line 2, column subject_id: not a number of 8 digits"),
        ("a,50000001,,train\n", "line 2, column subject_id: not a number of 8 digits"),
        (
            "a,50000001,10000032,train\nb,50000001,10000033,train\n",
            "line 3, column subject_id: study 50000001 has another patient further up",
        ),
        (
            "a,50000001,10000032,train\nb,50000002,10000032,test\n",
            "line 3, column split: patient 10000032 is in another split further up",
        ),
        (
            "a,50000001,10000032,train\nb,50000001,10000032,validate\n",
            "line 3, column split: patient 10000032 is in another split further up",
        ),
        ("a,50000001,10000032\n", "line 2: 3 fields where the header has 4"),
    ],
)
def test_a_split_that_contradicts_itself_is_refused(
    release: Any, marker: str, rows: str, said: str
) -> None:
    release.write()
    path = release.gz("split", (HEADER + rows).encode())
    assert refusal(release.data, marker).startswith(f"{path} {said}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace(",1.0", ",2.0", 1), "is no label value (1, 0, -1, blank)"),
        (lambda t: t.replace("study_id", "AccessionNo"), "column study_id: missing (present: subj"),
        (lambda t: t.replace("Edema", "Fracture"), "column Edema: missing (present: "),
        (lambda t: t.replace("\n10000032,50000007", "\n10000764,50000007"), "another patient in"),
        (lambda t: t + t.splitlines()[1] + "\n", "line 8, column study_id: repeats line 2"),
        (lambda t: t.replace("Edema", "Edéma").encode("latin-1"), "line 1: not UTF-8 at its byte"),
    ],
)
def test_a_damaged_label_file_is_refused_by_line_and_column(
    release: Any, marker: str, change: Callable[[str], str | bytes], said: str
) -> None:
    release.write()
    path = release.folder / "mimic-cxr-2.0.0-chexpert.csv.gz"
    changed = change(gzip.decompress(path.read_bytes()).decode())
    release.gz("chexpert", changed if isinstance(changed, bytes) else changed.encode())
    message = refusal(release.data, marker)
    assert message.startswith(f"{path} line ") and said in message


@pytest.mark.parametrize("part", ["chexpert", "split"])
def test_a_truncated_table_is_refused(release: Any, marker: str, part: str) -> None:
    release.write()
    path = release.folder / f"mimic-cxr-2.0.0-{part}.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert refusal(release.data, marker).startswith(f"{path}: cut short after line")


def test_unpacked_table_with_bom_crlf_and_index_reads_the_same(
    release: Any, studies: tuple[Any, ...]
) -> None:
    """An unpacked table with a BOM, CRLF and an index column reads the same."""
    expected = MimicCXR().load(release.write())
    for part in ("chexpert", "split"):
        path = release.folder / f"mimic-cxr-2.0.0-{part}.csv.gz"
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        again = "".join(f"{i - 1 if i else ''},{line}\r\n" for i, line in enumerate(lines))
        path.with_suffix("").write_text("\ufeff" + again, encoding="utf-8", newline="")
        path.unlink()
    found = MimicCXR().load(release.data)
    assert found.ids == expected.ids and (found.y[~(found.y != found.y)] >= 0).all()
    assert found.counts == expected.counts
