"""How labels go together: phi below the diagonal, and above it what was published, if it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from radpriv.benchmark.store.description_schema import Description
from radpriv.reports.descriptions.description_figures import heading, plain, published
from radpriv.reports.render.own_settings import own_settings
from radpriv.reports.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

CELL = 0.34
"""Inches of a square."""
SIZE = 9.0
MIDDLE = {"light": "#ffffff", "dark": "#181e29"}
ENDS = {"light": ("#D55E00", "#0072B2"), "dark": ("#FF9A4D", "#56B4E9")}
LIMIT = 0.5
"""phi at which the colour is full: beyond it the number tells."""


@own_settings()
def cooccurrence(data: Description, theme: Theme = LIGHT, titled: bool = True) -> Figure:
    """A square for each pair: blue together, vermillion apart; a dash where phi is undefined."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    labels, phi, known = data.labels, data.phi, published(data)
    side, words = CELL * len(labels), 0.072 * max(map(len, labels)) + 0.2
    top = 0.62 if titled else 0.35
    width, height = words + side + 1.0, top + side + words
    figure = Figure(figsize=(width, height), facecolor=theme.page)
    axes = figure.add_axes((words / width, words / height, side / width, side / height))
    colours = _colours(theme)
    above = any(name.startswith("phi/") for name in known)
    for i, one in enumerate(labels):
        for j, other in enumerate(labels):
            value = phi[i][j] if j < i else known.get(f"phi/{one}/{other}")
            if i == j or (j > i and value is None):
                continue
            face = theme.grid if value is None else colours((value / LIMIT + 1) / 2)
            edge = MIDDLE[theme.name]
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor=face, edgecolor=edge, lw=0.8))
            strong = value is not None and abs(value) > 0.85 * LIMIT
            axes.annotate(
                _short(value),
                (j + 0.5, i + 0.52),
                ha="center",
                va="center",
                fontsize=6.6,
                color=MIDDLE[theme.name] if strong else theme.ink,
            )
    ticks = [k + 0.5 for k in range(len(labels))]
    names = [plain(label) for label in labels]
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
    axes.set_xlim(0, len(labels))
    axes.set_ylim(len(labels), 0)
    axes.set_facecolor("none")
    axes.tick_params(colors=theme.ink, labelsize=SIZE, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.plot([0, len(labels)], [0, len(labels)], color=theme.faint, lw=0.8)
    legend = "φ below the diagonal, published φ above" if above else "φ of each pair of labels"
    if titled:
        heading(figure, f"{data.dataset}: which labels occur together", theme)
    figure.text(0.12 / width, 1 - (top - 0.12) / height, legend, fontsize=SIZE, color=theme.faint)
    _bar(figure, theme, colours, (words + side + 0.22) / width, words / height, side / height)
    return figure


def _short(value: float | None) -> str:
    """ ".41", "−.12", "0", "1"; "–" for what is undefined."""
    if value is None:
        return "–"
    text = f"{value:.2f}".replace("-", "−").replace("0.", ".")
    return "0" if text in (".00", "−.00") else text.removesuffix(".00")


def _colours(theme: Theme) -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    low, high = ENDS[theme.name]
    return LinearSegmentedColormap.from_list("phi", [low, MIDDLE[theme.name], high])


def _bar(
    figure: Figure, theme: Theme, colours: Any, left: float, bottom: float, height: float
) -> None:
    """The scale of colours, at the right."""
    import numpy as np

    axes = figure.add_axes((left, bottom + 0.25 * height, 0.016, 0.5 * height))
    axes.imshow(
        np.linspace(0, 1, 101)[:, None], cmap=colours, aspect="auto", origin="lower",
        extent=(0, 1, -LIMIT, LIMIT),
    )  # fmt: skip
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([-LIMIT, 0, LIMIT], [f"≤ −{LIMIT}", "0", f"≥ {LIMIT}"])
    axes.tick_params(colors=theme.ink, labelsize=SIZE, length=2)
    for spine in axes.spines.values():
        spine.set_color(theme.faint)
        spine.set_linewidth(0.6)
