"""One self-contained HTML page of a report: no script, no request, everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from radpriv.reports.build import DatasetReport, marks
from radpriv.reports.figures.epsilon_figure import epsilon_figure
from radpriv.reports.figures.f1_figure import f1_figure
from radpriv.reports.figures.figure_data import epsilon_points, roc_lines
from radpriv.reports.figures.roc_figure import roc_figure
from radpriv.reports.render.images import inline_svg
from radpriv.reports.render.renderers import NUMERIC
from radpriv.reports.render.theme import DARK, LIGHT, Theme
from radpriv.reports.results.load import Results


def page(results: Results, reports: Sequence[DatasetReport]) -> str:
    """The whole page. Light and dark figures are both in it; a media query shows one."""
    return fill(
        "page.html",
        results=results,
        marks=marks(results),
        reports=reports,
        figures=[_figures(i, r) for i, r in enumerate(reports)],
        curves=[_roc(results, i, r) for i, r in enumerate(reports)],
        bounds=[_bounds(results, i, r) for i, r in enumerate(reports)],
    )


def fill(template: str, **values: Any) -> str:
    """A page from a template of reports/templates/, which may include others there."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_template),
    )
    environment.filters["soft"] = soft
    environment.filters["interval"] = interval
    return environment.get_template(template).render(numeric=NUMERIC, **values)


def _template(name: str) -> str:
    return (files("radpriv.reports") / "templates" / name).read_text(encoding="utf-8")


def soft(text: str) -> Markup:
    """Escaped, with leave to break the line after an underscore."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def interval(text: str) -> Markup:
    """Escaped; the interval behind a figure is an element of its own, for a line of its own."""
    value, bracket, rest = text.partition(" [")
    if not (bracket and rest.endswith("]")):
        return escape(text)
    return Markup('{} <span class="interval">[{}</span>').format(value, rest)


def _figures(number: int, report: DatasetReport) -> dict[str, Markup]:
    scores = report.scores
    if scores is None:
        return {}
    said = f"Weighted F1 against epsilon on {report.title}; the numbers are in the table of F1."
    return _themed(lambda t: f1_figure([(scores, report.title)], t), f"{number}", said)


def _roc(results: Results, number: int, report: DatasetReport) -> dict[str, Markup]:
    lines = roc_lines(results, report.dataset)
    said = f"ROC curves of membership inference on {report.title}, both axes logarithmic."
    return _themed(lambda t: roc_figure(lines, report.title, t), f"roc{number}", said, lines)


def _bounds(results: Results, number: int, report: DatasetReport) -> dict[str, Markup]:
    points = epsilon_points(results, report.dataset)
    said = f"Empirical lower bounds on epsilon beside the certified ones on {report.title}."
    return _themed(lambda t: epsilon_figure(points, report.title, t), f"eps{number}", said, points)


def _themed(
    draw: Callable[[Theme], Any], name: str, said: str, shown: Sequence[Any] = (1,)
) -> dict[str, Markup]:
    """The figure in both themes; nothing where there is nothing to show."""
    if not shown:
        return {}
    return {
        theme.name: Markup(inline_svg(draw(theme), f"{theme.name}{name}", said))
        for theme in (LIGHT, DARK)
    }
