"""What the figures of attacks share: a frame, names in the right margin, a note under the axis.

    draw = Drawing.start(theme, title)        # draw.axes is an empty panel, draw.figure its figure
    names(draw, [Name("lora", "AUC 0.71", 0.8, "blue", {"color": "blue"})])   # at 80% of its height
    note(draw, ["Bands: 95% over candidates and seeds."])

Names are text, never formulas; long ones are cut, and what cannot be printed is left out.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radpriv.reports.render.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 7.0, 4.9
LEFT, RIGHT, TOP, BOTTOM = 0.105, 0.63, 0.93, 0.235
LONGEST, LONGER = 30, 34
"""Characters of a name in the margin, and of the smaller line under it."""
COLUMNS = 110
"""Characters of a line of the note."""
SIZE, SMALL, NOTE = 9.5, 8.0, 8.0
MORE = {"light": ("#5C3A21", "#6A4FB3"), "dark": ("#D2B48C", "#B9A3FF")}
"""A seventh and an eighth colour of each theme."""


@dataclass(frozen=True)
class Drawing:
    """A figure with one panel."""

    figure: Figure
    axes: Axes
    theme: Theme

    @staticmethod
    def start(theme: Theme, title: str) -> Drawing:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=theme.page)
        axes = figure.add_subplot()
        figure.subplots_adjust(left=LEFT, right=RIGHT, top=TOP, bottom=BOTTOM)
        axes.set_facecolor("none")
        axes.set_title(
            printable(title, 80),
            loc="left",
            fontsize=11,
            fontweight="bold",
            color=theme.ink,
            parse_math=False,
        )
        axes.tick_params(which="both", colors=theme.ink, labelsize=SIZE, length=3)
        axes.tick_params(which="minor", length=1.5)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(theme.faint)
        return Drawing(figure, axes, theme)

    def height_of(self, x: float, y: float) -> float:
        """Where a point lies between the bottom of the panel, 0, and its top, 1."""
        at = self.axes.transAxes.inverted().transform(self.axes.transData.transform((x, y)))
        return min(1.0, max(0.0, float(at[1])))


@dataclass
class Labels:
    """Names waiting for a place in the right margin: (x, y, text, colour), x None = the edge."""

    waiting: list[tuple[float | None, float, str, str]] = field(default_factory=list)

    def places(self, gap: float, low: float, high: float) -> list[float]:
        """Heights at least `gap` apart, near the wanted ones and inside the axes if they fit."""
        wanted = np.array([y for _, y, _, _ in self.waiting])
        order = np.argsort(wanted, kind="stable")
        placed = wanted[order].astype(float)
        for i in range(1, len(placed)):
            placed[i] = max(placed[i], placed[i - 1] + gap)
        if len(placed) and placed[-1] > high:
            placed[-1] = high
            for i in range(len(placed) - 2, -1, -1):
                placed[i] = min(placed[i], placed[i + 1] - gap)
        result = np.empty_like(placed)
        result[order] = placed
        return [float(y) for y in result]


@dataclass(frozen=True)
class Name:
    """text and, smaller, detail.  height: the wanted place, 0 to 1.  sample: how the line that it
    names is drawn, shown before it."""

    text: str
    detail: str
    height: float
    colour: str
    sample: Mapping[str, Any]


def colours(theme: Theme) -> tuple[str, ...]:
    """Eight colours for lines."""
    return (*theme.lines, *MORE[theme.name])


def names(draw: Drawing, wanted: Sequence[Name]) -> None:
    """Writes them in the right margin, apart from one another, in the order of their heights."""
    panel = (TOP - BOTTOM) * HEIGHT * 72
    gap = 25.0 / panel
    if (len(wanted) - 1) * gap > 1:
        wanted = [_on_one_line(n) for n in wanted]
        gap = min(14.0 / panel, 1 / (len(wanted) - 1))
    places = Labels([(None, n.height, n.text, n.colour) for n in wanted]).places(gap, 0.0, 0.97)
    for name, place in zip(wanted, places):
        _name(draw, name, place)


def _on_one_line(name: Name) -> Name:
    both = f"{printable(name.text, LONGEST - 11)}, {name.detail}" if name.detail else name.text
    return replace(name, text=both, detail="")


def _name(draw: Drawing, name: Name, place: float) -> None:
    axes, up = draw.axes, 0.016 if name.detail else 0.0
    axes.plot(
        [1.03, 1.06, 1.09],
        [place + up] * 3,
        transform=axes.transAxes,
        clip_on=False,
        markevery=[1],
        solid_capstyle="butt",
        **name.sample,
    )
    lines = [(place + up, printable(name.text), SIZE, name.colour)]
    if name.detail:
        lines.append((place - 0.026, printable(name.detail, LONGER), SMALL, draw.theme.faint))
    for y, text, size, colour in lines:
        axes.text(
            1.11,
            y,
            text,
            transform=axes.transAxes,
            va="center",
            fontsize=size,
            color=colour,
            parse_math=False,
        )


def along(
    draw: Drawing,
    text: str,
    start: tuple[float, float],
    end: tuple[float, float],
    side: Literal["top", "bottom"],
    away: float,
) -> None:
    """A word along a straight line of the panel, from `start` towards `end` (data); "top": under
    it, y times `away`."""
    axes, shape = draw.axes, draw.figure.get_size_inches()
    (x0, y0), (x1, y1) = (
        axes.transAxes.inverted().transform(axes.transData.transform(p)) for p in (start, end)
    )
    box = axes.get_position()
    angle = math.degrees(
        math.atan2((y1 - y0) * box.height * shape[1], (x1 - x0) * box.width * shape[0])
    )
    axes.text(
        start[0],
        start[1] * away,
        text,
        rotation=angle,
        rotation_mode="anchor",
        fontsize=SMALL,
        color=draw.theme.faint,
        va=side,
    )


def note(draw: Drawing, sentences: Sequence[str]) -> None:
    """Small print at the bottom of the figure."""
    lines = textwrap.wrap(" ".join(sentences), COLUMNS)
    draw.figure.text(
        0.015,
        BOTTOM - 0.115,
        "\n".join(lines),
        va="top",
        fontsize=NOTE,
        linespacing=1.35,
        color=draw.theme.faint,
        parse_math=False,
    )


def nothing(draw: Drawing, why: str) -> None:
    """A panel that says why it is empty."""
    draw.axes.set_xticks([])
    draw.axes.set_yticks([])
    draw.axes.text(
        0.5,
        0.5,
        why,
        transform=draw.axes.transAxes,
        ha="center",
        va="center",
        fontsize=SIZE,
        color=draw.theme.faint,
        parse_math=False,
    )


def printable(text: str, longest: int = LONGEST) -> str:
    """On one line, without what cannot be printed, and no longer than `longest`."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return line if len(line) <= longest else line[: longest - 1] + "…"
