"""What a record is like in models without it: means of OUT references, and what stands in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radpriv.attacks.membership.held_out_models import split

VALUES = arrays(np.float64, (5, 7), elements=st.floats(-50, 50))
FLAGS = arrays(np.bool_, (5, 7))


@given(VALUES, FLAGS)
def test_it_equals_loops_over_records_and_references(
    values: np.ndarray, member: np.ndarray
) -> None:
    gaps = [
        np.mean([v for v, m in zip(vs, ms) if m]) - np.mean([v for v, m in zip(vs, ms) if not m])
        for vs, ms in zip(values, member)
        if any(ms) and not all(ms)
    ]
    found = split(values, member)
    for i in range(7):
        ins = [v for v, m in zip(values[:, i], member[:, i]) if m]
        outs = [v for v, m in zip(values[:, i], member[:, i]) if not m]
        assert (found.count_in[i], found.count_out[i]) == (len(ins), len(outs))
        if outs:
            spread = sum((v - np.mean(outs)) ** 2 for v in outs)
            assert found.spread_out[i] == pytest.approx(spread, abs=1e-9)
        if found.outside is not None:
            expected = np.mean(outs) if outs else np.mean(ins) - np.mean(gaps)
            assert found.outside[i] == pytest.approx(expected, abs=1e-9)
        if found.inside is not None:
            expected = np.mean(ins) if ins else np.mean(outs) + np.mean(gaps)
            assert found.inside[i] == pytest.approx(expected, abs=1e-9)
    if gaps:
        assert found.inside is not None and found.outside is not None


def test_record_that_all_saw_is_placed_by_the_gap() -> None:
    """A record that all models saw is placed by the gap and not left out."""
    values = np.array([[5.0, 1.0, 4.0], [7.0, 3.0, 2.0]])
    member = np.array([[True, False, True], [True, False, False]])
    # gaps: (5 + 4)/2 − 1 = 3.5 and 7 − (3 + 2)/2 = 4.5; mean 4
    found = split(values, member)
    assert found.outside is not None and found.inside is not None
    assert found.outside.tolist() == [6.0 - 4.0, 2.0, 2.0]
    assert found.inside.tolist() == [6.0, 2.0 + 4.0, 4.0]


def test_references_of_one_class_tell_only_their_own_side() -> None:
    values, yes = np.ones((2, 3)), np.ones((2, 3), bool)
    assert split(values, yes).outside is None and split(values, yes).inside is not None
    assert split(values, ~yes).inside is None and split(values, ~yes).outside is not None
    nobody = split(np.empty((0, 3)), np.empty((0, 3), bool))
    assert nobody.outside is None and nobody.inside is None
