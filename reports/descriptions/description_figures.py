"""The figures of a description: how often, how long, how many words.

Blue is what was measured; a vermillion diamond is what was published (its own word in the legend).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from radpriv.benchmark.store.description_schema import Description
from radpriv.errors import ReportError
from radpriv.reports.render.own_settings import own_settings
from radpriv.reports.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
SIZE = 9.5
QUANTILES = {"p5": "5%", "p50": "median", "p95": "95%"}
CHARACTER = 0.078
"""Inches that a character of that size takes at most, on average."""


def published(data: Description) -> dict[str, float]:
    """Published values by figure; phi/A/B by both orders."""
    found: dict[str, float] = {}
    for entry in data.published:
        found[entry.figure] = entry.value
        parts = entry.figure.split("/")
        if parts[0] == "phi" and len(parts) == 3:
            found["/".join((parts[0], parts[2], parts[1]))] = entry.value
    return found


def measured(data: Description, name: str) -> float:
    """A number that every dataset has."""
    if (value := data.values[name]) is None:
        raise ReportError(
            f"description of {data.dataset}: '{name}' is not measured; describe it again"
        )
    return value


@own_settings()
def prevalence(data: Description, theme: Theme = LIGHT, titled: bool = True) -> Figure:
    """Share of positive reports per label, with intervals and published marks."""
    labels, known = data.labels, published(data)
    shares = [s.positive for s in data.shares]
    marks = [known.get(f"positive/{label}") for label in labels]
    title = f"{data.dataset}: how often each label is positive" if titled else ""
    beside = any(m is not None for m in marks)
    left, right = 0.35 + CHARACTER * _longest(labels), 1.6 if beside else 0.8
    figure, axes = _axes(0.29 * len(labels), theme, title, left, right)
    rows = list(range(len(labels)))
    whiskers = [[s.share - s.low for s in shares], [s.high - s.share for s in shares]]
    axes.barh(rows, [s.share for s in shares], height=0.62, color=theme.lines[0], alpha=0.75)
    axes.errorbar(
        [s.share for s in shares],
        rows,
        xerr=whiskers,
        fmt="none",
        ecolor=theme.ink,
        elinewidth=1.0,
        capsize=2,
    )
    _diamonds(axes, [(m, y) for m, y in zip(marks, rows) if m is not None], theme)
    _column(axes, "measured", 0.72, [percent(s.share) for s in shares], theme.lines[0])
    if beside:
        texts = ["" if m is None else percent(m) for m in marks]
        _column(axes, "◆ published", 1.5, texts, theme.lines[1])
    axes.set_yticks(rows, [plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1.04 * max([0.01, *(s.high for s in shares), *(m or 0.0 for m in marks)]))
    axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:g}%")
    _frame(axes, theme, "share of all reports, with its 95% interval", "", grid="x")
    return figure


@own_settings()
def lengths(data: Description, theme: Theme = LIGHT, titled: bool = True) -> Figure:
    """Histogram of words per report, with quantiles."""
    title = f"{data.dataset}: words per report" if titled else ""
    figure, axes = _axes(2.5, theme, title, 0.75)
    bars, known = data.histogram, published(data)
    width, counts = bars.width, bars.counts
    edges = [width * i for i in range(len(counts))]
    axes.bar(
        edges, counts, width=width, align="edge", color=theme.lines[0], alpha=0.75, lw=0.6,
        edgecolor=theme.page if theme.page != "none" else "#181e29",
    )  # fmt: skip
    places = [measured(data, f"words/{name}") for name in QUANTILES]
    near = min(b - a for a, b in pairwise(places)) < 0.16 * width * len(counts)
    high = max(counts) * (1.4 if near else 1.24)
    for i, (name, x) in enumerate(zip(QUANTILES, places)):
        level = 0.91 - 0.07 * (i if near else 0)
        axes.axvline(x, ymax=0.76 if near else 0.9, color=theme.ink, lw=1.1, ls=(0, (3, 2)))
        axes.annotate(
            f"{QUANTILES[name]} {x:.0f}",
            (x, high * level),
            ha="center",
            va="bottom",
            fontsize=SIZE - 1,
            color=theme.ink,
        )
    marks = [(known[f"words/{q}"], 0.0) for q in QUANTILES if f"words/{q}" in known]
    _diamonds(axes, marks, theme)
    axes.set_ylim(0, high)
    axes.set_xlim(0, width * len(counts))
    beyond = f"; {bars.beyond:,} reports are longer" if bars.beyond else ""
    _frame(axes, theme, f"words per report{beyond}", "reports", grid="y")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")
    _legend(axes, theme, bool(marks), "center right")
    return figure


@own_settings()
def vocabulary(data: Description, theme: Theme = LIGHT, titled: bool = True) -> Figure:
    """Distinct words expected among so many reports drawn at random."""
    title = f"{data.dataset}: distinct words" if titled else ""
    figure, axes = _axes(2.5, theme, title, 0.85)
    x, y = zip(*data.curve)
    axes.plot(x, y, color=theme.lines[0], lw=1.8, marker="o", ms=4.5)
    marks = [
        (float(figure_.rsplit("/", 1)[1]), value)
        for figure_, value in published(data).items()
        if figure_.startswith("vocabulary/at/")
    ]
    _diamonds(axes, marks, theme)
    openi = (data.openi.reports, data.openi.vocabulary)
    axes.plot(*openi, ls="none", marker="s", ms=6, mfc="none", mec=theme.faint, mew=1.4)
    axes.annotate(
        "Open-i", openi, xytext=(0, 8), textcoords="offset points", ha="center", fontsize=SIZE - 1,
        color=theme.faint,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(0, max([*y, openi[1], *(v for _, v in marks)]) * 1.18)
    ticks = _decades([*x, openi[0]])
    axes.set_xticks(ticks, [f"{k:,.0f}" for k in ticks])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    _frame(axes, theme, "reports drawn at random (log scale)", "distinct words", grid="y")
    _legend(axes, theme, bool(marks), "upper left")
    return figure


def plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")


def percent(share: float) -> str:
    """ "17.1%", "0.69%", "<0.01%", ">99.9%"; 0% and 100% are exact."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}%"
    if share < 1e-4:
        return "<0.01%"
    if share > 0.9995:
        return ">99.9%"
    return f"{100 * share:.1f}%" if share >= 0.01 else f"{100 * share:.2f}%"


