"""synthetic-plain: what it promises of its labels, its texts and its reproducibility."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.synthetic.plain.synthetic_plain import SyntheticPlain, phrase_book
from radpriv.errors import SuiteError

PINNED = "b66de3f79b0f7b484c966cdbf354ce0d7ba3720bd6f5fbe226fbb5422ae8db93"


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return SyntheticPlain().load(None)


def content(data: Dataset, rows: int) -> str:
    lines = [
        f"{data.ids[r]}\t{data.patients[r]}\t{data.splits[r]}\t{data.texts[r]}\t"
        + "".join(str(int(v)) for v in data.y[r])
        for r in range(rows)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_first_hundred_reports_are_the_pinned_ones(plain: Dataset) -> None:
    assert content(plain, 100) == PINNED


def test_it_is_calibrated_on_nothing_and_needs_no_data() -> None:
    assert SyntheticPlain.card.calibrated_on == ()
    assert SyntheticPlain.card.release == "open"
    assert SyntheticPlain().find(None) is None


def test_first_reports_do_not_depend_on_how_many_are_asked_for(plain: Dataset) -> None:
    """The first reports do not depend on how many are asked for."""
    for reports in (1, 7, 200):
        few = SyntheticPlain(reports=reports).load(None)
        assert content(few, reports) == content(plain, reports)


def test_another_seed_gives_other_texts(plain: Dataset) -> None:
    other = SyntheticPlain(reports=300, seed=1).load(None)
    assert len(set(other.texts) & set(plain.texts)) < 15
    assert content(SyntheticPlain(reports=300, seed=1).load(None), 300) == content(other, 300)


def test_rates_are_near_those_set_by_hand_and_none_is_constant(plain: Dataset) -> None:
    """The rates are near those set by hand, and no label is constant."""
    seen = dict(zip(plain.labels, plain.y.mean(axis=0).tolist()))
    for label in phrase_book().labels:
        assert abs(seen[label.name] - label.rate) < 0.12 * label.rate + 0.02, label.name
    assert 0.25 < seen["No Finding"] < 0.45
    for split in ("train", "test"):
        share = plain.y[plain.rows(split)].mean(axis=0)
        assert (share > 0.01).all() and (share < 0.6).all()


def test_no_finding_means_nothing_but_a_device(plain: Dataset) -> None:
    findings = [j for j, n in enumerate(plain.labels) if n not in ("No Finding", "Support Device")]
    nothing = plain.y[:, findings].sum(axis=1) == 0
    assert np.array_equal(plain.y[:, 0] == 1, nothing)
    assert (plain.y[nothing][:, plain.labels.index("Support Device")] == 1).any()


def test_findings_of_one_profile_come_together(plain: Dataset) -> None:
    heart, water = (
        plain.y[:, plain.labels.index(name)] for name in ("Cardiomegaly", "Pulmonary Edema")
    )
    assert heart[water == 1].mean() > 2 * heart.mean()


def test_texts_are_unique_and_patients_stay_on_one_side(plain: Dataset) -> None:
    normal = {re.sub(r"\W+", " ", text.lower()).strip() for text in plain.texts}
    assert len(normal) == len(plain) == 3000
    sides: dict[str, set[str]] = {}
    for patient, split in zip(plain.patients, plain.splits):
        sides.setdefault(patient, set()).add(split)
    assert all(len(s) == 1 for s in sides.values())
    assert max(plain.patients.count(p) for p in list(sides)[:200]) >= 5
    assert 0.17 < len(plain.rows("test")) / len(plain) < 0.23


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Pneumothorax", "pneumothorax"),
        ("Pleural Effusion", "effusion"),
        ("Cardiomegaly", "cardiomegaly"),
        ("Rib Fracture", "fracture"),
    ],
)
def test_a_name_in_a_text_does_not_set_its_label(plain: Dataset, label: str, name: str) -> None:
    y = plain.y[:, plain.labels.index(label)]
    named = np.array([name in text.lower() for text in plain.texts])
    assert y[named].mean() < 0.6, "the name stands in many reports without the finding"
    assert named[y == 1].mean() < 0.9, "and the finding in many reports without the name"
    assert (named & (y == 0)).sum() > 200


def test_texts_have_sections_hedges_lists_and_a_reader_s_length(plain: Dataset) -> None:
    everything = "\n".join(plain.texts)
    assert all("FINDINGS: " in text for text in plain.texts)
    for cue in ("IMPRESSION: ", "INDICATION: ", "COMPARISON: ", "Probable", "unlikely", "resolved"):
        assert everything.count(cue) > 50, cue
    assert len(re.findall(r"\b[Nn]o [\w -]+, [\w -]+,? or ", everything)) > 500
    assert not re.search(r"[{}]|  | \.|\ba [aeiou]", everything)
    words = [len(text.split()) for text in plain.texts]
    assert 40 < np.mean(words) < 65 and max(words) < 200


def test_identity_names_options_generator_and_phrase_book() -> None:
    identity = SyntheticPlain(reports=10).identity(None)
    assert identity["options"] == {"reports": 10, "seed": 0}
    assert identity["generator"] == 1 and len(identity["grammar_sha256"]) == 64
    assert identity != SyntheticPlain(reports=10, seed=1).identity(None)


@pytest.mark.parametrize("reports", [0, -1, 1_000_001])
def test_a_silly_number_of_reports_is_refused(reports: int) -> None:
    with pytest.raises(SuiteError, match="option 'reports'"):
        SyntheticPlain(reports=reports)


def weighted_f1(data: Dataset, texts: list[str], c: float) -> float:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.multiclass import OneVsRestClassifier

    train, test = data.rows("train")[:2400], data.rows("test")
    words = TfidfVectorizer(ngram_range=(1, 2))
    x = words.fit_transform([texts[r] for r in train])
    model = OneVsRestClassifier(LogisticRegression(C=c, max_iter=1000)).fit(x, data.y[train])
    found = model.predict(words.transform([texts[r] for r in test]))
    return float(f1_score(data.y[test], found, average="weighted", zero_division=0))


def mark_scope(text: str) -> str:
    """The text with the words under a negation marked, by a short list of cues."""
    text = re.sub(r"INDICATION: [^.]*\.", "", text)
    before = r"\b(?:no|not|without|negative for|neither|rather than)\b"
    until = r"(?=[.;]|\bbut\b|\bhowever\b|\bthere is\b|$)"
    after = r"not seen|absent|no longer|unlikely|less likely|difficult|cannot|resolved|cleared|gone"
    told = []
    for sentence in re.split(r"(?<=\.) ", text):
        scope = r"^.*$" if re.search(after, sentence) else f"{before}.*?{until}"
        told.append(
            re.sub(scope, lambda m: re.sub(r"(\w+)", r"not\1", m[0]), sentence, flags=re.IGNORECASE)
        )
    return " ".join(told)


@pytest.mark.slow
def test_counting_words_goes_far_and_reading_negation_further(plain: Dataset) -> None:
    """Counting words goes far, and reading negation goes further."""
    texts = list(plain.texts)
    for c in (10.0, 30.0):
        assert 0.75 < weighted_f1(plain, texts, c) < 0.88
    counted = weighted_f1(plain, texts, 20.0)
    read = weighted_f1(plain, [mark_scope(text) for text in texts], 20.0)
    assert 0.80 < counted < 0.86
    assert read > counted + 0.03
