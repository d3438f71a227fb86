"""Sections of a report: the rules of the labels' makers, on texts made up here."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.mimic_cxr.report_sections import (
    TEXTS,
    chosen_text,
    heading_name,
    labelled_section,
    read_sections,
)


def sections(report: str, headings: str = "makers") -> list[tuple[str, str]]:
    return read_sections(report, headings).found


def chosen(report: str, choice: str, headings: str = "makers") -> str:
    return chosen_text(sections(report, headings), choice)


BANNER = " " * 33 + "FINAL REPORT\n"
BLANK = " \n"
NAMES = {
    "FINDINGS": "findings",
    "IMPRESSION": "impression",
    "INDICATION": "indication",
    "COMPARISON": "comparison",
    "EXAMINATION": "examination",
    "TECHNIQUE": "technique",
    "HISTORY": "history",
}


def test_findings_alone_give_findings() -> None:
    report = f"{BANNER} INDICATION:  Cough.\n{BLANK} FINDINGS: \n{BLANK} Clear\n lungs.\n"
    assert [chosen(report, choice) for choice in TEXTS] == ["Clear lungs."] * 2 + [""]


def test_a_report_without_a_heading_gives_its_last_paragraph() -> None:
    two = f"{BANNER} CHEST RADIOGRAPH\n{BLANK} The lungs are clear.\n No effusion.\n"
    assert chosen(two, "labelled-section") == "The lungs are clear. No effusion."
    assert chosen(two, "findings+impression") == "The lungs are clear. No effusion."
    assert chosen(f"{BANNER} Clear lungs.\n", "labelled-section") == "Clear lungs."
    assert chosen("Clear lungs.", "labelled-section") == "Clear lungs."


@pytest.mark.parametrize(
    "report",
    [
        "",
        " \n\n",
        BANNER,
        BANNER.rstrip(),
        f"{BANNER} ___\n",
        "nan",
        "None\n",
        " IMPRESSION: ___\n",
    ],
)
def test_an_empty_report_gives_nothing(report: str) -> None:
    assert [chosen(report, choice) for choice in TEXTS] == [""] * 3


@pytest.mark.parametrize("nothing", ["nan", "NaN", "None", "None.", "null", "___", " ", "."])
def test_a_word_for_nothing_never_becomes_text(nothing: str) -> None:
    report = f"{BANNER} FINDINGS:  Clear.\n{BLANK} IMPRESSION:  {nothing}\n"
    assert chosen(report, "labelled-section") == "Clear."
    assert chosen(report, "findings+impression") == "Clear."
    assert chosen(report, "impression") == ""


def test_the_last_impression_counts_and_an_empty_one_does_not() -> None:
    report = f" IMPRESSION:  First.\n{BLANK} FINDINGS:  F.\n{BLANK} IMPRESSION:  Second.\n{BLANK}"
    assert chosen(report, "impression") == "Second."
    assert chosen(report + " IMPRESSION: \n \n", "impression") == "Second."
    assert chosen(report, "findings+impression") == "F. Second."
    assert chosen(report, "labelled-section") == "Second."


def test_last_paragraph_stands_below_the_last_headed_one() -> None:
    """Below the last headed paragraph stands the last paragraph."""
    report = f"{BANNER} INDICATION:  Cough.\n{BLANK} Clear.\n{BLANK} No effusion.\n"
    assert sections(report)[-1] == ("last paragraph", "Clear.\n \n No effusion.")
    assert chosen(report, "labelled-section") == "Clear. No effusion."


def test_a_comparison_is_what_is_left_if_there_is_nothing_else() -> None:
    report = f"{BANNER} INDICATION:  Cough.\n{BLANK} COMPARISON:  Clear since ___.\n"
    assert chosen(report, "labelled-section") == "Clear since ___."
    assert chosen(f"{BANNER} INDICATION:  Cough.\n", "labelled-section") == ""


def test_heading_directly_below_an_empty_one_belongs_to_its_text() -> None:
    """A heading directly below an empty one belongs to its text."""
    report = f"{BANNER} FINDINGS:\n PA AND LATERAL: Clear.\n{BLANK} IMPRESSION:  Normal.\n"
    assert ("findings", "PA AND LATERAL: Clear.") in sections(report)


SWALLOWED = f"{BANNER} INDICATION:  Cough.\n{BLANK} FINDINGS:\n IMPRESSION:  Normal.\n"


def test_makers_read_a_swallowed_heading_as_text() -> None:
    read = read_sections(SWALLOWED)
    assert read.swallowed and read.found[-1] == ("findings", "IMPRESSION:  Normal.")
    assert chosen(SWALLOWED, "labelled-section") == "IMPRESSION: Normal."
    assert chosen(SWALLOWED, "impression") == ""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_corrected_headings_are_both_read(end: str) -> None:
    report = SWALLOWED.replace("\n", end)
    read = read_sections(report, "corrected")
    assert read.swallowed and read.found[-1] == ("impression", "Normal.")
    assert [chosen(report, choice, "corrected") for choice in TEXTS] == ["Normal."] * 3
    three = "FINDINGS:\nIMPRESSION:\nCOMPARISON:\nINDICATION: Cough.\n"
    assert sections(three, "corrected")[-1] == ("indication", "Cough.")


@pytest.mark.parametrize(
    "report",
    [
        f"{BANNER} FINDINGS:  Clear.\n{BLANK} IMPRESSION:  Normal.\n",
        f"{BANNER} FINDINGS: \n IMPRESSION:  Normal.\n",  # the blank after the colon saves it
        f"{BANNER} FINDINGS:\n PA AND LATERAL:  Clear.\n",  # the findings' own words
        f"{BANNER} FINDINGS:\n LUNGS: Clear.\n HEART: Normal.\n",
        f"{BANNER} FINDINGS:\n{BLANK} IMPRESSION:  Normal.\n",
        f"{BANNER} FINDINGS:\n",
    ],
)
def test_where_nothing_is_swallowed_both_readings_agree(report: str) -> None:
    assert not read_sections(report).swallowed
    assert sections(report) == sections(report, "corrected")


@given(st.text(st.sampled_from("AB:\n IMPRESSION"), max_size=60))
def test_corrected_reading_ends_and_keeps_the_order(report: str) -> None:
    rest = report
    for name, body in sections(report, "corrected"):
        if name != "last paragraph" and body:
            _, found, rest = rest.partition(body)
            assert found == body


def test_a_colon_in_the_middle_of_a_line_makes_no_section() -> None:
    report = f"{BANNER} FINDINGS:  Devices: a LINE: fine.\n IMPRESSION:  Normal.\n"
    assert sections(report)[1:] == [
        ("findings", "Devices: a LINE: fine."),
        ("impression", "Normal."),
    ]


def test_line_ends_and_lost_blanks_change_nothing() -> None:
    report = f"{BANNER} INDICATION:  Cough.\n{BLANK} FINDINGS: \n{BLANK} Clear.\n"
    expected = sections(report)
    for end in ("\r\n", "\r", "\r\r\n", "\n\r", "\f", "\x85", "\u2028"):
        assert sections(report.replace("\n", end)) == expected, repr(end)
    stripped = "\n".join(line.strip() for line in report.split("\n"))
    assert sections(stripped)[1:] == expected[1:]


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("CONCLUSION", "impression"),
        ("FINDINGS AND IMPRESSION", "impression"),
        ("FINDINGS/IMPRESSION", "impression"),
        ("IMPRESSON", "impression"),
        ("IMPRESSOIN", "impression"),
        ("MPRESSION", "impression"),
        ("FINDING", "findings"),
        ("FINDIGNS", "findings"),
        ("REFERENCE FINDINGS", "findings"),
        ("CHEST, TWO VIEWS", "findings"),
        ("PA AND LATERAL VIEWS", "findings"),
        ("COMPARISONS", "comparison"),
        ("REFERENCE EXAM", "comparison"),
        ("REASON FOR EXAM", "indication"),
        ("CLINICAL HISTORY", "history"),
        ("IDICATION", "indication"),
        ("WET READ", "wet read"),
        ("EXAM", "examination"),
    ],
)
def test_headings_have_synonyms_and_misspellings(heading: str, name: str) -> None:
    assert heading_name(heading) == name


vocabulary = ("clear", "no", "Large", "effusion", "___", "3.5", "Devices:", "the")
words = st.lists(st.sampled_from(vocabulary), min_size=1)
bodies = st.lists(words.map(" ".join).map("x {}".format), min_size=1, max_size=3).map("\n ".join)


@given(st.lists(st.tuples(st.sampled_from(sorted(NAMES)), bodies), min_size=1, max_size=6))
def test_each_section_that_was_written_is_found(written: list[tuple[str, str]]) -> None:
    report = BANNER + "".join(f" {head}:  {body}\n{BLANK}" for head, body in written)
    found = [(n, " ".join(b.split())) for n, b in sections(report)[1:]]
    expected = [(NAMES[head], " ".join(body.split())) for head, body in written]
    assert found[: len(expected)] == expected
    by_name = dict(expected)  # the last of each name
    labelled = by_name.get("impression") or by_name.get("findings") or by_name.get("comparison", "")
    assert labelled_section(sections(report)) == labelled
    both = [by_name[name] for name in ("findings", "impression") if name in by_name]
    assert chosen(report, "findings+impression") == " ".join(both) or not both
    assert chosen(report, "impression") == by_name.get("impression", "")


@given(st.text(st.sampled_from("AB fi:\n\r\t ().-_é\0")), st.sampled_from(TEXTS))
def test_any_text_is_parsed_and_a_choice_is_one_clean_line_of_it(report: str, choice: str) -> None:
    text = chosen(report, choice)
    assert text == " ".join(text.split())
    assert not text or any(c.isalnum() for c in text)
    assert not Counter(text.split()) - Counter(report.split())  # nothing is made up


@given(st.text(st.sampled_from("AI \n:"), max_size=60))
def test_sections_hold_the_text_of_the_report_in_order(report: str) -> None:
    rest = report.replace("\r\n", "\n")
    for name, body in sections(report):
        if name != "last paragraph" and body:
            _, found, rest = rest.partition(body)
            assert found == body


def test_hostile_lengths_take_no_time() -> None:
    begun = time.perf_counter()
    for report in ("\n " + "A " * 200_000, "\n \n" * 200_000, "\n A:\n" * 100_000, ":" * 500_000):
        chosen(report, "labelled-section")
    assert time.perf_counter() - begun < 5
