"""synthetic-mimic-cxr: reproducible, bounded, refused where asked for nonsense; what it writes."""

from __future__ import annotations

import hashlib
import math
import re
import time
import tracemalloc
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import make_loader
from radpriv.benchmark.datasets.io.streamed import Row
from radpriv.benchmark.datasets.mimic_cxr.report_sections import TEXTS
from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.states import BLANK, NEGATIVE, POSITIVE, UNCERTAIN
from radpriv.benchmark.datasets.synthetic.engine.twin import Twin, TwinReport
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import (
    LABELS,
    SyntheticMimicCXR,
)
from radpriv.errors import SuiteError

PINNED = "add542a68adf2fe3bbc7aeb056316d34a8c787381f35f0101bda5a25b10375b5"
KINDS = (SyntheticMimicCXR, SyntheticCTRate)
Kind = type[SyntheticMimicCXR] | type[SyntheticCTRate]


def rows(loader: Twin) -> list[Row]:
    return list(loader.rows(None, Counter(), lambda k: None))


def content(some: list[Row]) -> str:
    lines = [f"{r.id}\t{r.patient}\t{r.split}\t{r.text}\t{r.y}" for r in some]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_first_hundred_reports_are_the_pinned_ones() -> None:
    assert content(rows(SyntheticMimicCXR(reports=100))) == PINNED


@pytest.mark.parametrize("kind", KINDS)
def test_first_reports_do_not_depend_on_how_many_are_asked_for(kind: Kind) -> None:
    """The first reports do not depend on how many are asked for."""
    many = rows(kind(reports=120))
    for reports in (1, 7, 60):
        assert content(rows(kind(reports=reports))) == content(many[:reports])
    other = rows(kind(reports=120, seed=1))
    assert len({r.text for r in many} & {r.text for r in other}) < 25
    assert [r.y for r in many] != [r.y for r in other]


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_s_reports_need_no_earlier_patient(kind: Kind) -> None:
    loader = kind()
    passed = [r for r in islice(loader.generate(), 150) if r.visit.patient == 20]
    assert passed == list(loader.patient(20))[: len(passed)] and passed


