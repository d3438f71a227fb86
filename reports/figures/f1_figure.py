"""F1 against ε: private methods as points with intervals, the rest as horizontal lines.

Drawn without pyplot and without dates or random ids, so equal results give equal bytes. Names are
written beside their lines, as text and never as formulas; colours are Okabe and Ito's, safe for
colour-blind readers, and markers differ too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from radpriv.reports.figures.figure_layout import Labels
from radpriv.reports.render.theme import LIGHT, Theme
from radpriv.reports.results.dataset_scores import DatasetScores, ScoreRow
from radpriv.reports.statistics.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 5.6, 4.0
DODGE = 0.03
MARKERS = "osD^vPX"
DASHES = ((6, 2), (3, 1.5), (8, 2, 2, 2), (1, 1))


def f1_figure(datasets: Sequence[tuple[DatasetScores, str]], theme: Theme = LIGHT) -> Figure:
    """One panel for each (scores, title)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT * len(datasets)), facecolor=theme.page)
    for i, (scores, title) in enumerate(datasets):
        axes = figure.add_subplot(len(datasets), 1, i + 1)
        _panel(axes, scores, theme)
        axes.set_title(
            title, loc="left", fontsize=12, fontweight="bold", color=theme.ink, parse_math=False
        )
    bottom = 0.55 / (HEIGHT * len(datasets))
    figure.subplots_adjust(left=0.11, right=0.665, top=1 - 0.7 * bottom, bottom=bottom, hspace=0.3)
    return figure


def _panel(axes: Axes, scores: DatasetScores, theme: Theme) -> None:
    labels = Labels()
    shown = [r for r in scores.rows if r.complete and r.estimates["weighted"].defined]
    private = [r for r in shown if r.private]
    epsilons = sorted({r.epsilon for r in private})
    top = max(
        [0.5, *(_weighted(r).high for r in [*shown, *scores.trivial] if _weighted(r).defined)]
    )
    high = min(1.0, top + 0.06)
    _references(axes, scores, shown, theme, labels)
    _private_lines(axes, scores, private, theme, labels)
    _frame(axes, epsilons, high, theme)
    gap = 14.5 / (0.8 * 72 * HEIGHT) * high
    places = labels.places(gap, 0, high)
    for (x, y, text, colour), place in zip(labels.waiting, places):
        axes.annotate(
            text,
            xy=(1.0 if x is None else x, y),
            xytext=(1.06, place),
            xycoords=("axes fraction" if x is None else "data", "data"),
            textcoords=("axes fraction", "data"),
            va="center",
            fontsize=10.5,
            color=colour,
            parse_math=False,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.7,
                "shrinkA": 0,
                "shrinkB": 0 if x is None else 5,
                "relpos": (0, 0.5),
            },
        )


def _references(
    axes: Axes, scores: DatasetScores, shown: Sequence[ScoreRow], theme: Theme, labels: Labels
) -> None:
    short = _names(scores.rows)
    others = [r for r in shown if not r.private and not r.trivial]
    for i, row in enumerate(others):
        e = _weighted(row)
        axes.axhspan(e.low, e.high, color=theme.faint, alpha=0.10, lw=0)
        style = (0, DASHES[i % len(DASHES)])
        axes.axhline(e.mean, color=theme.faint, lw=1.3, ls=style)
        labels.waiting.append((None, e.mean, f"{short(row)}, no DP", theme.faint))
    trivial = [r for r in shown if r.trivial] + [r for r in scores.trivial if r.label[-3:] == "ive"]
    for row in trivial:
        e = _weighted(row)
        if e.defined and row.label != "all negative":
            axes.axhline(e.mean, color=theme.faint, lw=1.2, ls=":")
            labels.waiting.append((None, e.mean, row.label, theme.faint))


def _private_lines(
    axes: Axes, scores: DatasetScores, rows: Sequence[ScoreRow], theme: Theme, labels: Labels
) -> None:
    short = _names(scores.rows)
    lines: dict[str, list[ScoreRow]] = {}
    for row in rows:
        lines.setdefault(short(row), []).append(row)
    for i, (name, points) in enumerate(lines.items()):
        points = sorted(points, key=lambda r: r.epsilon)
        shift = 10 ** (DODGE * (i - (len(lines) - 1) / 2))
        x = [r.epsilon * shift for r in points]
        found = [_weighted(r) for r in points]
        colour = theme.lines[i % len(theme.lines)]
        axes.errorbar(
            x,
            [e.mean for e in found],
            yerr=np.nan_to_num([[e.mean - e.low for e in found], [e.high - e.mean for e in found]]),
            color=colour,
            marker=MARKERS[i % len(MARKERS)],
            ms=6,
            lw=1.8,
            elinewidth=1.4,
            capsize=3,
            zorder=3,
        )
        labels.waiting.append((x[-1], found[-1].mean, name, colour))


def _frame(axes: Axes, epsilons: Sequence[float], high: float, theme: Theme) -> None:
    axes.set_facecolor("none")
    if epsilons:
        axes.set_xscale("log")
        axes.set_xlim(epsilons[0] / 1.7, epsilons[-1] * 1.7)
        axes.set_xticks(epsilons, [f"{e:g}" for e in epsilons])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("privacy budget ε (log scale)", color=theme.ink, fontsize=10.5)
    else:
        axes.set_xticks([])
        axes.set_xlabel("no private row has a result", color=theme.ink, fontsize=10.5)
    axes.set_ylim(0, high)
    axes.set_ylabel("weighted F1", color=theme.ink, fontsize=10.5)
    axes.tick_params(colors=theme.ink, labelsize=10.5, length=3)
    axes.grid(axis="y", color=theme.grid, lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.faint)


def _names(rows: Sequence[ScoreRow]) -> Callable[[ScoreRow], str]:
    """Names without the encoder, where all rows that use one use the same."""
    one = len({r.encoder for r in rows if r.encoder}) < 2
    return lambda row: row.label if one else row.name


def _weighted(row: ScoreRow) -> Estimate:
    return row.estimates["weighted"]
