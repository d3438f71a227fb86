"""Where the four files are looked for, and what an incomplete or doubled download says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate
from radpriv.benchmark.datasets.ct_rate.ct_rate_sources import find_place, sources_sha256
from radpriv.errors import DataError

ALL = [("train", "reports"), ("train", "labels"), ("valid", "reports"), ("valid", "labels")]


@pytest.mark.parametrize("place", ["ct-rate", "CT-RATE", "."])
@pytest.mark.parametrize("layout", ["repository", "without dataset", "flat"])
def test_download_is_found_where_it_lies_with_the_same_identity(
    tree: Any, tmp_path: Path, place: str, layout: str
) -> None:
    """The download is found where it lies and gives the same identity."""
    tree.fill()
    expected = CTRate().identity(tree.data)
    data = tmp_path / "elsewhere"
    for split, kind in ALL:
        path = tree.path(split, kind)
        inside = {
            "repository": path.relative_to(tree.root.parent),
            "without dataset": path.relative_to(tree.root),
            "flat": Path(path.name),
        }[layout]
        (data / place / inside).parent.mkdir(parents=True, exist_ok=True)
        path.rename(data / place / inside)
    assert find_place(data) == data / place
    assert CTRate().identity(data) == expected
    assert len(CTRate().load(data)) == 2


def test_hugging_face_cache_is_read_in_place_through_its_links(tree: Any, tmp_path: Path) -> None:
    """Hugging Face's cache is read where it lies, though its files are links."""
    tree.fill()
    expected = CTRate().identity(tree.data)
    hub = tmp_path / "hub" / "datasets--ibrahimhamamci--CT-RATE"
    (hub / "blobs").mkdir(parents=True)
    for number, (split, kind) in enumerate(ALL):
        path = tree.path(split, kind)
        linked = hub / "snapshots" / "c0ffee" / path.relative_to(tree.root.parent)
        linked.parent.mkdir(parents=True, exist_ok=True)
        linked.symlink_to(path.rename(hub / "blobs" / f"{number}"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ct-rate").symlink_to(hub / "snapshots" / "c0ffee")
    assert CTRate().identity(tmp_path / "mine") == expected
    assert len(CTRate().load(tmp_path / "mine")) == 2


def test_valid_and_validation_are_taken_for_either_file(tree: Any) -> None:
    tree.fill()
    expected = CTRate().identity(tree.data)
    reports, labels = tree.path("valid", "reports"), tree.path("valid", "labels")
    assert reports.name == "validation_reports.csv" and labels.name == "valid_predicted_labels.csv"
    reports.rename(reports.with_name("valid_reports.csv"))
    labels.rename(labels.with_name("validation_predicted_labels.csv"))
    assert CTRate().identity(tree.data) == expected
    assert CTRate().load(tree.data).splits == ("train", "test")


def test_two_files_that_stand_for_one_are_refused_by_both_names(tree: Any) -> None:
    """Two files that stand for one are refused with both names."""
    tree.fill()
    path = tree.path("valid", "reports")
    path.with_name("valid_reports.csv").write_bytes(path.read_bytes())
    message = tree.refusal()
    assert (
        "validation_reports.csv and " in message and "/valid_reports.csv stand for the" in message
    )


@pytest.mark.parametrize("absent", ALL)
def test_half_a_download_is_refused_naming_missing_and_present(
    tree: Any, absent: tuple[str, str]
) -> None:
    """Half a download is refused; the error names what is missing and what is there."""
    tree.fill()
    path = tree.path(*absent)
    path.unlink()
    message = tree.refusal()
    missing, _, present = message.partition(" missing beside ")
    assert f"half a download, dataset/{path.parent.name}/{path.name}" in missing
    assert all(str(tree.path(*key)) in present for key in ALL if key != absent)
    assert f"--local-dir {tree.data / 'ct-rate'}" in present


def test_a_whole_download_is_preferred_to_half_of_one(tree: Any, tmp_path: Path) -> None:
    tree.fill()
    half = tree.data / "ct-rate" / "dataset"
    whole = tree.data / "CT-RATE" / "dataset"
    for split, kind in ALL:
        path = tree.path(split, kind)
        moved = whole / path.relative_to(half)
        moved.parent.mkdir(parents=True, exist_ok=True)
        moved.write_bytes(path.read_bytes())
    tree.path("train", "labels").unlink()
    assert find_place(tree.data) == tree.data / "CT-RATE"


def test_absent_data_says_what_to_get_and_where_to_put_it(tmp_path: Path) -> None:
    for data, said in (
        (None, "--data or RADPRIV_DATA"),
        (tmp_path / "nowhere", "nowhere does not exist"),
        (tmp_path, "holds no ct-rate/"),
    ):
        with pytest.raises(DataError, match="hf download ibrahimhamamci/CT-RATE") as caught:
            CTRate().find(data)
        assert said in str(caught.value)


def test_a_pointer_that_git_left_is_not_taken_for_the_file(tree: Any) -> None:
    tree.fill()
    path = tree.path("train", "reports")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    message = tree.refusal()
    assert str(path) in message and "git lfs pull" in message


def test_sources_are_named_by_their_part_and_not_their_path(tree: Any) -> None:
    """The sources are named by their part and not by their path."""
    tree.fill()
    hashes = sources_sha256(tree.data / "ct-rate")
    assert set(hashes) == {"train reports", "train labels", "valid reports", "valid labels"}
    assert str(tree.data) not in repr(CTRate().identity(tree.data))