@pytest.mark.parametrize("kind", KINDS)
def test_patients_stay_on_one_side_and_ids_are_in_order(kind: Kind) -> None:
    seen = rows(kind(reports=1500))
    sides: dict[str, set[str]] = {}
    for row in seen:
        sides.setdefault(row.patient, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    assert 0.12 < np.mean([row.split == "test" for row in seen]) < 0.28
    assert [r.id for r in seen] == sorted({r.id for r in seen})
    assert all(row.text == row.text.strip() and "  " not in row.text for row in seen)
    assert not re.search(r"[{}⟦⟧]|\.\.| ,|\ba [aeio]", "\n".join(row.text for row in seen))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reports": 0}, "'reports' = 0: 1 to 1000000"),
        ({"reports": 1_000_001}, "'reports'"),
        ({"text": "abstract"}, "'text' = 'abstract': one of "),
        ({"reports": 1.5}, "'reports' = 1.5: expected int"),
        ({"phi": "yes"}, "'phi' = 'yes': expected bool"),
        ({"words": 3}, "no option 'words'"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(
    kind: Kind, options: dict[str, object], message: str
) -> None:
    with pytest.raises(SuiteError) as error:
        make_loader(kind.name, options)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_policies_are_those_of_mimic_cxr() -> None:
    from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR

    assert set(TEXTS) < set(SyntheticMimicCXR.texts)
    for option in ("text", "uncertain", "blank"):
        assert getattr(SyntheticMimicCXR(), option) == getattr(MimicCXR(), option)
    assert tuple(MimicCXR.labels) == LABELS
    with pytest.raises(SuiteError, match="'synthetic-mimic-cxr': option 'uncertain' = 'maybe'"):
        SyntheticMimicCXR(uncertain="maybe")


def test_what_an_uncertain_label_becomes_is_an_option(cxr: list[TwinReport]) -> None:
    reports = [r for r in cxr[:800] if UNCERTAIN in r.states]
    assert len(reports) > 100
    values = {"ignore": math.nan, "positive": 1.0, "negative": 0.0}
    for policy, value in values.items():
        loader = SyntheticMimicCXR(uncertain=policy)
        for report in reports:
            for state, y in zip(report.states, loader.y(report)[1:], strict=True):
                wanted = value if state == UNCERTAIN else float(state == POSITIVE)
                assert y == wanted or (y != y and wanted != wanted)
    masked = SyntheticMimicCXR(blank="ignore").y(reports[0])
    assert masked[0] == 0.0, "No Finding is always observed"
    assert [y != y for y in masked[1:]] == [s in (BLANK, UNCERTAIN) for s in reports[0].states]
    one, two = (SyntheticMimicCXR(uncertain=f"negative,{x}Edema=ignore") for x in ("", "  "))
    assert one.identity(None) == two.identity(None) != SyntheticMimicCXR().identity(None)


def test_each_text_option_gives_the_sections_it_names() -> None:
    texts = {text: rows(SyntheticMimicCXR(reports=300, text=text)) for text in
             SyntheticMimicCXR.texts}  # fmt: skip
    whole = {r.id: r.text for r in texts["report"]}
    assert len(texts["impression"]) < 280 and len(whole) == 300
    for text, some in texts.items():
        assert text == "report" or all("INDICATION:" not in r.text for r in some)
    for row in texts["impression"]:
        assert f"IMPRESSION: {row.text}" in whole[row.id]
    longer = {r.id: r.text for r in texts["findings+impression"]}
    assert all(r.text in longer[r.id] for r in texts["labelled-section"])
    counts: Counter[str] = Counter()
    list(SyntheticMimicCXR(reports=300, text="impression").rows(None, counts, lambda k: None))
    assert counts["without_text"] == 300 - len(texts["impression"])


def test_names_stand_without_findings_and_findings_without_names(
    cxr: list[TwinReport],
) -> None:
    """Names stand in texts without the finding and findings without the name.

    Denied, left open, resolved, asked for in the indication; told by another word.
    """
    loader = SyntheticMimicCXR(text="report")
    for label, name in (("Pneumothorax", "pneumothorax"), ("Edema", "edema")):
        y = np.array([r.states[LABELS.index(label) - 1] == POSITIVE for r in cxr])
        named = np.array([name in loader.chosen(r.sections).lower() for r in cxr])
        assert y[named].mean() < 0.5 and (named & ~y).sum() > 300
        assert named[y].mean() < 0.97
    told = [loader.chosen(r.sections) for r in cxr]
    for hard in (
        r"[Nn]o [\w -]+, but ", r"annot exclude", r"has resolved|Resolved|resolution of",
        r"INDICATION: [^.]*(evaluate for|assess for|eval for|[Rr]ule out|question|\?)",
        r"pericardial effusion", r"alcified (nodule|granuloma)", r"Massive", r"versus",
        r"[Uu]nchanged|[Ss]table", r"No [\w -]+, [\w -]+,? or ",
    ):  # fmt: skip
        assert sum(bool(re.search(hard, text)) for text in told) >= 5, hard


def test_nothing_abnormal_is_told_of_a_clear_chest(cxr: list[TwinReport]) -> None:
    clear = [r for r in cxr if r.clear]
    other = re.compile(r"alcified|scoliosis|osteophyte|hernia|hyperinflat|pericardial|Massive")
    assert len(clear) > 1000
    for report in clear:
        told = {k: v for k, v in report.sections.items() if k not in ("indication", "history")}
        assert not other.search(" ".join(told.values()))
    rest = [r for r in cxr if not r.clear]
    assert np.mean([bool(other.search(" ".join(r.sections.values()))) for r in rest]) > 0.04


def test_labelled_section_never_denies_what_is_blank_or_present(
    cxr: list[TwinReport],
) -> None:
    """The labelled section never denies what is left blank or said to be there.

    Neither by joint sentences, which name several labels at once, nor by habit.
    """
    twin = SyntheticMimicCXR()
    alone = [r for r in cxr if not {"findings", "impression"} <= set(r.sections)]
    for name, normal in (
        ("Cardiomegaly", r"[Hh]eart (size )?(is )?(normal|within)|[Hh]eart size and (medi|card)"),
        ("Pneumothorax", r"No (pleural effusion or )?pneumothorax\b(?! [a-z])"),
        ("Pleural Effusion", r"No pleural effusion\b"),
    ):
        j = LABELS.index(name) - 1
        said = [r for r in alone if re.search(normal, twin.chosen(r.sections))]
        assert len(said) > 40 and {r.states[j] for r in said} == {NEGATIVE}, name


def test_findings_mostly_go_through_the_chest_in_order(cxr: list[TwinReport]) -> None:
    """Findings go through the chest in order more often than not."""
    heart, bones = re.compile(r"[Hh]eart (size )?(is|and|normal)"), re.compile("osseous|bony|Bones")
    places = []
    for report in cxr:
        text = report.sections.get("findings", "")
        if (one := heart.search(text)) and (two := bones.search(text)):
            places.append(one.start() < two.start())
    assert len(places) > 150 and 0.7 < np.mean(places) < 0.95


def test_many_negations_are_pooled_in_lists(cxr: list[TwinReport]) -> None:
    text = " ".join(SyntheticMimicCXR(text="findings+impression").chosen(r.sections) for r in cxr)
    sentences = re.split(r"(?<=[.])\s", text)
    denied = [s for s in sentences if re.match(r"(There is n|N)(o|either) ", s)]
    names = [1 + len(re.findall(r", no | (?:or|nor|and) |, (?!or )", s)) for s in denied]
    assert 0.3 < sum(n for n in names if n > 1) / sum(names) < 0.6


def test_identity_names_all_that_the_data_follow_from() -> None:
    identity = SyntheticMimicCXR(reports=10).identity(None)
    assert identity["options"]["reports"] == 10 and identity["options"]["silver"] is False
    assert identity["generator"] == 1 and len(identity["figures_sha256"]) == 64
    assert [len(sha) for sha in identity["books_sha256"]] == [64, 64]
    assert SyntheticMimicCXR.card.calibrated_on == ("mimic-cxr", "openi")
    assert SyntheticCTRate.card.calibrated_on == ("ct-rate",)


def test_the_table_is_cached_and_holds_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path))
    loader = SyntheticMimicCXR(reports=60)
    data = loader.load(None)
    made = rows(loader)
    assert list(data.texts) == [r.text for r in made] and len(data) == 60
    assert np.array_equal(data.y, np.array([r.y for r in made], np.float32), equal_nan=True)
    assert data.counts["reports"] == 60 and data.counts["patients"] == len(set(data.patients))


def test_silver_labels_differ_from_true_ones_on_the_same_texts() -> None:
    """Silver labels differ from the true ones on the same texts."""
    true, silver = (rows(SyntheticMimicCXR(reports=400, silver=s)) for s in (False, True))
    assert [r.text for r in true] == [r.text for r in silver]
    differ = np.mean([repr(a.y) != repr(b.y) for a, b in zip(true, silver)])
    assert 0.2 < differ < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fifty_thousand_reports_take_under_a_minute(kind: Kind) -> None:
    """Fifty thousand reports take less than a minute and little memory."""
    begin = time.process_time()
    made = sum(1 for _ in kind(reports=50_000).rows(None, Counter(), lambda k: None))
    assert made > 40_000 and time.process_time() - begin < 60
    tracemalloc.start()
    for _ in islice(kind(reports=50_000).rows(None, Counter(), lambda k: None), 500):
        pass
    early = tracemalloc.get_traced_memory()[0]
    for _ in islice(kind(reports=50_000).rows(None, Counter(), lambda k: None), 4000):
        pass
    assert tracemalloc.get_traced_memory()[0] < early + 3_000_000
    tracemalloc.stop()
