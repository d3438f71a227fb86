"""Reports of both twins, made once."""

from __future__ import annotations

from itertools import islice

import pytest

from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.twin import TwinReport
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR

OPENI_SIZE = 3927
"""Open-i reports that have text: shares of what is unique depend on how many there are."""


@pytest.fixture(scope="session")
def cxr() -> list[TwinReport]:
    return list(islice(SyntheticMimicCXR().generate(), OPENI_SIZE))


@pytest.fixture(scope="session")
def ct() -> list[TwinReport]:
    return list(islice(SyntheticCTRate().generate(), 1500))
