"""Facts of NLM's own archive; skipped where it is not at hand. No text of it stands here."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.datasets.openi.openi_loader import OpenI, group_labels, normalise
from radpriv.benchmark.datasets.openi.openi_mapping import MAPPING, parts, read_mapping
from radpriv.benchmark.datasets.openi.openi_sources import find_source, read_source
from radpriv.benchmark.datasets.openi.openi_xml import XmlReport

POSITIVE = {
    "No Finding": 658,
    "Enlarged Cardiomediastinum": 27,
    "Cardiomegaly": 395,
    "Lung Opacity": 782,
    "Lung Lesion": 130,
    "Edema": 101,
    "Consolidation": 30,
    "Pneumonia": 42,
    "Atelectasis": 332,
    "Pneumothorax": 27,
    "Pleural Effusion": 163,
    "Pleural Other": 58,
    "Fracture": 84,
    "Support Devices": 308,
}


@pytest.fixture(scope="module")
def reports(real_data: Path) -> dict[int, XmlReport]:
    return {report.number: report for report in read_source(find_source(real_data))}


@pytest.fixture(scope="module")
def openi(real_data: Path) -> Dataset:
    start = time.perf_counter()
    data = OpenI().load(real_data)
    assert time.perf_counter() - start < 15, "reading takes about a second"
    return data


def test_every_file_is_read_and_accounted_for(openi: Dataset) -> None:
    assert openi.counts == {
        "reports": 3955,
        "without_text": 28,
        "unlabelled": 95,
        "section_not_given": 0,
        "copies": 737,
        "copies_coded_differently": 4,
        "with_unknown_codes": 0,
        "held_back": 0,
    }
    assert len(openi) == 3095 == 3955 - 28 - 95 - 737


def test_each_label_has_its_documented_number_of_reports(openi: Dataset) -> None:
    assert dict(zip(openi.labels, openi.y.sum(axis=0).astype(int).tolist())) == POSITIVE
    assert not np.isnan(openi.y).any()


def test_2016_is_no_finding_and_nothing_else(openi: Dataset, reports: dict[int, XmlReport]) -> None:
    mapping = read_mapping(MAPPING)
    assert reports[2016].codes == ("normal",)
    assert mapping.labels(reports[2016].codes) == {"No Finding"}
    text = normalise(f"{reports[2016].findings} {reports[2016].impression}")
    row = [normalise(t) for t in openi.texts].index(text)
    assert [name for name, on in zip(openi.labels, openi.y[row]) if on] == ["No Finding"]


def test_no_unindexed_report_is_a_row(openi: Dataset, reports: dict[int, XmlReport]) -> None:
    unindexed = {f"CXR{n:04d}" for n, report in reports.items() if not report.indexed}
    assert len(unindexed) == 95
    assert not unindexed & set(openi.ids)


def test_no_text_is_empty_repeated_or_the_word_for_nothing(openi: Dataset) -> None:
    normal = [normalise(text) for text in openi.texts]
    assert len(set(normal)) == len(normal)
    assert all(normal) and not {"nan", "none"} & {word for n in normal for word in n.split()[:1]}


def test_official_and_validation_splits_have_fixed_sizes(openi: Dataset, real_data: Path) -> None:
    """The official split and the validation split have fixed sizes."""
    trial = OpenI(holdout="validation").load(real_data)
    assert (len(openi.rows("train")), len(openi.rows("test"))) == (2499, 596)
    assert (len(trial.rows("train")), len(trial.rows("test"))) == (2014, 485)
    assert set(trial.ids) == {openi.ids[r] for r in openi.rows("train")}


def test_no_finding_never_stands_beside_a_finding(openi: Dataset) -> None:
    healthy = openi.y[:, openi.labels.index("No Finding")] == 1
    assert healthy.sum() == POSITIVE["No Finding"]
    assert (openi.y[healthy].sum(axis=1) == 1).all()


def test_the_union_over_copies_is_what_the_rows_say(
    openi: Dataset, reports: dict[int, XmlReport]
) -> None:
    mapping = read_mapping(MAPPING)
    groups: dict[str, list[XmlReport]] = {}
    for report in reports.values():
        text = normalise(f"{report.findings} {report.impression}")
        if text and report.indexed:
            groups.setdefault(text, []).append(report)
    said = {f"CXR{group[0].number:04d}": group_labels(group, mapping) for group in groups.values()}
    assert said == {
        i: {name for name, on in zip(openi.labels, row) if on} for i, row in zip(openi.ids, openi.y)
    }
    assert max(map(len, groups.values())) >= 50


def test_csv_form_of_the_archive_gives_the_same_rows(
    openi: Dataset, reports: dict[int, XmlReport], tmp_path: Path
) -> None:
    """The CSV form of the archive gives the same rows as the archive."""
    with (tmp_path / "indiana_reports.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("", "impression", "findings", "MeSH", "uid"))
        for k, (n, r) in enumerate(reports.items()):
            writer.writerow((k, r.impression, r.findings, ";".join(r.codes), n))
    data = OpenI().load(tmp_path)
    assert (data.ids, data.texts, data.splits) == (openi.ids, openi.texts, openi.splits)
    assert (data.y == openi.y).all() and data.counts == openi.counts


def test_mapping_rows_and_occurring_codes_are_the_same_set(
    reports: dict[int, XmlReport],
) -> None:
    """Every row of the mapping is for a code that occurs, and no code is without."""
    rules = read_mapping(MAPPING).rules
    codes = {parts(code) for report in reports.values() if report.indexed for code in report.codes}
    assert {code[0] for code in codes} == set(rules)
    for head, rows in rules.items():
        for qualifier, label in rows:
            applies = any(
                code[0] == head and (not qualifier or qualifier in code[1:]) for code in codes
            )
            assert applies, f"no report has {head}/{qualifier}, mapped to {label}"


def test_no_text_is_placeholders_alone(openi: Dataset) -> None:
    assert 0.45 < np.mean(["XXXX" in text for text in openi.texts]) < 0.55
    assert all(normalise(text.replace("XXXX", " ")) for text in openi.texts)
