"""ROC curves of attacks on log-log axes: what is found where almost nobody is accused wrongly.

    lines = roc_lines(results, "openi")       # the strongest attack on each family, and what to
    figure = roc_figure(lines, "openi")       # compare it with: guessing, null, blind, control

At a low false-positive rate an attack names members it is sure of, which an AUC hides; so both axes
are logarithmic (Carlini et al. 2022, arXiv 2112.03570). They start at a stated `FLOOR`: a rate
below it, 0 as well, is drawn there. Where a model has fewer than 10/f non-members, TPR at f cannot
be told apart from luck: that stretch is dashed, has no band, and the note says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radpriv.attacks.metrics import Bools, Floats
from radpriv.errors import ReportError
from radpriv.reports.figures import figure_layout
from radpriv.reports.figures.f1_figure import MARKERS
from radpriv.reports.figures.figure_layout import Drawing, Name, names, note
from radpriv.reports.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOOR = 1e-3
MOST = 8
"""Attacks and controls in one panel; further attacks are counted in the note and not drawn."""

Role = Literal["attack", "null", "control", "blind"]


@dataclass(frozen=True)
class RocLine:
    """fpr (increasing), tpr and the ends of its 95% band: rates, one length; resolvable: bool.

    detail: stands small under the name.  replicates: what the band was drawn over.
    ReportError for unequal lengths or a rate outside [0, 1].
    """

    name: str
    fpr: Sequence[float] = field(repr=False)
    tpr: Sequence[float] = field(repr=False)
    low: Sequence[float] = field(repr=False)
    high: Sequence[float] = field(repr=False)
    resolvable: Sequence[bool] = field(repr=False)
    role: Role = "attack"
    detail: str = ""
    replicates: str = "candidates and seeds"

    def __post_init__(self) -> None:
        found = [np.asarray(v, dtype=np.float64) for v in (self.fpr, self.tpr, self.low, self.high)]
        if {v.shape for v in found} != {(len(self.resolvable),)} or not len(self.resolvable):
            raise ReportError(
                f"ROC curve of {self.name}: fpr, tpr, low, high and resolvable must be of one "
                "length, at least 1; run the attack again"
            )
        if not all(((v >= 0) & (v <= 1)).all() for v in found):
            raise ReportError(
                f"ROC curve of {self.name}: a rate is outside 0 to 1; run the attack again"
            )


def roc_figure(curves: Sequence[RocLine], title: str, theme: Theme = LIGHT) -> Figure:
    """One panel; attacks in the given order, at most `MOST` together with the controls. Without
    curves it says that there is none."""
    draw = Drawing.start(theme, title)
    if not curves:
        figure_layout.nothing(draw, "no membership attack has a result")
        return draw.figure
    shown, left_out = _shown(curves)
    _frame(draw)
    at = _reference(shown)
    labels = []
    for line, style in zip(shown, _styles(shown, theme)):
        _band(draw, line, style["color"], 0.22 if line.role == "null" else 0.13)
        if line.role != "null":
            _curve(draw, line, style)
        x, y = _on_axes(line.fpr, line.tpr)
        height = draw.height_of(1.0, float(np.interp(at, x, y)))
        ink = style["color"] if line.role in ("attack", "control") else theme.faint
        labels.append(Name(line.name, line.detail, height, ink, sample=style))
    names(draw, labels)
    note(draw, _sentences(shown, left_out))
    return draw.figure


def _shown(curves: Sequence[RocLine]) -> tuple[list[RocLine], int]:
    """What is drawn, and how many attacks are not."""
    attacks = [c for c in curves if c.role == "attack"]
    room = max(1, MOST - sum(c.role == "control" for c in curves))
    dropped = {id(c) for c in attacks[room:]}
    return [c for c in curves if id(c) not in dropped], len(dropped)


def _reference(shown: Sequence[RocLine]) -> float:
    """The rate at which names are ordered: the least that every curve resolves, or 10%."""
    least = [
        min((f for f, can in zip(c.fpr, c.resolvable) if can and f > 0), default=0.1) for c in shown
    ]
    return max(FLOOR, min(0.1, max(least)))


def _styles(shown: Sequence[RocLine], theme: Theme) -> list[dict[str, Any]]:
    """Colour, line and marker of each curve; attacks that share a colour differ in their marker."""
    fixed: dict[str, dict[str, Any]] = {
        "control": {"color": theme.ink, "lw": 1.5, "marker": "*", "ms": 6},
        "blind": {"color": theme.faint, "lw": 1.2, "marker": "|", "ms": 6},
        "null": {"color": theme.faint, "lw": 9, "alpha": 0.25},
    }
    colours = figure_layout.colours(theme)
    styles, number = [], 0
    for line in shown:
        if line.role == "attack":
            colour = colours[number % len(colours)]
            marker = MARKERS[number % len(MARKERS)]
            styles.append({"color": colour, "lw": 1.7, "marker": marker, "ms": 4})
            number += 1
        else:
            styles.append(fixed[line.role])
    return styles


def _on_axes(fpr: Sequence[float], values: Sequence[float]) -> tuple[Floats, Floats]:
    """Both from `FLOOR` to 1; of all points below the floor, the last stands for the others."""
    x, y = np.asarray(fpr, dtype=np.float64), np.asarray(values, dtype=np.float64)
    start = max(0, int(np.searchsorted(x, FLOOR, side="right")) - 1)
    return np.clip(x[start:], FLOOR, 1.0), np.clip(y[start:], FLOOR, 1.0)


def _band(draw: Drawing, line: RocLine, colour: str, alpha: float) -> None:
    x, low = _on_axes(line.fpr, line.low)
    _, high = _on_axes(line.fpr, line.high)
    can = np.asarray(line.resolvable, dtype=np.bool_)[-len(x) :]
    draw.axes.fill_between(x, low, high, where=can, color=colour, alpha=alpha, lw=0, zorder=1)


def _curve(draw: Drawing, line: RocLine, style: Mapping[str, Any]) -> None:
    x, y = _on_axes(line.fpr, line.tpr)
    can = np.asarray(line.resolvable, dtype=np.bool_)[-len(x) :]
    for start, stop, solid in _runs(can):
        look = {**style} if solid else {**style, "ls": (0, (2.5, 1.6)), "alpha": 0.55, "marker": ""}
        # A dashed stretch reaches to the next point, so that the curve has no gap.
        end = min(len(x), stop + 1) if not solid or stop < len(x) else stop
        draw.axes.plot(x[start:end], y[start:end], markevery=4, zorder=3, **look)


def _runs(flags: Bools) -> Iterator[tuple[int, int, bool]]:
    """(start, stop, value) of each run of equal flags."""
    edges = [0, *(np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist(), len(flags)]
    for start, stop in pairwise(edges):
        yield start, stop, bool(flags[start])


def _frame(draw: Drawing) -> None:
    axes, theme = draw.axes, draw.theme
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(FLOOR, 1.0)
    axes.set_ylim(FLOOR, 1.0)
    decades = [10.0**p for p in range(round(math.log10(FLOOR)), 1)]
    axes.set_xticks(decades, [f"{d:g}" for d in decades])
    axes.set_yticks(decades, [f"{d:g}" for d in decades])
    axes.set_xlabel("false-positive rate", color=theme.ink, fontsize=figure_layout.SIZE)
    axes.set_ylabel("true-positive rate", color=theme.ink, fontsize=figure_layout.SIZE)
    axes.grid(color=theme.grid, lw=0.8, zorder=0)
    axes.plot([FLOOR, 1.0], [FLOOR, 1.0], color=theme.ink, lw=1.0, ls=":", zorder=2)
    figure_layout.along(draw, "guessing", (0.2, 0.2), (0.6, 0.6), "top", 0.85)


def _sentences(shown: Sequence[RocLine], left_out: int) -> list[str]:
    over = sorted({c.replicates for c in shown})
    sentences = [f"Bands: 95% over {' or '.join(over)}, at each rate."]
    if not all(all(c.resolvable) for c in shown):
        sentences.append(
            "Dashed, without a band: fewer than 10/f non-members at a false-positive rate f, not "
            "to be told from luck."
        )
    sentences.append(f"A rate below {FLOOR:g}, 0 as well, is drawn at {FLOOR:g}.")
    if left_out:
        more = "attacks are" if left_out > 1 else "attack is"
        sentences.append(f"{left_out} more {more} not drawn.")
    return sentences
