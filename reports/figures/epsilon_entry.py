"""The figure of empirical and certified ε: where it stands in a report, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radpriv.reports.figures.epsilon_figure import epsilon_figure
from radpriv.reports.figures.figure_data import epsilon_points
from radpriv.reports.render.theme import Theme
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """What audits show of ε beside what is certified. A point above the line would refute its
claim; hollow: the most that the same audit could show of exactly the accounted mechanism."""


@figure(
    "epsilon",
    SectionPlace(Section.LEAKAGE, 40),
    title="Empirical ε beside the certified one",
    description="Empirical lower bounds on epsilon beside the certified ones on {title}.",
    caption=CAPTION,
)
def epsilon(datasets: Sequence[DatasetResults], theme: Theme) -> Figure | None:
    (of,) = datasets
    points = epsilon_points(of.results, of.dataset)
    return epsilon_figure(points, of.title, theme) if points else None