def _axes(
    height: float, theme: Theme, title: str, left: float, right: float = 0.25
) -> tuple[Figure, Axes]:
    """A figure whose axes are `height` inches high, `left` and `right` inches from the edges."""
    from matplotlib.figure import Figure

    top, bottom = 0.66 if title else 0.36, 0.55
    whole = height + top + bottom
    figure = Figure(figsize=(WIDTH, whole), facecolor=theme.page)
    wide = WIDTH - left - right
    axes = figure.add_axes((left / WIDTH, bottom / whole, wide / WIDTH, height / whole))
    if title:
        heading(figure, title, theme)
    return figure, axes


def _column(axes: Axes, head: str, inches: float, texts: Sequence[str], colour: str) -> None:
    """Numbers beside the axes, right-aligned so many inches from them, one for each row."""
    for y, text in [(-0.9, head), *enumerate(texts)]:
        axes.annotate(
            text,
            (1.0, y),
            xycoords=("axes fraction", "data"),
            xytext=(72 * inches, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=SIZE - 1,
            color=colour,
            annotation_clip=False,
        )


def _longest(labels: Sequence[str]) -> int:
    return max(map(len, labels), default=0)


def heading(figure: Figure, text: str, theme: Theme) -> None:
    """The title, at the top left of a figure."""
    width, height = figure.get_size_inches()
    figure.text(
        0.12 / width, 1 - 0.3 / height, text, fontsize=11.5, fontweight="bold", color=theme.ink,
        parse_math=False,
    )  # fmt: skip


def _diamonds(axes: Axes, marks: Sequence[tuple[float, float]], theme: Theme) -> None:
    if marks:
        x, y = zip(*marks)
        axes.plot(
            x, y, ls="none", marker="D", ms=5.5, color=theme.lines[1], mec=theme.ink, mew=0.6,
            zorder=4, clip_on=False,
        )  # fmt: skip


def _legend(
    axes: Axes, theme: Theme, wanted: bool, place: Literal["center right", "upper left"]
) -> None:
    """Says what a diamond is, where there is one."""
    if not wanted:
        return
    from matplotlib.lines import Line2D

    mark = Line2D([], [], ls="none", marker="D", ms=5.5, color=theme.lines[1], mec=theme.ink)
    axes.legend(
        [mark], ["published"], loc=place, fontsize=SIZE, frameon=False, labelcolor=theme.ink,
        handletextpad=0.2,
    )  # fmt: skip


def _frame(axes: Axes, theme: Theme, x: str, y: str, grid: Any) -> None:
    axes.set_facecolor("none")
    axes.set_xlabel(x, color=theme.ink, fontsize=SIZE)
    if y:
        axes.set_ylabel(y, color=theme.ink, fontsize=SIZE)
    axes.tick_params(colors=theme.ink, labelsize=SIZE, length=3)
    axes.grid(axis=grid, color=theme.grid, lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(theme.faint)


def _decades(x: Sequence[float]) -> list[float]:
    """Round numbers of reports within the curve: 100, 300, 1,000, …; its ends if there is none."""
    found = [float(m * 10**k) for k in range(7) for m in (1, 3) if min(x) <= m * 10**k <= max(x)]
    return found or [float(x[0])]
