"""The figure of ROC curves: where it stands in a report, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from radpriv.reports.figures.figure_data import roc_lines
from radpriv.reports.figures.roc_figure import roc_figure
from radpriv.reports.render.theme import Theme
from radpriv.reports.results.dataset_results import DatasetResults
from radpriv.reports.sections import Section, SectionPlace, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = """The strongest attack on each family: share of members found at each share of false
alarms. Both axes are logarithmic, for what matters is found at few false alarms."""


@figure(
    "roc",
    SectionPlace(Section.LEAKAGE, 20),
    title="ROC curves of membership inference",
    description="ROC curves of membership inference on {title}, both axes logarithmic.",
    caption=CAPTION,
)
def roc(datasets: Sequence[DatasetResults], theme: Theme) -> Figure | None:
    (of,) = datasets
    lines = roc_lines(of.results, of.dataset)
    return roc_figure(lines, of.title, theme) if lines else None
