"""What a twin's reports will say, before a word is written: patients, visits, states of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from radpriv.benchmark.datasets.synthetic.engine.calibration_figures import Calibration, Rates
from radpriv.benchmark.datasets.synthetic.engine.draws import Tape

BLANK, NEGATIVE, UNCERTAIN, POSITIVE = range(4)
_TELLING = 0.5  # one report denies so much more than the mean, another less: negatives go together
_MOST = 0.9  # of what is denied at all, in the sections that deny by habit


@dataclass(frozen=True, slots=True)
class VisitStates:
    """states, before: one state per label, now and at the last visit (None: there was none).

    clear: nothing but a device is there, and nothing else abnormal may be told.
    other: something abnormal that bears no label must be told.
    kind: index in Calibration.kinds: which section bears the labels. A lone one denies more.
    """

    patient: int
    number: int
    states: tuple[int, ...]
    before: tuple[int, ...] | None
    clear: bool
    other: bool
    kind: int = 0


def visits(figures: Calibration, root: str, patient: int) -> Iterator[VisitStates]:
    """The visits of one patient, whose draws depend on its number only."""
    tape = Tape(root, "patient", patient)
    shares = figures.reports_per_patient
    g = figures.latent.begin(tape)
    before: tuple[int, ...] | None = None
    for number in range(1 + min(tape.weighted(shares), len(shares) - 1)):
        if number:
            g = figures.latent.next(g, tape)
        visit = _visit(figures, tape, g, patient, number, before)
        yield visit
        before = visit.states


def _visit(
    figures: Calibration,
    tape: Tape,
    g: list[int],
    patient: int,
    number: int,
    before: tuple[int, ...] | None,
) -> VisitStates:
    there = figures.latent.positive(g)
    ill = any(t for t, label in zip(there, figures.labels) if label.pathology)
    clear = not ill and (figures.clear is None or tape.chance(figures.clear_given_none))
    kind = tape.weighted(figures.kinds[:2]) if figures.kinds[0] < 1.0 else 0
    sign = 1.0 if tape.chance(0.5) else -1.0
    states = []
    for positive, label in zip(there, figures.labels):
        clears = (figures.clear or 0.0) if label.pathology else 0.0
        doubtful = tape.chance(label.uncertain / (1.0 - label.positive - clears))
        share = _denied(label, figures.kinds)[kind]
        denied = tape.chance(share + sign * min(_TELLING * share, 1.0 - share))
        if positive:
            states.append(POSITIVE)
        elif doubtful and not (clear and label.pathology):
            states.append(UNCERTAIN)
        else:
            states.append(NEGATIVE if denied else BLANK)
    told = any(s >= UNCERTAIN for s, label in zip(states, figures.labels) if label.pathology)
    aside = tape.chance(figures.rates["other_abnormality"])
    return VisitStates(
        patient=patient,
        number=number,
        states=tuple(states),
        before=before,
        clear=clear,
        other=not clear and (aside or not told),
        kind=kind,
    )


def _denied(label: Rates, kinds: tuple[float, ...]) -> list[float]:
    """Shares of reports, by kind, that deny a label which is neither there nor open.

    Sections that stand alone deny by habit, as far as the published share of all reports leaves
    room: findings first, then impressions. Impressions beside findings deny what is left.
    """
    left = label.negative / (1.0 - label.positive - label.uncertain)
    reports = 1.0
    shares = []
    for kind in reversed(kinds[1:]):
        much = max(left / reports, min(label.habit, _MOST * left / kind)) if kind else 0.0
        shares.append(much)
        left, reports = left - kind * much, reports - kind
    return [left / reports, *reversed(shares)]
