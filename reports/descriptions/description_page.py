"""Writes a description of a dataset: its JSON, its figures and a page, into one folder.

    written = write_description(description, Path("out"))
    print(written.page)

What may leave the machine decides how the files are made. Under the policy "nothing" the folder has
mode 700 and each file mode 600 from its first byte, and page and terminal say what that means.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from radpriv.benchmark.store.description_schema import Description
from radpriv.errors import ReportError
from radpriv.reports.descriptions.description_figures import (
    lengths,
    percent,
    prevalence,
    vocabulary,
)
from radpriv.reports.descriptions.description_tables import tables
from radpriv.reports.descriptions.heatmap import cooccurrence
from radpriv.reports.facts.card_facts import card_facts
from radpriv.reports.page import fill
from radpriv.reports.render.characters import visible
from radpriv.reports.render.images import inline_svg, png
from radpriv.reports.render.renderers import terminal
from radpriv.reports.render.table import Table
from radpriv.reports.render.theme import DARK, LIGHT
from radpriv.reports.render.written_file import write_file

RELEASE = {
    "open": "open: these files may be shared",
    "aggregates": "aggregates: these aggregates may be published; the reports, and anything about "
    "one report or patient, may not",
    "nothing": "nothing: these files must not leave the machine",
}
FIGURES = {
    "prevalence": (prevalence, "Share of positive reports for each label; the table has them too."),
    "cooccurrence": (cooccurrence, "Correlation phi of each pair of labels, as a heat map."),
    "lengths": (lengths, "Histogram of words per report; quantiles are in the table."),
    "vocabulary": (vocabulary, "Distinct words against the number of reports, a rising curve."),
}
PIXELS = 105
"""Pixels of an inch of a figure on the page, at most: a small one is not blown up."""
SHOWN = ("labels", "outside", "splits", "lengths", "repetition", "counts")
"""Tables for the terminal; the others are on the page."""
NAMES = ("description.json", "index.html", *(f"{name}.png" for name in FIGURES))


@dataclass(frozen=True)
class Written:
    """What was written. release: the sentence that terminal and page both show."""

    page: Path
    files: tuple[Path, ...]
    release: str
    tables: Mapping[str, Table] = field(repr=False)
    headline: str = ""

    def print(self, console: Console) -> None:
        """The tables that fit a terminal, what may leave the machine, and where the page lies."""
        if not console.is_terminal and not os.environ.get("COLUMNS"):
            console.width = 120  # a pipe has no width of its own, and rich would take 80
        console.print(Text(visible(self.headline)), Text())
        for key in SHOWN:
            if key in self.tables:
                console.print(terminal(self.tables[key]), "")
        console.print(Text(visible(f"release policy {self.release}")))
        console.print(Text(visible(f"page: {self.page}")), soft_wrap=True)


def write_description(data: Description, out: Path) -> Written:
    """ReportError if `out` cannot be used."""
    private = data.card.release == "nothing"
    shown = tables(data)
    contents = {
        "description.json": (
            json.dumps(data.as_dict(), indent=1, ensure_ascii=False) + "\n"
        ).encode()
    }
    contents |= {f"{name}.png": png(draw(data)) for name, (draw, _) in FIGURES.items()}
    contents["index.html"] = description_page(data, shown).encode()
    try:
        _prepare(out, private)
        files = tuple(
            write_file(out / name, content, private) for name, content in contents.items()
        )
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror or error})") from error
    release = RELEASE[data.card.release]
    return Written(out / "index.html", files, release, shown, headline(data))


def description_page(data: Description, shown: Mapping[str, Table]) -> str:
    """The whole page; it draws nothing from elsewhere."""

    def drawing(name: str) -> Markup:
        draw, description = FIGURES[name]
        both = []
        for theme in (LIGHT, DARK):
            figure = draw(data, theme, False)
            wide = round(PIXELS * figure.get_figwidth())
            drawn = inline_svg(figure, theme.name + name, description)
            size = f"max-width: {wide}px; margin: 0 auto"
            both.append(f'<div class="{theme.name}" style="{size}">{drawn}</div>')
        return Markup(f"<figure>{''.join(both)}</figure>")

    release = RELEASE[data.card.release]
    return fill(
        "describe.html",
        data=data,
        release=release,
        headline=headline(data),
        facts=[("Name", data.dataset), *card_facts(data.card, data.labels, data.options, release)],
        tables=shown,
        drawing=drawing,
        beside=any(p.figure.startswith("phi/") for p in data.published),
    )


def headline(data: Description) -> str:
    """Size, labels and length in a sentence."""
    v = data.values
    hidden = [s.unobserved.share for s in data.shares]
    observed = (
        f"{percent(sum(hidden) / len(hidden))} of the labels are not observed"
        if any(hidden)
        else "every label is observed"
    )
    return (
        f"{v['reports']:,.0f} reports of {v['patients']:,.0f} patients, {len(data.labels)} "
        f"labels; {observed}. The median report has {v['words/p50']:,.0f} words."
    )


def _prepare(out: Path, private: bool) -> None:
    """The folder, closed to others where nothing may leave; a folder of other things is not."""
    if not private or not out.exists():
        out.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
    if not private:
        return
    if not out.is_dir():
        raise ReportError(f"{out}: is no folder; give another with --out")
    strange = sorted(p.name for p in out.iterdir() if p.name not in NAMES)
    if stat.S_IMODE(out.stat().st_mode) & 0o077 and strange:
        raise ReportError(
            f"{out}: others may read this folder, and it holds {strange[0]} beside; give a new "
            "folder with --out for data that must not leave the machine"
        )
    out.chmod(0o700)
