"""Certified against empirical ε: how much of what is allowed to leak an audit shows to leak.

    points = epsilon_points(results, "openi")      # figure_data.py
    figure = epsilon_figure(points, "openi")

An accountant bounds ε from above, an audit from below, so every point belongs under the line
y = x; one above it would refute its certificate. A point far below it says little alone: beside
it stand, hollow, what the same audit shows of exactly the mechanism accounted (the ideal value),
and, dashed, the most that so many canaries can show (the ceiling): Nasr et al. 2023
(arXiv 2302.07956) and Steinke et al. 2023 (arXiv 2305.08846). The y axis is linear near 0, where
an audit that found nothing stands, and logarithmic above.

Seen from the final model ("black box", attacks on records), at every step ("white box", attacks on
gradients), and for comparison a Gaussian mechanism whose ε is known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radpriv.errors import ReportError
from radpriv.reports.figures import figure_layout
from radpriv.reports.figures.figure_layout import Drawing, Name, names, note
from radpriv.reports.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["black box", "white box", "known mechanism"]
MARKS: dict[Kind, str] = {"black box": "o", "white box": "s", "known mechanism": "D"}
LINEAR = 0.1
"""The y axis is linear up to here, or lower where some certificate is below 0.3."""
DODGE = 0.04
"""Decades between the series of one ε, at most."""
KNOWN: Kind = "known mechanism"


@dataclass(frozen=True)
class EpsilonPoint:
    """One audit: name (of the method), certified ε > 0, the 95% lower bound, both finite; ideal and
    ceiling of the same audit (None: not known).  choices: how many attacks it is the largest of.
    corrected: whether the bound holds after that choice.  ReportError for other numbers.
    """

    name: str
    certified: float
    empirical: float
    ideal: float | None
    ceiling: float | None
    kind: Kind
    choices: int = 1
    corrected: bool = True

    def __post_init__(self) -> None:
        found = [v for v in (self.empirical, self.ideal, self.ceiling) if v is not None]
        if not (0 < self.certified < math.inf and all(0 <= v < math.inf for v in found)):
            raise ReportError(
                f"audit of {self.name}: certified ε {self.certified!r} must be above 0 and finite, "
                f"its bounds {found} at least 0 and finite; run the attack again"
            )


def epsilon_figure(points: Sequence[EpsilonPoint], title: str, theme: Theme = LIGHT) -> Figure:
    """One panel; points of a method are joined, those of known mechanisms are not."""
    draw = Drawing.start(theme, title)
    if not points:
        figure_layout.nothing(draw, "no private family has an audit")
        return draw.figure
    _frame(draw, points)
    labels = _ceilings(draw, points)
    methods = list(dict.fromkeys(p.name for p in points if p.kind != KNOWN))
    series: dict[tuple[str, Kind], list[EpsilonPoint]] = {}
    for p in sorted(points, key=lambda p: (p.kind == KNOWN, p.certified)):
        series.setdefault(("" if p.kind == KNOWN else p.name, p.kind), []).append(p)
    step = _step(_apart([p.certified for p in points]), len(series))
    palette = figure_layout.colours(theme)
    for i, ((name, kind), found) in enumerate(series.items()):
        colour = theme.faint if kind == KNOWN else palette[methods.index(name) % len(palette)]
        shift = 10 ** (step * (i - (len(series) - 1) / 2))
        line = "none" if kind == KNOWN else "-"  # one point for each family's coins: no curve
        at = _series(draw, found, MARKS[kind], colour, shift, line)
        sample = {"color": colour, "marker": MARKS[kind], "ms": 5, "lw": 1.2, "ls": line}
        text, detail = (kind, "") if kind == KNOWN else (name, kind)
        labels.append(Name(text, detail, draw.height_of(*at), colour, sample))
    names(draw, labels)
    note(draw, _sentences(points))
    return draw.figure


def _frame(draw: Drawing, points: Sequence[EpsilonPoint]) -> None:
    axes, theme = draw.axes, draw.theme
    least, most = min(p.certified for p in points), max(p.certified for p in points)
    values = [v for p in points for v in (p.empirical, p.ideal, p.ceiling) if v is not None]
    linear = min(LINEAR, 10.0 ** math.floor(math.log10(least / 3)))
    left, right, top = least / 1.8, most * 1.8, 2.6 * max([*values, most])
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=linear, linscale=0.6)
    axes.set_xlim(left, right)
    axes.set_ylim(0, top)
    ticks = _apart([p.certified for p in points])
    axes.set_xticks(ticks, [f"{t:.2g}" for t in ticks])
    axes.set_xticks([], minor=True)
    decades = range(round(math.log10(linear)), math.floor(math.log10(top)) + 1)
    heights = [0.0, *(m * 10.0**d for d in decades for m in (1, 3) if m * 10.0**d < top)]
    axes.set_yticks(heights, [f"{h:g}" for h in heights])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("certified ε (log scale)", color=theme.ink, fontsize=figure_layout.SIZE)
    axes.set_ylabel("ε shown by the audit, at least", color=theme.ink, fontsize=figure_layout.SIZE)
    axes.grid(axis="y", color=theme.grid, lw=0.8, zorder=0)
    x = np.geomspace(left, right, 200)
    axes.fill_between(x, x, top, color=theme.lines[1], alpha=0.09, lw=0, zorder=0)
    axes.plot(x, x, color=theme.ink, lw=1.1, zorder=1)
    figure_layout.along(
        draw, "certified", (left * 1.06, left * 1.06), (right, right), "bottom", 1.06
    )
    axes.text(
        0.02,
        0.985,
        "above the line: would refute the certificate",
        transform=axes.transAxes,
        fontsize=figure_layout.SIZE,
        color=theme.lines[1],
        va="top",
    )


def _series(
    draw: Drawing, found: Sequence[EpsilonPoint], mark: str, colour: str, shift: float, line: str
) -> tuple[float, float]:
    """Draws the points of one name and kind, joined by `line`; where the last one stands."""
    axes = draw.axes
    x = [_beside(p, shift) for p in found]
    y = [p.empirical for p in found]
    axes.plot(x, y, color=colour, lw=1.2, ls=line, marker=mark, ms=5.5, clip_on=False, zorder=4)
    for at, p in zip(x, found):
        if p.ideal is not None:
            axes.plot([at, at], [p.empirical, p.ideal], color=colour, lw=0.8, alpha=0.4, zorder=2)
            hollow: dict[str, Any] = {"marker": mark, "mfc": "none", "ms": 5.5, "mew": 1.2}
            axes.plot([at], [p.ideal], color=colour, zorder=3, **hollow)
        if p.empirical > p.certified:
            ring: dict[str, Any] = {"marker": "o", "mfc": "none", "ms": 13, "mew": 1.6}
            axes.plot([at], [p.empirical], color=draw.theme.lines[1], zorder=5, **ring)
    return x[-1], y[-1]


def _beside(point: EpsilonPoint, shift: float) -> float:
    """The certified ε moved a little, unless that would carry a value across the line y = x."""
    values = [point.empirical] if point.ideal is None else [point.empirical, point.ideal]
    moved = point.certified * shift
    same = all((v > moved) == (v > point.certified) for v in values)
    return moved if same else point.certified


def _ceilings(draw: Drawing, points: Sequence[EpsilonPoint]) -> list[Name]:
    """One dashed line for each ceiling, over the points that have it."""
    found: dict[str, list[EpsilonPoint]] = {}
    for p in points:
        if p.ceiling is not None:
            found.setdefault(f"{p.ceiling:.2g}", []).append(p)
    labels = []
    for having in found.values():
        height = max(p.ceiling or 0.0 for p in having)
        ends = min(p.certified for p in having) / 1.3, max(p.certified for p in having) * 1.3
        style: dict[str, Any] = {"color": draw.theme.faint, "lw": 1.1, "ls": (0, (5, 2.5))}
        draw.axes.plot(ends, [height] * 2, zorder=1, **style)
        kinds = ", ".join(dict.fromkeys("known" if p.kind == KNOWN else p.kind for p in having))
        where = draw.height_of(ends[1], height)
        labels.append(Name("ceiling", kinds, where, draw.theme.faint, style))
    return labels


def _apart(values: Sequence[float]) -> list[float]:
    """Ticks: the values that are not too near the one before."""
    ticks: list[float] = []
    for v in sorted(values):
        if not ticks or v > 1.35 * ticks[-1]:
            ticks.append(v)
    return ticks


def _step(ticks: Sequence[float], series: int) -> float:
    """Decades between neighbouring series, so that those of one tick stay apart from the next."""
    near = min((math.log10(b / a) for a, b in pairwise(ticks)), default=1.0)
    return min(DODGE, 0.6 * near / max(1, series - 1))


def _sentences(points: Sequence[EpsilonPoint]) -> list[str]:
    sentences = ["Filled: 95% lower bound of a one-run audit; 0: nothing found."]
    if any(p.ideal is not None for p in points):
        sentences.append("Hollow: what the same audit shows of exactly the mechanism accounted.")
    if any(p.ceiling is not None for p in points):
        sentences.append("Dashed: the most that so many canaries can show.")
    most = max(p.choices for p in points)
    if most > 1:
        right = all(p.corrected for p in points)
        how = "over attacks," if right else f"of up to {most} attacks, not"
        sentences.append(f"The largest {how} corrected for that choice.")
    if any(p.empirical > p.certified for p in points):
        sentences.append(
            "Ringed: above its certificate; a bound describes, the test is made apart."
        )
    return sentences
