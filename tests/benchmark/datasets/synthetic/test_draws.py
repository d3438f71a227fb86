"""Draws as integers: what they are equal to, and that no float's last digit can move them."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import read_calibration
from radpriv.benchmark.datasets.synthetic.engine.draws import (
    NORMAL,
    SCALE,
    Tape,
    lognormal,
    quantile,
)
from radpriv.benchmark.datasets.synthetic.engine.twin import Twin
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR


def test_a_tape_is_shake_in_counter_mode() -> None:
    tape = Tape("a", 1)
    drawn = [tape.integer() for _ in range(130)]
    blocks = b"".join(hashlib.shake_256(b"a/1#%d" % k).digest(1024) for k in (0, 1))
    assert drawn == [int.from_bytes(blocks[8 * i : 8 * i + 8], "big") for i in range(130)]
    assert drawn[:5] != [Tape("a", 2).integer() for _ in range(5)]


def test_no_entry_of_the_tables_lies_near_a_rounding_edge() -> None:
    def room(value: float) -> float:
        return abs(value - math.floor(value) - 0.5)

    assert min(room(SCALE * quantile(k, len(NORMAL))) for k in range(len(NORMAL))) > 1e-7
    from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate

    kinds: tuple[type[Twin], ...] = (SyntheticMimicCXR, SyntheticCTRate)
    for kind in kinds:
        for mu, sigma in read_calibration(kind.figures_file).words.values():
            assert min(room(math.exp(mu + sigma * quantile(k, 512))) for k in range(512)) > 1e-7


def test_normals_and_lengths_have_their_distribution() -> None:
    tape = Tape("normals")
    drawn = np.array([tape.normal() for _ in range(20_000)]) / SCALE
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.02
    assert abs((drawn > 1.645).mean() - 0.05) < 0.006
    words = lognormal(3.356, 0.44)
    assert abs(np.log(words).mean() - 3.356) < 0.01 and abs(np.log(words).std() - 0.44) < 0.01
    assert min(lognormal(-3.0, 0.1)) == 1


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_below_stays_below(n: int) -> None:
    tape = Tape("below", n)
    assert {tape.below(n) for _ in range(50)} <= set(range(n))
