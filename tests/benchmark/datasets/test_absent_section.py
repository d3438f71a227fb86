"""One rule for words that stand for an absent section, and the same in every loader."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.absent_section import has_text, says_absent
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.benchmark.datasets.openi.openi_loader import OpenI
from radpriv.benchmark.datasets.table.table_loader import TableLoader

ABSENT = (
    *("Not given.", "None.", "N/A", "n.a.", "N. A.", "___", "XXXX.", "[**Name 3**]", "nan", "<NA>"),
    *("NULL", "not  Given", "Not available.", "None provided", "1. None.", "Findings: Not given."),
    *("Not given. Not given.", "(N/A)", "Not applicable (N/A).", "#N/A", "-none-", "Unknown"),
    *("Not\ngiven.", "No impression provided.", "Findings not available", "___ ___", "NaT"),
)
TEXT = (
    *("No findings.", "None of the nodules grew.", "Normal.", "5", "XXXX lungs", "___ year old"),
    *("See above.", "Not enlarged.", "No change.", "Nothing given to the patient.", "Na is low."),
    *("Findings:", "None seen in 2 views", "Not given contrast.", "No report of pain."),
)


@pytest.mark.parametrize("section", ABSENT)
def test_a_word_for_an_absent_section_is_no_text(section: str) -> None:
    assert says_absent(section) and not has_text(section)


@pytest.mark.parametrize("section", TEXT)
def test_a_sentence_that_holds_such_a_word_is_text(section: str) -> None:
    assert has_text(section) and not says_absent(section)


@pytest.mark.parametrize("section", ["", " . ", "-", "\n"])
def test_an_empty_section_says_nothing_of_itself(section: str) -> None:
    assert not has_text(section) and not says_absent(section)


@given(st.text(max_size=300))
def test_a_section_never_both_has_text_and_says_absent(section: str) -> None:
    assert not (has_text(section) and says_absent(section))
    assert has_text(section + " Lungs are clear.")


@pytest.mark.parametrize("word", ["Not given.", "None.", "N/A", "___", "[** **]"])
def test_a_table_counts_such_rows_and_leaves_them_out(word: str, tmp_path: Path) -> None:
    with (tmp_path / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [("t", "y"), *((text, i % 2) for i, text in enumerate(["A.", word, "B.", " "] * 6))]
        csv.writer(file).writerows(rows)
    options: dict[str, Any] = {"text": "t", "labels": ("y",), "release": "open"}
    found = TableLoader(file="notes.csv", **options).load(tmp_path)
    assert set(found.texts) == {"A.", "B."}
    assert (found.counts["without_text"], found.counts["section_not_given"]) == (12, 6)


@pytest.mark.parametrize("word", ["Not given.", "None.", "N/A", "XXXX", "___."])
def test_openi_counts_such_sections(word: str, tmp_path: Path) -> None:
    with (tmp_path / "indiana_reports.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(("uid", "MeSH", "findings", "impression"))
        out.writerow((1, "normal", word, word))
        out.writerow((2, "normal", "Lungs are clear.", word))
        out.writerow((3, "normal", "Heart is large.", "Cardiomegaly."))
    found = OpenI().load(tmp_path)
    assert set(found.texts) == {"Lungs are clear.", "Heart is large. Cardiomegaly."}
    assert (found.counts["without_text"], found.counts["section_not_given"]) == (1, 2)


@pytest.mark.parametrize("word", ["Not given.", "None.", "N/A", "___"])
def test_mimic_counts_such_sections(word: str, tmp_path: Path) -> None:
    from radpriv.benchmark.datasets.mimic_cxr.report_sections import chosen_text, read_sections

    both = read_sections(f" FINDINGS:  {word}\n \n IMPRESSION:  {word}\n")
    one = read_sections(f" FINDINGS:  Clear.\n \n IMPRESSION:  {word}\n")
    assert both.not_given and one.not_given
    for choice in ("labelled-section", "findings+impression"):
        assert chosen_text(both.found, choice) == "" and chosen_text(one.found, choice) == "Clear."
    assert MimicCXR().headings == "makers"
