"""Names of volumes: what they say, and that other names say nothing."""

from __future__ import annotations

import string
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS, Volume, parse_volume, patient_of

VOLUMES = st.builds(
    Volume,
    st.sampled_from(("train", "valid")),
    st.integers(0, 99_999),
    st.text(string.ascii_lowercase, min_size=1, max_size=2),
    st.integers(0, 99),
)


def test_a_name_gives_split_patient_scan_and_reconstruction() -> None:
    volume = parse_volume("train_1267_b_4.nii.gz")
    assert volume == Volume("train", 1267, "b", 4)
    assert (volume.patient, volume.scan) == ("train_1267", "train_1267_b")


@given(VOLUMES, st.sampled_from((".nii.gz", ".nii", "")))
def test_every_name_is_read_back_with_or_without_its_ending(volume: Volume, end: str) -> None:
    stem = str(volume).removesuffix(".nii.gz")
    assert parse_volume(stem + end) == volume
    assert patient_of(volume.scan) == volume.patient


@given(VOLUMES)
def test_validation_in_a_name_is_read_as_valid(volume: Volume) -> None:
    assert parse_volume(str(volume).replace("valid", "validation")) == volume
    assert parse_volume(str(volume).replace("train", "training")) in (None, volume)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "train_1_a",
        "train_1_a_1.nii.gz ",
        "train_1_a_1.nii.gz.nii.gz",
        "train_01_a_1.nii.gz",
        "train_1_a_01.nii.gz",
        "train_1_A_1.nii.gz",
        "train_1__1.nii.gz",
        "train_-1_a_1.nii.gz",
        "train_1.0_a_1.nii.gz",
        "traination_1_a_1.nii.gz",
        "test_1_a_1.nii.gz",
        "train_\u0661_a_1.nii.gz",
        "dataset/train/train_1_a_1.nii.gz",
        "nan",
        "train_1_a_1.nii.gz\n",
        "train_9999999999_a_1",
    ],
)
def test_a_name_of_another_form_is_no_volume(name: str) -> None:
    assert parse_volume(name) is None


@given(st.text(max_size=30))
def test_a_name_that_is_read_says_the_same_in_its_one_spelling(name: str) -> None:
    volume = parse_volume(name)
    assert volume is None or parse_volume(str(volume)) == volume


@given(st.lists(VOLUMES, max_size=40))
def test_scan_ids_sort_patients_together_and_train_before_valid(
    volumes: list[Volume],
) -> None:
    """Scans sorted by id keep patients together and train before valid."""
    scans = sorted({volume.scan for volume in volumes})
    patients = [patient for patient, _ in groupby(scans, patient_of)]
    assert len(patients) == len(set(patients)) == len({v.patient for v in volumes})
    splits = [scan[:5] for scan in scans]
    assert splits == sorted(splits)


@given(VOLUMES, VOLUMES)
def test_two_scans_share_a_patient_only_within_a_split(one: Volume, two: Volume) -> None:
    same = (one.split, one.person) == (two.split, two.person)
    assert (one.patient == two.patient) == same
    assert (one.scan == two.scan) == (same and one.letter == two.letter)


def test_the_labels_are_18_and_stand_in_the_official_order() -> None:
    assert len(LABELS) == len(set(LABELS)) == 18
    assert LABELS[0] == "Medical material" and LABELS[17] == "Interlobular septal thickening"
    assert LABELS[4:8] == (
        "Coronary artery wall calcification",
        "Hiatal hernia",
        "Lymphadenopathy",
        "Emphysema",
    )
    assert LABELS.index("Pleural effusion") == 12
