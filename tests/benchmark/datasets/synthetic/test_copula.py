"""The copula: fitted, repaired, and the one that the figures' files hold."""

from __future__ import annotations

import numpy as np
import pytest

from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import (
    none_positive,
    read_calibration,
)
from radpriv.benchmark.datasets.synthetic.engine.copula import Latent, fit, nearest
from radpriv.benchmark.datasets.synthetic.engine.draws import SCALE, Tape
from radpriv.benchmark.datasets.synthetic.engine.twin import Twin
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR


def drawn(latent: Latent, reports: int) -> np.ndarray:
    tape = Tape("copula")
    return np.array([latent.positive(latent.begin(tape)) for _ in range(reports)], float)


def test_a_fit_has_the_rates_and_the_phi_it_was_asked_for() -> None:
    phi = np.array([[1.0, 0.4, -0.1], [0.4, 1.0, 0.0], [-0.1, 0.0, 1.0]])
    there = drawn(fit((0.2, 0.3, 0.1), phi, 0.8), 20_000)
    assert np.abs(there.mean(axis=0) - (0.2, 0.3, 0.1)).max() < 0.012
    assert np.abs(np.corrcoef(there.T) - phi).max() < 0.025


def test_matrix_of_no_copula_is_repaired_to_a_near_one() -> None:
    """A matrix that no copula can have is repaired to a near one."""
    wrong = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert np.linalg.eigvalsh(wrong)[0] < 0
    mended = nearest(wrong)
    assert np.linalg.eigvalsh(mended)[0] > 0 and np.allclose(np.diag(mended), 1.0)
    assert (np.sign(mended) == np.sign(wrong)).all()
    good = np.array([[1.0, 0.3], [0.3, 1.0]])
    assert np.array_equal(nearest(good), good)


def test_visits_are_correlated_with_the_same_distribution_each() -> None:
    """Visits are correlated and each has the same distribution."""
    latent = Latent(((SCALE,),), (0,), 0.8)
    tape = Tape("visits")
    g = [latent.begin(tape) for _ in range(20_000)]
    later = [latent.next(latent.next(x, tape), tape) for x in g]
    first, third = (np.array(x)[:, 0] / SCALE for x in (g, later))
    assert abs(np.corrcoef(first, third)[0, 1] - 0.64) < 0.03
    assert abs(third.mean()) < 0.03 and abs(third.std() - 1.0) < 0.03


@pytest.mark.parametrize("kind", [SyntheticMimicCXR, SyntheticCTRate])
def test_the_stored_copula_is_the_fit_to_the_stored_figures(kind: type[Twin]) -> None:
    figures = read_calibration(kind.figures_file)
    again = fit([x.positive for x in figures.labels], figures.phi(), figures.latent.keep)
    assert again.thresholds == figures.latent.thresholds
    for row, stored in zip(again.factor, figures.latent.factor):
        assert np.abs(np.array(row) - stored).max() <= 3
    if figures.clear:
        share = figures.clear / none_positive(figures, again, 100_000, seed=1)
        assert abs(share - figures.clear_given_none) < 0.01
