"""Made-up identities: they fill the marks, change nothing else, and stay with their patient."""

from __future__ import annotations

import re
from collections import Counter
from importlib.metadata import PackageNotFoundError

import pytest

from radpriv.benchmark.datasets.io.streamed import Row
from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine import identities
from radpriv.benchmark.datasets.synthetic.engine.identities import Identities
from radpriv.benchmark.datasets.synthetic.engine.twin import AROUND, Twin
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR
from radpriv.errors import SuiteError

KINDS = (SyntheticMimicCXR, SyntheticCTRate)
Kind = type[SyntheticMimicCXR] | type[SyntheticCTRate]


def rows(loader: Twin) -> list[Row]:
    return list(loader.rows(None, Counter(), lambda k: None))


@pytest.mark.parametrize("kind", KINDS)
def test_identified_report_differs_from_redacted_in_marks_alone(
    kind: Kind,
) -> None:
    """A report with identities differs from its redacted form in the marks alone."""
    loader = kind(phi=True)
    people = Identities(loader.root)
    filled = 0
    for patient in range(100):
        plain = list(loader.patient(patient))
        told = list(loader.patient(patient, people))
        for one, other in zip(plain, told, strict=True):
            assert set(other.sections) - set(one.sections) == set(AROUND)
            for name, text in one.sections.items():
                pattern = re.escape(text).replace("___", r"[\w .,/:()'-]+?")
                assert re.fullmatch(pattern, other.sections[name])
                filled += text.count("___")
            assert "___" not in " ".join(other.sections.values())
            assert one.states == other.states
    assert filled >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_no_mark_is_left_and_the_labels_are_the_same(kind: Kind) -> None:
    plain, told = rows(kind(reports=150)), rows(kind(reports=150, phi=True))
    assert [(r.id, r.patient, repr(r.y)) for r in plain] == [
        (r.id, r.patient, repr(r.y)) for r in told
    ]
    everything = "\n".join(r.text for r in told)
    assert not re.search(r"[⟦⟧]|___", everything) and not re.search(r"[⟦⟧]", plain[0].text)
    for what in (r"MRN:? \d{8}", r"\d\d/\d\d/\d{4}", r"Name: [A-Z]\w+", r"\d\d-\d{7}", r"MD"):
        assert re.search(what, everything), what


def test_a_report_of_all_sections_holds_about_five_spans() -> None:
    loader = SyntheticMimicCXR(text="report", phi=True)
    people = Identities(loader.root)
    spans, reports = 0, 0
    for patient in range(40):
        values = {number: people.values(patient, number, "man").values() for number in range(40)}
        for report in loader.patient(patient, people):
            text = " ".join(report.sections.values())
            spans += sum(v in text for v in values[report.visit.number] if len(v) > 4)
            reports += 1
    assert 3.5 < spans / reports < 6.5


def test_identity_stays_with_a_patient_and_differs_between_them() -> None:
    """What identifies a patient stays, and differs between patients."""
    people = Identities("radpriv/test")
    one, later, other = (people.values(*which, "woman") for which in ((3, 0), (3, 4), (4, 0)))
    for kind in ("NAME", "MRN", "DOB", "SITE", "PHONE", "REFERRER"):
        assert one[kind] == later[kind] and one[kind] != other[kind], kind
    assert one["ACCESSION"] != later["ACCESSION"] and one["DATE"] != later["DATE"]
    assert people.values(3, 0, "woman") == one == Identities("radpriv/test").values(3, 0, "woman")
    assert int(later["AGE"]) >= int(one["AGE"]) >= 17


def test_faker_version_is_in_the_identity_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Faker's version is part of the identity where it is used."""
    assert "faker" not in SyntheticMimicCXR().identity(None)
    told = SyntheticMimicCXR(phi=True).identity(None)
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["faker"])

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(identities, "version", absent)
    SyntheticMimicCXR()
    with pytest.raises(SuiteError, match="pip install Faker"):
        SyntheticMimicCXR(phi=True)
