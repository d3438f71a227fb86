"""The table from MeSH codes to labels, and its reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.openi.openi_mapping import MAPPING, read_mapping
from radpriv.errors import DataError

HEADER = "head,qualifier,label,reason\n"


def broken(folder: Path, text: str) -> str:
    path = folder / "labels.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_mapping(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        (("normal",), {"No Finding"}),
        (("Opacity/lung/base/left/mild",), {"Lung Opacity"}),
        (("Consolidation/lung/upper lobe",), {"Consolidation", "Lung Opacity"}),
        (("Pulmonary Atelectasis/base",), {"Atelectasis"}),
        (("Thickening/pleura/apex", "Spinal Fusion"), {"Pleural Other", "Support Devices"}),
        (("Hydropneumothorax/right",), {"Pneumothorax", "Pleural Effusion"}),
        (("Cardiac Shadow/enlarged/mild",), {"Cardiomegaly"}),
        (("Cardiac Shadow/obscured",), set()),
        (("Density/ribs/left",), set()),
        (("Mediastinum/enlarged ",), {"Enlarged Cardiomediastinum"}),
        (("Thoracic vertebrae/degenerative",), set()),
        ((), set()),
    ],
)
def test_the_packaged_table_labels_codes_as_documented(
    codes: tuple[str, ...], labels: set[str]
) -> None:
    assert read_mapping(MAPPING).labels(codes) == labels


@pytest.mark.parametrize(
    "other", ["Cardiomegaly/mild", "Scoliosis", "Pulmonary Edema", "Unheard Of"]
)
def test_no_finding_gives_way_to_any_other_code(other: str) -> None:
    assert "No Finding" not in read_mapping(MAPPING).labels(("normal", other))


def test_every_label_has_a_rule_and_every_rule_a_reason() -> None:
    """Every label of the dataset has a rule, and every rule a reason."""
    mapping = read_mapping(MAPPING)
    reached = {label for rules in mapping.rules.values() for _, label in rules}
    assert reached == set(CHEXPERT)


def test_unknown_label_is_refused_with_file_row_field_and_known(
    tmp_path: Path,
) -> None:
    """An unknown label is refused with file, row, field and the known labels."""
    message = broken(tmp_path, f"{HEADER}normal,,No Finding,r\nEdema,,Oedema,r\n")
    assert "row 3, field label: no label is called 'Oedema'; did you mean 'Edema'?" in message
    assert all(label in message for label in CHEXPERT)


def test_a_missing_column_is_named_with_those_present(tmp_path: Path) -> None:
    message = broken(tmp_path, "head,label,reason\nnormal,No Finding,r\n")
    assert "column qualifier is missing (present: head, label, reason)" in message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Edema,,Edema,r\nedema ,,Edema,again\n", "row 3: repeats row 2"),
        ("Edema,,Edema,r\nEdema,,none,r\n", "row 3, field label: 'edema' is 'none' here"),
        (",,Edema,r\n", "row 2, field head: empty"),
        ("Edema,,Edema,\n", "row 2, field reason: empty"),
        ("Edema,,Edema,one, two\n", "row 2: more fields than columns"),
        ("Edema,,,r\n", "row 2, field label: no label is called ''"),
        ("", "no rows"),
        ('Edema,,Edema,"open\n', "not a UTF-8 CSV file"),
    ],
)
def test_a_faulty_row_is_refused_by_number_and_field(tmp_path: Path, rows: str, said: str) -> None:
    assert said in broken(tmp_path, HEADER + rows)


def test_an_absent_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv: the label mapping cannot be read"):
        read_mapping(tmp_path / "absent.csv")
