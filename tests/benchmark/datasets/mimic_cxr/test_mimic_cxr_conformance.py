"""MIMIC-CXR's loader passes the dataset suite, on an archive and on unpacked files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radpriv.benchmark.conformance.check_dataset import CHECKS, check_dataset
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR


@pytest.mark.parametrize("form", ["zip", "files"])
def test_the_loader_passes_the_suite(
    form: str, release: Any, new_study: Callable[..., Any]
) -> None:
    def report(study: int) -> str:
        return f"FINAL REPORT\n FINDINGS: Heart {study} is of usual size.\n IMPRESSION: Clear.\n"

    studies = [
        new_study(50000000 + i, 10000000 + i // 2, "test" if i > 7 else "train", report(i))
        for i in range(12)
    ]

    def source(data: Path) -> None:
        type(release)(data).write(studies, form)

    verdicts = list(check_dataset(MimicCXR(), source))
    assert [v for v in verdicts if v.passed is not True] == []
    assert tuple(v.check for v in verdicts) == CHECKS
