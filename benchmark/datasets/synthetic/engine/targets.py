"""The figures that a twin was calibrated to, as `radpriv data describe` sets them beside its own.

Tolerances are the specification's: a point for rates, a twentieth for phi, of 20,000 independent
reports. A few thousand reports of patients who come again and again scatter more than that.
"""

from __future__ import annotations

from radpriv.benchmark.datasets.reference_figures import Published
from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import Calibration

RATE, PHI = 0.01, 0.05
OPENI = "Open-i, 3,927 reports with text, findings and impression; measured on the archive"


def positive(figures: Calibration, source: str) -> tuple[Published, ...]:
    """Shares of reports with each label."""
    rates = tuple(Published(f"positive/{x.name}", x.positive, RATE, source) for x in figures.labels)
    if figures.clear is None:
        return rates
    return (Published("positive/No Finding", figures.clear, RATE, source), *rates)


def uncertain(figures: Calibration, source: str) -> tuple[Published, ...]:
    """Shares of reports that leave each label open."""
    return tuple(
        Published(f"unobserved/{x.name}", x.uncertain, RATE, source) for x in figures.labels
    )


def phi(figures: Calibration, source: str) -> tuple[Published, ...]:
    """Phi coefficients of the pairs for which one was published."""
    return tuple(
        Published("/".join(("phi", *sorted(pair))), value, PHI, source)
        for pair, value in figures.pairs.items()
    )


def repetition() -> tuple[Published, ...]:
    """Open-i's, which a twin should reach: its share of unique reports and of unique sentences.

    By the definitions of described_values.py, since they stand beside what it measures. Split after
    every full stop, question or exclamation mark, 35.2% of sentences are unique.
    """
    return (
        Published("unique_reports/at/3927", 0.797, None, f"{OPENI}; to be reached"),
        Published("unique_sentences/at/3927", 0.372, None, f"{OPENI}; to be reached"),
    )


def token_lengths() -> tuple[Published, ...]:
    """Open-i's, whose reports nearly all have both sections; of the twin's half have one alone."""
    figures = {"p5": 28, "p50": 63, "p95": 132, "p99": 179}
    return tuple(Published(f"tokens/{q}", value, None, OPENI) for q, value in figures.items())
