"""What counts as an identifier or a finding, on the twins' made-up persons and on plain reports."""

from __future__ import annotations

from itertools import pairwise

import pytest

from radpriv.attacks.extraction.spans import findings, phi
from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.datasets.synthetic.engine.identities import Identities
from radpriv.benchmark.datasets.synthetic.plain.synthetic_plain import SyntheticPlain


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in phi(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name: Ann Lee. MRN 01234567. No edema.", ["Ann Lee", "01234567"]),
        ("Patient: Xavier Kirk III. Born 06/23/1973.", ["Xavier Kirk III", "06/23/1973"]),
        ("Accession: 18-9135907. Exam date: 1/2/2018.", ["18-9135907", "1/2/2018"]),
        ("Clear lungs. Accession number 07.", ["07"]),
        ("Medical record number: 4711.", ["4711"]),
        ("Ordered by Dr. O'Neil, (212) 555-0199.", ["O'Neil", "(212) 555-0199"]),
        ("Dictated 10/07/2018 by Joyce Vance, MD.", ["10/07/2018", "Joyce Vance"]),
        ("Electronically signed: Jo Martinez, MD, 09/02/2019.", ["Jo Martinez", "09/02/2019"]),
        ("Port Anna Medical Center. No effusion.", ["Port Anna"]),
        ("Heart size 12 x 14 mm, grade 3, 5/10. Patient has a stent.", []),
        ("", []),
    ],
)
def test_identifiers_are_found_whole_and_measures_are_none(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_made_up_values_of_a_twin_are_found() -> None:
    """Every made-up value of a twin that stands in a report is found.

    Oracle: the twin's own persons, visit by visit; ages and times of day are left aside.
    """
    twin = datasets.get("synthetic-mimic-cxr")(reports=60, phi=True)
    people, told, missed = Identities(twin.root), 0, []
    for patient in range(12):
        for report in twin.patient(patient, people):
            text = " ".join(report.sections.values())
            sex = "woman" if report.visit.patient == -1 else "man"
            for who in ("woman", "man"):
                sex = who if people.person(patient, who).name in text else sex
            for mark, value in people.values(patient, report.visit.number, sex).items():
                bare = value.removeprefix("Dr. ").removesuffix(", MD")
                if mark in ("AGE", "TIME", "SITE") or bare not in text:
                    continue
                told += 1
                missed += [value] * (not any(bare in found for found in cut(text)))
    assert told > 60 and len(missed) <= 0.05 * told, missed


def test_reports_without_identities_have_none() -> None:
    texts = SyntheticPlain(reports=200).load(None).texts
    assert [found for text in texts for found in cut(text)] == []


def test_findings_are_the_longest_names_of_the_phrase_book() -> None:
    """Findings are the names of the phrase book, and the longest one that fits."""
    text = "No Pleural Effusions or pneumothorax. Displaced fracture; heart normal, aligned."
    found = [text[a:b] for a, b in findings(text)]
    assert found == ["Pleural Effusions", "pneumothorax", "Displaced fracture"]


def test_spans_are_in_order_and_apart() -> None:
    for text in datasets.get("synthetic-mimic-cxr")(reports=40, phi=True).load(None).texts:
        for spans in (phi(text), findings(text)):
            assert all(a[1] <= b[0] for a, b in pairwise(spans))
