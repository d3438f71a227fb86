"""CT-RATE's loader passes the dataset suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radpriv.benchmark.conformance.check_dataset import CHECKS, check_dataset
from radpriv.benchmark.datasets.ct_rate.ct_rate_loader import CTRate


def test_the_loader_passes_the_suite(tree: Any) -> None:
    volumes = [f"{split}_{i}_a_1" for split in ("train", "valid") for i in range(1, 25)]

    def source(data: Path) -> None:
        type(tree)(data).fill(volumes)

    verdicts = list(check_dataset(CTRate(), source))
    assert [v for v in verdicts if v.passed is not True] == []
    assert tuple(v.check for v in verdicts) == CHECKS
