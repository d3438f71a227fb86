"""The figure of F1 against ε: where it stands in a report, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radpriv.reports.figures.f1_figure import f1_figure
from radpriv.reports.render.theme import Theme
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Format, Section, SectionPlace, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """Points: mean over seeds with 95% intervals, moved apart a little where they would
overlap. Horizontal lines: methods without privacy, with their intervals as bands; dotted: what
needs no report."""


@figure(
    "f1",
    SectionPlace(Section.UTILITY, 0),
    title="Weighted F1 against ε",
    description="Weighted F1 against epsilon on {title}; the numbers are in the table of F1.",
    caption=CAPTION,
    formats=Format.PAGE | Format.MARKDOWN,
    together=True,
)
def f1(datasets: Sequence[DatasetResults], theme: Theme) -> Figure | None:
    panels = [(of.scores, of.title) for of in datasets if of.scores is not None]
    return f1_figure(panels, theme) if panels else None
