"""CT-RATE's repository layout, made up here: names, columns and folders are its, words are not."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate
from radpriv.benchmark.datasets.ct_rate.volume_names import LABELS
from radpriv.errors import DataError

REPORT_COLUMNS = (
    "VolumeName",
    "ClinicalInformation_EN",
    "Technique_EN",
    "Findings_EN",
    "Impressions_EN",
)


class Tree:
    """A data folder with `ct-rate/dataset/...`; each write replaces one of the four files.

    marker: stands in every free-text cell, and must never be seen outside the texts.
    """

    marker = "unspeakable"

    def __init__(self, data: Path) -> None:
        self.data = data
        self.root = data / "ct-rate" / "dataset"

    def path(self, split: str, kind: str) -> Path:
        """The repository's name of a file."""
        if kind == "reports":
            long = {"train": "train", "valid": "validation"}[split]
            return self.root / "radiology_text_reports" / f"{long}_reports.csv"
        return self.root / "multi_abnormality_labels" / f"{split}_predicted_labels.csv"

    def write(self, path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return path

    def reports(self, split: str, rows: dict[str, tuple[str, str]]) -> Path:
        """volume without its ending -> (findings, impression)."""
        return self.write(
            self.path(split, "reports"),
            REPORT_COLUMNS,
            [(f"{v}.nii.gz", self.marker, self.marker, f, i) for v, (f, i) in rows.items()],
        )

    def labels(self, split: str, rows: dict[str, Iterable[str]]) -> Path:
        """volume without its ending -> its positive labels."""
        return self.write(
            self.path(split, "labels"),
            ("VolumeName", *LABELS),
            [(f"{v}.nii.gz", *(int(n in on) for n in LABELS)) for v, on in rows.items()],
        )

    def fill(self, volumes: Iterable[str] = ("train_1_a_1", "valid_1_a_1")) -> Tree:
        """Both files of both splits, all volumes with a text of their own and no label."""
        for split in ("train", "valid"):
            mine = [v for v in volumes if v.startswith(split)]
            self.reports(split, {v: (f"{self.marker} {v}.", "") for v in mine})
            self.labels(split, dict.fromkeys(mine, ()))
        return self

    def refusal(self, **options: Any) -> str:
        """The error of loading: one line, and no word of a report in it or in its causes."""
        with pytest.raises(DataError) as caught:
            CTRate(**options).load(self.data)
        message, cause = str(caught.value), caught.value.__cause__
        assert "\n" not in message
        while cause is not None:
            message_of_cause = f"{cause!r}"
            assert self.marker not in message_of_cause
            cause = cause.__cause__
        assert self.marker not in message
        return message


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    data = tmp_path / "data"
    data.mkdir()
    return Tree(data)


@pytest.fixture
def trees(tmp_path: Path) -> Callable[[], Tree]:
    """A fresh tree with each call, for tests that draw many."""
    made = 0

    def make() -> Tree:
        nonlocal made
        made += 1
        data = tmp_path / f"data{made}"
        data.mkdir()
        return Tree(data)

    return make
