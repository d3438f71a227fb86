"""A report as Markdown: figures at the head, then each dataset with its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from radpriv.reports.build import DatasetReport
from radpriv.reports.render.renderers import escaped, markdown
from radpriv.reports.results.dataset_results import marks
from radpriv.reports.results.load import Results
from radpriv.reports.sections import Format, sections


def markdown_report(
    results: Results, reports: Sequence[DatasetReport], images: Collection[str]
) -> str:
    """images: names of the files that figures were written to."""

    def items(pairs: Iterable[tuple[str, str]]) -> list[str]:
        return [f"- {escaped(name)}: {escaped(value)}" for name, value in pairs]

    lines = [f"# radpriv report: {escaped(results.suite + marks(results))}", ""]
    lines += [escaped(results.note), ""] if results.note else []
    for entry in sections.figures(Format.MARKDOWN):
        if (name := f"{entry.key}.png") in images:
            lines += [f"![{escaped(entry.title)}]({name})", ""]
    for d in reports:
        lines += [f"## {escaped(d.dataset)}", "", escaped(d.headline), "", *items(d.facts), ""]
        lines += ["### What is claimed", "", *(f"- {escaped(s)}" for s in d.claim), ""]
        shown = sections.shown(d.tables, Format.MARKDOWN)
        # A heading over nothing would read as if something had been lost: as on the page, it goes.
        lines += [markdown(table) for table in shown if table.rows or table.findings]
        lines += ["### Provenance", "", *items(d.provenance)]
        lines += items(("mixed", sentence) for sentence in results.mixed)
        lines += items((cell, f"{status}, {code[:16]}") for cell, status, code in d.cells)
        lines.append("")
    return "\n".join(lines)
