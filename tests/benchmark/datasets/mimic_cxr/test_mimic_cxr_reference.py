"""What was published of MIMIC-CXR, under the policies that a dataset was read with."""

from __future__ import annotations

import pytest

from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_loader import MimicCXR
from radpriv.benchmark.datasets.mimic_cxr.mimic_cxr_reference import COUNTED, STUDIES


def shares(**options: str) -> dict[str, float]:
    return {p.figure: p.value for p in MimicCXR(**options).published()}


def test_uncertain_and_blank_go_where_the_policy_puts_them() -> None:
    assert all(sum(counts) <= STUDIES for counts in COUNTED.values())
    default = shares()
    assert default["positive/Edema"] == pytest.approx(0.1147, abs=5e-5)
    assert default["unobserved/Edema"] == pytest.approx(0.0513, abs=5e-5)
    mixed = shares(uncertain="negative, Edema=positive")
    assert mixed["positive/Edema"] == pytest.approx(0.1147 + 0.0513, abs=1e-4)
    assert mixed["unobserved/Edema"] == 0.0 == mixed["unobserved/Pneumonia"]
    assert mixed["positive/Pneumonia"] == default["positive/Pneumonia"]
    ignored = shares(blank="ignore")
    assert ignored["unobserved/Edema"] == pytest.approx(0.0513 + 0.7127, abs=1e-4)
    assert ignored["positive/Edema"] == default["positive/Edema"]


def test_the_radiologists_arrangement_has_no_published_figures() -> None:
    assert MimicCXR(test_labels="radiologist").published() == ()
