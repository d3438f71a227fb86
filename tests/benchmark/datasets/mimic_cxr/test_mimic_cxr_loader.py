"""MIMIC-CXR end to end on made-up releases: rows, counts, identity, and half a download."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.base import Dataset, make_loader
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.errors import DataError

BOTH = {"text": "findings+impression"}


def row(data: Dataset, record: str) -> dict[str, float]:
    return dict(zip(data.labels, data.y[data.ids.index(record)].tolist()))


def refusal(loader: MimicCXR, data: Path | None, marker: str) -> str:
    with pytest.raises(DataError) as caught:
        loader.load(data)
    message = str(caught.value)
    assert marker not in message and "\n" not in message
    return message


def test_rows_are_studies_by_patient_with_the_official_split(release: Any, marker: str) -> None:
    """Rows are studies in order of patient with the official split."""
    data = make_loader("mimic-cxr", {}).load(release.write())
    assert data.ids == (
        "p10000032/s50000003",
        "p10000032/s50000007",
        "p10000764/s50000001",
        "p11000011/s50000002",
        "p11000011/s50000009",
        "p19999999/s50000005",
    )
    assert data.patients == tuple(record[:9] for record in data.ids)
    assert data.splits == ("train", "train", "validate", "test", "test", "train")
    assert set(data.texts) == {f"No acute process, {marker}."}
    assert data.counts == {
        "reports": 6,
        "report_without_split": 0,
        "report_without_labels": 0,
        "labels_without_report": 0,
        "empty_report": 0,
        "without_section": 0,
        "kept": 6,
        "section_not_given": 0,
        "swallowed_heading": 0,
        "misnamed_file": 0,
        "kept_without_any_label": 1,
    }


def test_labels_are_found_by_name_and_follow_the_policies(release: Any) -> None:
    data = MimicCXR().load(release.write())
    found = row(data, "p10000032/s50000003")
    assert (found["Fracture"], found["Cardiomegaly"], found["Pneumonia"]) == (1, 0, 0)
    assert math.isnan(found["Edema"]) and np.isnan(data.y).sum() == 1
    assert row(data, "p10000032/s50000007")["No Finding"] == 1
    assert set(row(data, "p11000011/s50000002").values()) == {0}  # no label at all
    masked = MimicCXR(uncertain="positive", blank="ignore").load(release.data)
    found = row(masked, "p10000032/s50000003")
    assert (found["Edema"], found["Fracture"], found["Cardiomegaly"]) == (1, 1, 0)
    assert found["No Finding"] == 0 and math.isnan(found["Pneumonia"])


def test_zip_and_tree_give_the_same_rows(release: Any) -> None:
    zipped = MimicCXR(**BOTH).load(release.write())
    (release.folder / "mimic-cxr-reports.zip").unlink()
    unpacked = MimicCXR(**BOTH).load(release.write(form="files"))
    assert zipped.ids == unpacked.ids and list(zipped.texts) == list(unpacked.texts)
    np.testing.assert_array_equal(zipped.y, unpacked.y)
    assert zipped.counts == unpacked.counts


def test_which_sections_make_the_text_is_an_option(release: Any, marker: str) -> None:
    release.write()
    texts = {
        choice: MimicCXR(text=choice).load(release.data).texts[0]
        for choice in ("labelled-section", "findings+impression", "impression")
    }
    impression = f"No acute process, {marker}."
    assert texts["labelled-section"] == texts["impression"] == impression
    assert texts["findings+impression"] == f"The lungs are clear, {marker}. {impression}"


def test_a_report_without_text_is_left_out_and_counted_by_reason(
    release: Any, new_study: Callable[..., Any]
) -> None:
    texts = {
        50000001: " FINDINGS:  Findings only.\n",
        50000002: " CHEST\n \n The last paragraph.\n",
        50000003: "",
        50000004: " FINDINGS: \n \n \n IMPRESSION: nan\n",
        50000005: "None",
    }
    made = [new_study(study, 10000032, text=text) for study, text in texts.items()]
    data = MimicCXR().load(release.write(made))
    assert list(data.texts) == ["Findings only.", "The last paragraph."]
    counts = data.counts
    assert (counts["empty_report"], counts["without_section"], counts["kept"]) == (2, 1, 2)
    alone = MimicCXR(text="impression")
    assert alone.load(release.data).counts["without_section"] == 3
    assert not {"nan", "none"} & set(" ".join(data.texts).lower().split())


def test_swallowed_headings_are_counted_and_can_be_corrected(
    release: Any, new_study: Callable[..., Any]
) -> None:
    swallowed = " FINDINGS:\n IMPRESSION:  Normal.\n"
    texts = {50000001: swallowed, 50000002: " FINDINGS:  Clear.\r IMPRESSION:  None.\r"}
    release.write([new_study(study, 10000032, text=text) for study, text in texts.items()])
    made = {headings: MimicCXR(headings=headings) for headings in ("makers", "corrected")}
    read = {headings: loader.load(release.data) for headings, loader in made.items()}
    assert list(read["makers"].texts) == ["IMPRESSION: Normal.", "Clear."]
    assert list(read["corrected"].texts) == ["Normal.", "Clear."]
    for headings, data in read.items():
        assert (data.counts["swallowed_heading"], data.counts["section_not_given"]) == (1, 1)
        assert any("swallowed_heading" in error for error in made[headings].card.known_errors)
    identities = {digest(loader.identity(release.data)) for loader in made.values()}
    assert len(identities) == 2 and MimicCXR() == made["makers"]


def test_what_has_no_counterpart_is_left_out_and_counted(
    release: Any, new_study: Callable[..., Any]
) -> None:
    made = [
        new_study(50000001, 10000032),
        new_study(50000002, 10000032, labelled=False),
        new_study(50000003, 10000032, text=None),
        new_study(50000004, 10000032),
        new_study(50000005, 10000032, images=0),
    ]
    counts = MimicCXR().load(release.write(made)).counts
    assert counts["report_without_labels"] == 1
    assert counts["labels_without_report"] == 1
    assert counts["report_without_split"] == 1
    assert counts["kept"] == 2 and counts["reports"] == 4


def test_half_a_download_is_refused_naming_what_is_missing(release: Any, marker: str) -> None:
    release.write(form="files")
    shutil.rmtree(release.folder / "files" / "p11")
    message = refusal(MimicCXR(), release.data, marker)
    assert "2 of the 6 reports that mimic-cxr-2.0.0-split.csv.gz lists are missing" in message
    assert "(p11: 2 of 2); finish the download" in message


def test_many_missing_reports_are_refused_and_a_few_are_not(
    release: Any, new_study: Callable[..., Any], marker: str
) -> None:
    made = [new_study(50000000 + i, 10000000 + i // 2) for i in range(100)]
    release.write([*made[:80], *(new_study(s.study, s.patient, text=None) for s in made[80:])])
    assert MimicCXR().load(release.data).counts["labels_without_report"] == 20
    release.write([*made[:79], *(new_study(s.study, s.patient, text=None) for s in made[79:])])
    assert "(p10: 21 of 100)" in refusal(MimicCXR(), release.data, marker)
    release.write(made)
    path = release.labels(made[:79])
    assert refusal(MimicCXR(), release.data, marker).startswith(f"{path}: gives no")
    release.write(made)
    path = release.split(made[:79])
    assert refusal(MimicCXR(), release.data, marker).startswith(f"{path}: gives no")


def test_report_under_another_patient_than_the_splits_is_refused(
    release: Any, studies: tuple[Any, ...], new_study: Callable[..., Any], marker: str
) -> None:
    """A report under another patient than the split says is refused."""
    release.write()
    one = studies[0]
    moved = [new_study(one.study, 10000764, "validate"), *studies[1:]]
    release.split(moved)
    release.labels(moved)
    message = refusal(MimicCXR(), release.data, marker)
    assert "p10/p10000032/s50000007.txt lies under another patient" in message


def test_radiologists_labels_replace_and_narrow_the_test_split(
    release: Any, studies: tuple[Any, ...], marker: str
) -> None:
    """Radiologists replace the test labels and narrow the test split."""
    release.write()
    gold = MimicCXR(test_labels="radiologist", uncertain="positive")
    message = refusal(gold, release.data, marker)
    assert "holds no mimic-cxr-*-test-set-labeled.csv" in message
    cells = {"Lung Opacity": "1.0", "Edema": "-1.0", "Fracture": "0.0"}
    renamed = {"Airspace Opacity" if k == "Lung Opacity" else k: v for k, v in cells.items()}
    release.radiologist({50000009: renamed, 50000007: {"Edema": "1.0"}})
    data = gold.load(release.data)
    found = row(data, "p11000011/s50000009")
    assert {label for label, value in found.items() if value == 1} == {"Lung Opacity", "Edema"}
    assert "p11000011/s50000002" not in data.ids and data.counts["test_without_radiologist"] == 1
    assert row(data, "p10000032/s50000007")["Edema"] == 0  # training labels stay as they are
    assert data.counts["reports"] == data.counts["kept"] + 1
    assert "radiologists" in data.card.labels_from


def test_negbio_reads_its_own_file(release: Any, new_study: Callable[..., Any]) -> None:
    release.write()
    made = [new_study(50000007, 10000032, cells={"Pneumonia": "1"})]
    release.labels(made, "negbio")
    data = MimicCXR(labeller="negbio").load(release.data)
    assert data.ids == ("p10000032/s50000007",) and data.counts["report_without_labels"] == 5
    assert row(data, data.ids[0])["Pneumonia"] == 1
    assert "NegBio" in data.card.labels_from


def test_options_and_each_file_are_part_of_the_identity(
    release: Any, studies: tuple[Any, ...]
) -> None:
    release.write()
    seen = {digest(MimicCXR().identity(release.data))}
    options = ({"text": "impression"}, {"uncertain": "negative"}, {"blank": "ignore"})
    for option in options:
        seen.add(digest(MimicCXR(**option).identity(release.data)))
    assert len(seen) == 4
    release.labels(studies, "negbio")  # not read, so not part of it
    assert digest(MimicCXR().identity(release.data)) in seen
    for change in (
        lambda: release.labels(studies[:-1]),
        lambda: release.split(studies[:-1]),
        lambda: release.zip({studies[0].path: b"other"}),
    ):
        change()
        seen.add(digest(MimicCXR().identity(release.data)))
    assert len(seen) == 7


def test_a_tree_is_named_by_the_content_of_its_files(
    release: Any, tmp_path: Path, cache: Path
) -> None:
    release.write(form="files")
    one = MimicCXR().identity(release.data)
    moved = tmp_path / "elsewhere"
    shutil.copytree(release.data, moved)
    assert MimicCXR().identity(moved) == one
    (file,) = (moved / "mimic-cxr" / "files" / "p19").rglob("*.txt")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"clear", b"dense"))  # same size
    os.utime(file, ns=(1, 1))
    assert MimicCXR().identity(moved) != one
    file.write_bytes(content)
    assert MimicCXR().identity(moved) == one
    assert len(list((cache / "sources").iterdir())) == 4  # one memo for each state of a tree


def test_a_tree_is_read_once_for_its_identity(
    release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.write(form="files")
    one = MimicCXR().identity(release.data)
    monkeypatch.setattr("builtins.open", None)  # the memo is not read through it
    assert MimicCXR().identity(release.data) == one


def test_files_are_found_where_wget_puts_them_newer_ones_first(release: Any) -> None:
    """The files are found where wget puts them, and newer ones first."""
    release.write()
    text = release.data / "physionet.org" / "files" / "mimic-cxr" / "2.1.0"
    jpg = release.data / "physionet.org" / "files" / "mimic-cxr-jpg" / "2.0.0"
    for folder in (text, jpg):
        folder.mkdir(parents=True)
    one = MimicCXR().identity(release.data)
    for file in release.folder.iterdir():
        shutil.move(file, text if "reports" in file.name else jpg)
    assert MimicCXR().identity(release.data) == one
    newer = jpg / "mimic-cxr-2.1.0-split.csv.gz"
    shutil.copy(jpg / "mimic-cxr-2.0.0-split.csv.gz", newer)
    assert MimicCXR()._sources(release.data)["split"] == newer


def test_a_folder_of_images_is_not_taken_for_the_reports(release: Any) -> None:
    release.write()
    images = release.folder / "files" / "p10" / "p10000032" / "s50000007"
    images.mkdir(parents=True)
    (images / "0a.jpg").touch()
    (release.folder / "mimic-cxr-reports.zip").rename(release.data / "mimic-cxr-reports.zip")
    assert len(MimicCXR().load(release.data)) == 6
    (release.data / "mimic-cxr-reports.zip").unlink()
    with pytest.raises(DataError, match=r"holds no mimic-cxr-reports\.zip \(or its files/p10/"):
        MimicCXR().find(release.data)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data folder given"):
        MimicCXR().find(None)
    with pytest.raises(DataError, match="does not exist"):
        MimicCXR().find(tmp_path / "none")
    with pytest.raises(DataError) as caught:
        MimicCXR(labeller="negbio", test_labels="radiologist").find(tmp_path)
    for part in ("reports.zip", "-negbio.csv.gz", "-split.csv.gz", "-test-set-labeled.csv.gz"):
        assert part in str(caught.value)


def test_the_card_releases_nothing_and_says_how_it_was_read(release: Any) -> None:
    card = MimicCXR().load(release.write()).card
    assert card.release == "nothing" and card.gated and card.calibrated_on == ()
    for said in ("CheXpert", "uncertain (-1): ignore", "blank: negative", "last impression"):
        assert said in card.labels_from
    assert any("54 studies" in fault for fault in card.known_errors)


def test_progress_counts_every_report_once(release: Any) -> None:
    release.write()
    ticks: list[int] = []
    rows = list(MimicCXR().rows(release.data, Counter(), ticks.append))
    assert sum(ticks) == len(rows) == 6
