"""Silver labels: the F1 of each class is the labeller's, and nothing else changes."""

from __future__ import annotations

import numpy as np

from radpriv.benchmark.datasets.synthetic.ct_rate.synthetic_ct_rate import SyntheticCTRate
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.silver import Noise
from radpriv.benchmark.datasets.synthetic.engine.states import BLANK, NEGATIVE, UNCERTAIN
from radpriv.benchmark.datasets.synthetic.mimic_cxr.synthetic_mimic_cxr import SyntheticMimicCXR

FIGURES = SyntheticMimicCXR.figures()


def f1(true: np.ndarray, found: np.ndarray) -> float:
    return float(2 * (true & found).sum() / max(1, true.sum() + found.sum()))


def states(rows: int) -> np.ndarray:
    """Independent states at the rates of the figures: all that the noise looks at."""
    tape = Tape("states")
    return np.array(
        [
            [(0, 1, 2, 3)[tape.weighted(_shares(label))] for label in FIGURES.labels]
            for _ in range(rows)
        ]
    )


def _shares(label: object) -> tuple[float, float, float]:
    p, n, u = (getattr(label, name) for name in ("positive", "negative", "uncertain"))
    return 1.0 - p - n - u, n, u


def test_each_class_is_found_as_well_as_the_labeller_finds_it() -> None:
    true = states(8_000)
    noise, tape = Noise.of(FIGURES), Tape("noise")
    found = np.array([noise.states(tuple(row), tape) for row in true.tolist()])
    checked = 0
    for j, label in enumerate(FIGURES.labels):
        mention, negation, doubt = label.noise
        t, s = true[:, j], found[:, j]
        expected = {
            "mention": (mention, t != BLANK, s != BLANK),
            "negation": (min(negation, mention), t == NEGATIVE, s == NEGATIVE),
            "uncertainty": (min(doubt, mention), t == UNCERTAIN, s == UNCERTAIN),
        }
        for name, (goal, there, told) in expected.items():
            if there.sum() >= 120:
                checked += 1
                assert abs(f1(there, told) - goal) < 0.07, (label.name, name)
            assert abs(there.mean() - told.mean()) < 0.012, (label.name, name)
    assert checked > 16


def test_states_stay_without_noise_and_no_finding_has_its_own_f1() -> None:
    """Without noise the states stay, and "no finding" has its own F1."""
    still, tape = Noise.of(SyntheticCTRate.figures()), Tape("still")
    k = len(SyntheticCTRate.figures().labels)
    rows = [tuple(tape.pick((BLANK, NEGATIVE, 3)) for _ in range(k)) for _ in range(4000)]
    changed = [still.states(row, tape) != row for row in rows]
    assert abs(np.mean(changed) - 0.0431) < 0.012
    noise = Noise.of(FIGURES)
    clear = np.array([tape.chance(FIGURES.clear or 0.0) for _ in range(8000)])
    told = np.array([noise.cleared(bool(c), tape) for c in clear])
    assert abs(f1(clear, told) - 0.543) < 0.03 and abs(clear.mean() - told.mean()) < 0.02
