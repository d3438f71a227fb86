"""One self-contained HTML page of a report: no script, no request, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from radpriv.reports.build import DatasetReport, marks
from radpriv.reports.figures import DARK, LIGHT, f1_figure, inline_svg
from radpriv.reports.load import Results
from radpriv.reports.render import NUMERIC


def page(results: Results, reports: Sequence[DatasetReport]) -> str:
    """The whole page. Light and dark figures are both in it; a media query shows one."""
    return fill(
        "page.html",
        results=results,
        marks=marks(results),
        reports=reports,
        figures=[_figures(i, r) for i, r in enumerate(reports)],
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
    return environment.get_template(template).render(numeric=NUMERIC, **values)


def _template(name: str) -> str:
    return (files("radpriv.reports") / "templates" / name).read_text(encoding="utf-8")


def soft(text: str) -> Markup:
    """Escaped, with leave to break the line after an underscore."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def _figures(number: int, report: DatasetReport) -> dict[str, Markup]:
    if report.scores is None:
        return {}
    said = f"Weighted F1 against epsilon on {report.title}; the numbers are in the table of F1."
    return {
        theme.name: Markup(
            inline_svg(
                f1_figure([(report.scores, report.title)], theme), f"{theme.name}{number}", said
            )
        )
        for theme in (LIGHT, DARK)
    }
