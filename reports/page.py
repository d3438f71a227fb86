"""One self-contained HTML page of a report: no script, no request, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from radpriv.reports.build import DatasetReport
from radpriv.reports.render.characters import visible
from radpriv.reports.render.images import inline_svg
from radpriv.reports.render.renderers import NUMERIC
from radpriv.reports.render.table import Table
from radpriv.reports.render.theme import DARK, LIGHT
from radpriv.reports.results.dataset_results import marks
from radpriv.reports.results.load import Results
from radpriv.reports.sections import FigureEntry, Format, sections


@dataclass(frozen=True)
class PageCard:
    """A table, or a figure in both themes with its caption."""

    table: Table | None = None
    drawn: Mapping[str, Markup] = field(default_factory=dict, repr=False)
    caption: str = ""


def page(results: Results, reports: Sequence[DatasetReport]) -> str:
    """The whole page. Light and dark figures are both in it; a media query shows one."""
    return fill(
        "page.html",
        results=results,
        marks=marks(results),
        reports=reports,
        cards=[_cards(number, r) for number, r in enumerate(reports)],
        folded=[_folded(r) for r in reports],
    )


def fill(template: str, **values: Any) -> str:
    """A page from a template of reports/templates/, which may include others there."""
    return environment().get_template(template).render(numeric=NUMERIC, **values)


def environment() -> Environment:
    """How templates are read and values shown: escaped, and text only."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_template),
        finalize=_shown,
    )
    made.filters |= {"soft": soft, "interval": interval}
    return made


def _shown(value: Any) -> Any:
    """Text as it is, but for characters that would act on the page; markup as it comes."""
    return visible(value) if type(value) is str else value


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


def _cards(number: int, report: DatasetReport) -> list[PageCard]:
    """What is open on the page, in its order; nothing stands for what is empty."""
    cards: list[PageCard] = []
    for entry in sections.placed():
        if Format.PAGE not in entry.formats:
            continue
        if isinstance(entry, FigureEntry):
            drawn = _drawn(entry, number, report)
            cards += [PageCard(drawn=drawn, caption=entry.caption)] if drawn else []
        elif entry.folded is None:
            cards += [PageCard(table=t) for t in entry.of(report.tables) if t.rows]
    return cards


def _folded(report: DatasetReport) -> list[Table]:
    entries = [e for e in sections.tables(Format.PAGE) if e.folded is not None]
    return [t for e in sorted(entries, key=lambda e: e.folded or 0) for t in e.of(report.tables)]


def _drawn(entry: FigureEntry, number: int, report: DatasetReport) -> dict[str, Markup]:
    """The figure of one dataset by theme; empty where there is nothing to draw. number: of the
    dataset, for ids that are unique on the page."""
    description = entry.description.format(title=report.title)
    found = {}
    for theme in (LIGHT, DARK):
        if (figure := entry.draw([report.of], theme)) is not None:
            prefix = f"{theme.name}-{entry.key}-{number}"
            found[theme.name] = Markup(inline_svg(figure, prefix, description))
    return found
