"""What becomes of CT-RATE's rows: one per scan, joined, split by patient, and all accounted for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.base import make_loader
from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CARD, TEXTS, CTRate
from radpriv.benchmark.datasets.ct_rate.ct_rate_reference import POSITIVE
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS
from radpriv.benchmark.datasets.description.description import describe
from radpriv.benchmark.datasets.public_coins import hashed
from radpriv.benchmark.store.description_schema import Agreement
from radpriv.errors import SuiteError

VALID = {"valid_1_a_1": ("other", "")}
MANY = [f"train_{n}_{s}_{r}" for n in range(1, 401) for s in "ab"[: 1 + n % 2] for r in (1, 2)]
LEFT = ("without_report", "without_labels", "without_text", "held_back")


def positives(data: Any) -> dict[str, set[str]]:
    return {i: {n for n, on in zip(data.labels, row) if on} for i, row in zip(data.ids, data.y)}


def test_reconstructions_collapse_to_one_row_per_scan(tree: Any) -> None:
    """Reconstructions collapse to one row per scan, and a label counts once."""
    volumes = ("train_1_a_1", "train_1_a_2", "train_1_b_1", "train_2_a_1")
    tree.reports("train", {v: (f"Scan {v[:9]}.", "Impression.") for v in volumes})
    tree.labels("train", {v: ["Emphysema"] if "_1_a_" in v else [] for v in volumes})
    tree.reports("valid", VALID)
    tree.labels("valid", {"valid_1_a_1": ()})
    data = CTRate().load(tree.data)
    train = [data.ids[r] for r in data.rows("train")]
    assert train == ["train_1_a", "train_1_b", "train_2_a"]
    assert {data.patients[r] for r in data.rows("train")} == {"train_1", "train_2"}
    assert data.y.sum(axis=0).tolist() == [float(n == "Emphysema") for n in LABELS]
    assert data.texts[0] == "Scan train_1_a. Impression."
    assert data.counts["scans"] == len(data) == 4 and data.counts["patients"] == 3
    assert data.counts["labels_differ"] == data.counts["reports_differ"] == 0


def test_label_of_one_reconstruction_counts_for_the_scan(tree: Any) -> None:
    """A label of one reconstruction counts for the scan and is counted."""
    tree.fill()
    volumes = ("train_1_a_2", "train_1_a_1", "train_2_a_1")
    tree.reports("train", dict.fromkeys(volumes, ("Same.", "")))
    tree.labels("train", {volumes[0]: ["Atelectasis"], volumes[1]: ["Emphysema"], volumes[2]: []})
    data = CTRate().load(tree.data)
    assert positives(data)["train_1_a"] == {"Atelectasis", "Emphysema"}
    assert data.counts["labels_differ"] == 1 and data.counts["reports_differ"] == 0


@pytest.mark.parametrize("order", [(1, 2, 10), (10, 2, 1), (2, 10, 1)])
def test_scan_report_is_the_lowest_reconstructions(tree: Any, order: tuple[int, ...]) -> None:
    """The report of the lowest reconstruction that has one is the scan's."""
    tree.fill()
    texts = {1: ("", "nan"), 2: ("Two.", ""), 10: ("Ten.", "")}
    tree.reports("train", {f"train_1_a_{r}": texts[r] for r in order})
    tree.labels("train", {"train_1_a_1": ()})
    data = CTRate().load(tree.data)
    assert data.texts[0] == "Two."
    assert data.counts["reports_differ"] == 1 and data.counts["without_text"] == 0


def test_what_has_no_partner_or_no_text_is_left_out_and_counted(tree: Any) -> None:
    tree.fill()
    tree.reports(
        "train",
        {
            "train_1_a_1": ("A text.", ""),
            "train_2_a_1": ("No labels.", "None."),
            "train_3_a_1": ("nan", " "),
            "train_4_a_1": ("", "Impression alone."),
            "train_5_a_2": ("Joined by scan.", ""),
            "train_7_a_1": ("...", "NULL"),
        },
    )
    tree.labels("train", {f"train_{n}_a_1": () for n in (1, 3, 4, 5, 6, 7)})
    data = CTRate().load(tree.data)
    assert data.ids[:-1] == ("train_1_a", "train_4_a", "train_5_a")
    assert data.texts[1] == "Impression alone."
    assert [data.counts[name] for name in LEFT] == [1, 1, 2, 0]
    assert data.counts["scans"] == len(data) + sum(data.counts[name] for name in LEFT) == 8
    words = {word.lower() for text in data.texts for word in text.split()}
    assert not words & {"nan", "none", "null", "..."}


def test_not_given_stands_for_an_absent_section(tree: Any) -> None:
    tree.fill()
    word = "Not given."
    tree.reports(
        "train",
        {
            "train_1_a_1": (word, word),
            "train_2_a_1": ("Lungs are clear.", word),
            "train_3_a_1": ("Small nodule.", "Nodule."),
        },
    )
    tree.labels("train", {f"train_{n}_a_1": () for n in (1, 2, 3)})
    data = CTRate().load(tree.data)
    assert list(data.texts)[:2] == ["Lungs are clear.", "Small nodule. Nodule."]
    assert (data.counts["without_text"], data.counts["section_not_given"]) == (1, 2)
    assert CTRate(text="impression").load(tree.data).counts["without_text"] == 3


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_line_ends_of_the_files_change_nothing(tree: Any, end: str) -> None:
    tree.fill(("train_1_a_1", "train_2_a_1", "valid_1_a_1"))
    expected = CTRate().load(tree.data)
    for split in ("train", "valid"):
        for kind in ("reports", "labels"):
            path = tree.path(split, kind)
            path.write_bytes(b"".join(path.read_bytes().split(b"\r")).replace(b"\n", end.encode()))
    found = CTRate().load(tree.data)
    assert (found.ids, list(found.texts)) == (expected.ids, list(expected.texts))


