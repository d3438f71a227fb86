"""The card of MIMIC-CXR, with the options that a dataset was read with."""

from __future__ import annotations

from dataclasses import replace

from radpriv.benchmark.datasets.base import Card

_MAKERS = {"chexpert": "the CheXpert labeller", "negbio": "NegBio"}
_TEXT = {
    "labelled-section": "the one section that the labels were read from (the last impression, else "
    "findings, last paragraph, comparison)",
    "findings+impression": "findings and impression, the labelled section where neither is there; "
    "the labeller saw one of the two, so a finding named in the other alone counts as blank",
    "impression": "the impression alone; a report without one is left out",
}

_HEADINGS = {
    "makers": "the labels' makers read no heading that directly follows an empty one ('FINDINGS:', "
    "then 'IMPRESSION: ...' on the next line), so the second is text of the first; texts are read "
    "like that, the count swallowed_heading says how often; headings = 'corrected' reads both",
    "corrected": "a heading that directly follows an empty one ('FINDINGS:', then 'IMPRESSION: "
    "...' on the next line) is read as a heading; the labels' makers read it as text, so the "
    "labeller was shown another text in the reports that the count swallowed_heading counts",
}

CARD = Card(
    title="MIMIC-CXR: chest X-ray reports of Beth Israel Deaconess Medical Center, 2011-2016",
    licence="PhysioNet Credentialed Health Data License 1.5.0: no sharing of the data, nor of "
    "anything that lets a reader learn of a person in it",
    access="credentialed (training and a signed agreement), physionet.org: mimic-cxr for the "
    "reports, mimic-cxr-jpg for labels and split",
    release="nothing",
    labels_from="14 labels that a rule-based labeller read from one section of the report",
    unit_note="a report is one study, whatever its number of images; copies of one text under "
    "several studies are several units. Patients are PhysioNet's subject_id",
    known_errors=(
        "labels are a program's output; against radiologists on 687 reports uncertainty is its "
        "weak class, and a mention is found with F1 from 0.46 (Enlarged Cardiomediastinum) up",
        "the labels' makers sectioned 54 studies by hand (MIT-LCP/mimic-cxr, section_parser.py); "
        "here their sections are found by rule, so that text and labels may not match",
        "2,414 studies have no label at all: with blank = negative they are kept as negative for "
        "every label, No Finding too; with blank = ignore No Finding alone is observed",
        "8 of 227,835 studies have no row of labels and are left out",
        _HEADINGS["makers"],
        "___ stands for what de-identification took out; a findings or impression that is nothing "
        "else, or a word such as 'None.' or 'Not given.', is absent (count section_not_given)",
        "reports of one patient repeat each other, across studies of one split",
    ),
)


def card(
    labeller: str, text: str, uncertain: str, blank: str, test_labels: str, headings: str
) -> Card:
    """CARD with what the options make of text and labels."""
    test = ""
    if test_labels == "radiologist":
        test = (
            "; the test split is the part of the official one that radiologists labelled, with "
            "their labels under the same policies"
        )
    return replace(
        CARD,
        known_errors=tuple(
            _HEADINGS[headings] if error == _HEADINGS["makers"] else error
            for error in CARD.known_errors
        ),
        labels_from=f"{_MAKERS[labeller]}, run by the dataset's makers on one section of the "
        f"report; uncertain (-1): {uncertain}; blank: {blank}{test}. Text shown: {_TEXT[text]}",
    )
