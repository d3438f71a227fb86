"""What becomes of Open-i's reports: which are kept, as what, and on which side of the split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from radpriv.benchmark.datasets.chexpert import CHEXPERT
from radpriv.benchmark.datasets.openi.openi_loader import CARD, OpenI, normalise
from radpriv.benchmark.datasets.openi.openi_mapping import MAPPING, read_mapping
from radpriv.benchmark.datasets.openi.openi_xml import XmlReport
from radpriv.errors import SuiteError

Write = Callable[..., Path]
Make = Callable[..., bytes]
MANY = [XmlReport(n, ("normal",), f"finding number {n}", "") for n in range(1, 1501)]


def rows(reports: list[XmlReport], **options: str) -> dict[str, set[str]]:
    data = OpenI(**options).arrange(reports, read_mapping(MAPPING))
    return {i: {name for name, on in zip(CHEXPERT, row) if on} for i, row in zip(data.ids, data.y)}


def test_an_archive_is_read_as_it_lies(archive: Write, report_xml: Make) -> None:
    data = archive(
        {
            "ecgen-radiology/10.xml": report_xml("Big heart.", "Large heart.", ("Cardiomegaly",)),
            "ecgen-radiology/9.xml": report_xml("All & well.", "", ("normal",)),
            "ecgen-radiology/notes.txt": b"not a report",
        }
    )
    found = OpenI().load(data)
    assert found.ids == found.patients == ("CXR0009", "CXR0010")
    assert found.texts == ("All & well.", "Big heart. Large heart.")
    assert found.y.dtype == np.float32 and not np.isnan(found.y).any()
    assert OpenI(text="impression").load(data).texts == ("Large heart.",)
    assert OpenI(text="findings").load(data).texts == ("All & well.", "Big heart.")


def test_a_report_without_text_is_left_out_and_counted() -> None:
    reports = [XmlReport(1, ("normal",), "", " "), XmlReport(2, ("normal",), "--", ""), *MANY[2:4]]
    data = OpenI().arrange(reports, read_mapping(MAPPING))
    assert data.ids == ("CXR0003", "CXR0004")
    assert data.counts["without_text"] == 2


@pytest.mark.parametrize("codes", [("No Indexing",), (" no indexing",), ()])
def test_uncoded_report_is_unlabelled_and_never_14_negatives(
    codes: tuple[str, ...],
) -> None:
    """A report that nobody coded is unlabelled, and never 14 negatives."""
    reports = [XmlReport(1, codes, "words", ""), XmlReport(2, ("Scoliosis",), "other words", "")]
    data = OpenI().arrange(reports, read_mapping(MAPPING))
    assert data.ids == ("CXR0002",)
    assert data.counts["unlabelled"] == 1


def test_copies_collapse_to_the_lowest_number_with_all_labels() -> None:
    """Copies collapse to the lowest number, and a label of any copy counts."""
    reports = [
        XmlReport(30, ("Pneumonia",), "Same  words!", ""),
        XmlReport(4, ("Cardiomegaly/mild",), "same", "WORDS."),
        XmlReport(100, ("No Indexing",), "same words", ""),
        XmlReport(5, ("Scoliosis",), "Same words indeed", ""),
    ]
    assert rows(reports) == {"CXR0004": {"Cardiomegaly", "Pneumonia"}, "CXR0005": set()}
    counts = OpenI().arrange(reports, read_mapping(MAPPING)).counts
    assert counts["copies"] == counts["copies_coded_differently"] == counts["unlabelled"] == 1


def test_no_finding_gives_way_to_a_finding_but_not_to_a_device() -> None:
    """ "No finding" gives way to a finding of another copy, but not to a device."""
    sick = [XmlReport(1, ("normal",), "same", ""), XmlReport(2, ("Pleural Effusion",), "same", "")]
    device = [XmlReport(3, ("normal",), "also", ""), XmlReport(4, ("Stents",), "also", "")]
    assert rows(sick + device) == {
        "CXR0001": {"Pleural Effusion"},
        "CXR0003": {"No Finding", "Support Devices"},
    }


def test_the_counts_add_up_to_the_reports() -> None:
    reports = [*MANY[:50], XmlReport(900, ("No Indexing",), "x", ""), XmlReport(901, (), "", "")]
    reports += [XmlReport(1000 + r.number, r.codes, r.findings, "") for r in MANY[:20]]
    for holdout in ("test", "validation"):
        data = OpenI(holdout=holdout).arrange(reports, read_mapping(MAPPING))
        left = ("without_text", "unlabelled", "copies", "held_back")
        assert data.counts["reports"] == len(reports) == 72
        assert len(data) + sum(data.counts[name] for name in left) == len(reports)


def test_split_is_a_function_of_the_id_with_a_fifth_for_test() -> None:
    """The split is a fixed function of the id and gives a fifth to test."""
    data = OpenI().arrange(MANY, read_mapping(MAPPING))
    alone = OpenI().arrange(MANY[::7], read_mapping(MAPPING))
    side = dict(zip(data.ids, data.splits))
    assert 0.17 < np.mean([s == "test" for s in data.splits]) < 0.23
    assert dict(zip(alone.ids, alone.splits)).items() <= side.items()
    pinned = {"CXR0001": "train", "CXR0004": "test"}
    assert {i: side[i] for i in pinned} == pinned


def test_the_validation_holdout_never_touches_the_test_rows() -> None:
    official = OpenI().arrange(MANY, read_mapping(MAPPING))
    trial = OpenI(holdout="validation").arrange(MANY, read_mapping(MAPPING))
    train = {i for i, s in zip(official.ids, official.splits) if s == "train"}
    assert set(trial.ids) == train
    assert 0.17 < np.mean([s == "test" for s in trial.splits]) < 0.23
    assert trial.counts["held_back"] == len(official) - len(train) > 0


def test_unknown_option_value_is_refused_with_the_known_ones() -> None:
    """An unknown word for an option is refused with the known ones."""
    with pytest.raises(SuiteError, match="option 'text' = 'finding': one of findings"):
        OpenI(text="finding")
    with pytest.raises(SuiteError, match="option 'holdout' = 'train': one of test, validation"):
        OpenI(holdout="train")


def test_normalising_keeps_letters_and_digits_only() -> None:
    assert normalise(" No  Focal-Consolidation.\n3.0 cm ") == "no focal consolidation 3 0 cm"
    assert normalise("... --") == ""


def test_identity_names_options_source_and_mapping(archive: Write, report_xml: Make) -> None:
    data = archive({"ecgen-radiology/1.xml": report_xml("one")})
    first = OpenI().identity(data)
    assert first == OpenI().identity(data)
    assert first["loader"] == "openi"
    assert first["options"] == {"text": "findings+impression", "holdout": "test"}
    assert OpenI(text="findings").identity(data) != first
    archive({"ecgen-radiology/1.xml": report_xml("two")})
    changed = OpenI().identity(data)
    assert changed["source_sha256"] != first["source_sha256"]
    assert changed["mapping_sha256"] == first["mapping_sha256"]


def test_card_says_that_units_are_groups_and_no_text_is_shipped() -> None:
    """The card says that units are groups and that no text is shipped."""
    assert CARD.release == "open" and CARD.calibrated_on == ()
    assert "group of copies" in CARD.unit_note and "no patient ids" in CARD.unit_note
    assert "CC BY-NC-ND 4.0" in CARD.licence and "never redistributed" in CARD.licence