def test_text_option_picks_sections_and_is_part_of_the_identity(tree: Any) -> None:
    """The text option picks sections and is part of the identity."""
    tree.fill()
    tree.reports("train", {"train_1_a_1": ("Some\n findings.", " An  impression. ")})
    tree.reports("valid", {"valid_1_a_1": ("", "Enough.")})
    texts = {
        "findings+impression": ["Some findings. An impression.", "Enough."],
        "impression": ["An impression.", "Enough."],
    }
    for option, expected in texts.items():
        assert list(CTRate(text=option).load(tree.data).texts) == expected
    findings = CTRate(text="findings").load(tree.data)
    assert list(findings.texts) == ["Some findings."] and findings.counts["without_text"] == 1
    keys = {digest(CTRate(text=option).identity(tree.data)) for option in TEXTS}
    assert CTRate().text == "findings+impression" and len(keys) == len(TEXTS) == 3


def test_official_validation_is_test_and_splits_share_no_patient(tree: Any) -> None:
    """The official validation split is test, and no patient is on both sides."""
    data = CTRate().load(tree.fill([*MANY, "valid_1_a_1", "valid_2_a_1", "valid_2_b_1"]).data)
    sides = {(patient, split) for patient, split in zip(data.patients, data.splits)}
    assert len(sides) == len({patient for patient, _ in sides}) == 402
    assert {data.ids[r] for r in data.rows("test")} == {"valid_1_a", "valid_2_a", "valid_2_b"}
    assert set(data.splits) == {"train", "test"}


def test_validation_holdout_is_a_fifth_of_patients_without_test(
    tree: Any,
) -> None:
    """The validation holdout has no test row and draws a fifth of the patients."""
    data = tree.fill([*MANY, "valid_1_a_1", "valid_2_a_1"]).data
    official, trial = CTRate().load(data), CTRate(holdout="validation").load(data)
    assert set(trial.ids) == {official.ids[r] for r in official.rows("train")}
    assert trial.counts["held_back"] == 2
    held = {trial.patients[r] for r in trial.rows("test")}
    assert 0.15 < len(held) / 400 < 0.25
    assert not held & {trial.patients[r] for r in trial.rows("train")}
    by_scan = {(p, hashed(f"by scan/{i}") < 0.2) for i, p in zip(trial.ids, trial.patients)}
    assert len(by_scan) > 400, "a draw by scan would put patients on both sides of this tree"
    assert CTRate(holdout="validation").identity(data) != CTRate().identity(data)


def test_the_draw_of_the_validation_holdout_is_pinned(tree: Any) -> None:
    volumes = [f"train_{n}_a_1" for n in range(1, 31)]
    trial = CTRate(holdout="validation").load(tree.fill([*volumes, "valid_1_a_1"]).data)
    held = sorted(int(trial.patients[r].split("_")[1]) for r in trial.rows("test"))
    assert held == [4, 19, 20, 22, 24, 28]


def test_two_label_files_never_share_a_key(tree: Any) -> None:
    tree.fill()
    first = CTRate().identity(tree.data)
    tree.labels("valid", {"valid_1_a_1": ["Lung nodule"]})
    second = CTRate().identity(tree.data)
    assert digest(first) != digest(second)
    assert CTRate().load(tree.data).y[1].sum() == 1  # and no table of the first is served
    assert first["source_sha256"]["valid labels"] != second["source_sha256"]["valid labels"]


def test_every_label_is_observed_and_ids_are_sorted(tree: Any) -> None:
    volumes = [f"{split}_{n}_a_1" for split in ("train", "valid") for n in (1, 2, 9, 10, 19, 100)]
    data = CTRate().load(tree.fill(volumes).data)
    assert list(data.ids) == sorted(data.ids) and len(data) == 12
    assert not np.isnan(data.y).any() and data.labels == LABELS


def test_published_figures_stand_beside_a_description_unjudged(tree: Any) -> None:
    """The published figures stand beside a description without a verdict."""
    loader = CTRate()
    description = describe(loader.load(tree.fill().data), loader.published(), loader.options())
    by_name = {c.figure: c for c in description.published}
    assert {f"positive/{label}" for label in LABELS} < by_name.keys()
    assert list(POSITIVE) == list(LABELS)
    assert by_name["positive/Medical material"].value == round((2886 + 158) / 25692, 10)
    assert by_name["reports"].measured == 2 and by_name["reports"].verdict == Agreement.NO_TOLERANCE
    assert not any(f.figure.startswith("words") for f in CTRate(text="impression").published())
    assert CTRate(holdout="validation").published() == ()


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SuiteError, match="option 'text' = 'report': one of findings"):
        make_loader("ct-rate", {"text": "report"})
    with pytest.raises(SuiteError, match="option 'holdout' = 'train': one of test, validation"):
        make_loader("ct-rate", {"holdout": "train"})
    with pytest.raises(SuiteError, match="no option 'uncertain'"):
        make_loader("ct-rate", {"uncertain": "positive"})


def test_card_says_whose_labels_these_are_and_that_data_stays() -> None:
    """The card says whose labels these are and that the data stays."""
    assert "text classifier" in CARD.labels_from and "not with a radiologist" in CARD.labels_from
    assert any("4.31%" in error for error in CARD.known_errors)
    assert CARD.gated and "ships none" in CARD.licence and CARD.calibrated_on == ()
