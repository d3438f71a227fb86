"""Silver labels: true states changed at random, as often as an automatic labeller errs.

Published is the labeller's F1 per label for mention, negation and uncertainty (radiologists as the
reference). Of each class as many are lost as are wrongly found, so precision = recall = F1 and the
label's rates stay as they are:

    mention   lost with 1 - F_m; as many blanks become mentions, in the shares of the true ones
    negation  of those found, lost to "positive" with 1 - F_n / F_m; as many positives become
              negative (F_n above F_m cannot be: it counts as F_m)
    uncertainty  likewise
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import Calibration, Rates
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape
from radpriv.benchmark.datasets.synthetic.engine.states import BLANK, POSITIVE

Row = tuple[float, float, float]


@dataclass(frozen=True)
class Noise:
    """moves: per label, from each state, the chances of becoming the first three states.

    clear: chances that No Finding is lost, and that it is wrongly found.
    mismatch: share of reports of which one label is turned over.
    """

    moves: tuple[tuple[Row, Row, Row, Row], ...]
    clear: tuple[float, float]
    mismatch: float

    @classmethod
    def of(cls, figures: Calibration) -> Noise:
        f, p = figures.rates.get("clear_f1", 1.0), figures.clear or 0.0
        return cls(
            moves=tuple(_moves(label) for label in figures.labels),
            clear=(1.0 - f, p * (1.0 - f) / (1.0 - p)),
            mismatch=figures.rates.get("mismatch", 0.0),
        )

    def states(self, states: Sequence[int], tape: Tape) -> tuple[int, ...]:
        """The silver states of one report."""
        silver = [tape.weighted(rows[state]) for rows, state in zip(self.moves, states)]
        if tape.chance(self.mismatch):
            label = tape.below(len(silver))
            silver[label] = BLANK if silver[label] == POSITIVE else POSITIVE
        return tuple(silver)

    def cleared(self, clear: bool, tape: Tape) -> bool:
        """Whether the silver labels say No Finding."""
        lost, found = self.clear
        return not tape.chance(lost) if clear else tape.chance(found)


def _moves(label: Rates) -> tuple[Row, Row, Row, Row]:
    """From blank, negative, uncertain, positive (the order of states.py): chances of the first
    three; the rest is positive."""
    p, n, u = label.positive, label.negative, label.uncertain
    mention, negation, doubt = label.noise
    mentioned = p + n + u
    lost = 1.0 - mention
    found = lost / (1.0 - mentioned)  # per unit of a class's rate
    n_kept, u_kept = min(negation, mention), min(doubt, mention)
    return (
        (1.0 - mentioned * found, n * found, u * found),
        (lost, n_kept, 0.0),
        (lost, 0.0, u_kept),
        (lost, n * (mention - n_kept) / p, u * (mention - u_kept) / p),
    )
