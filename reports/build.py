"""A report as data: for each dataset its tables, its claim in plain words, its provenance.

Page, Markdown, CSV and terminal are written from this; nothing is computed after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from radpriv.reports import figures, tables
from radpriv.reports.facts.claim import claim
from radpriv.reports.facts.dataset_facts import dataset_facts
from radpriv.reports.facts.headline import headline
from radpriv.reports.facts.provenance import provenance
from radpriv.reports.render.table import Table
from radpriv.reports.results.dataset_results import DatasetResults, dataset_results
from radpriv.reports.results.dataset_scores import DatasetScores
from radpriv.reports.results.load import Results
from radpriv.reports.sections import discover, sections


@dataclass(frozen=True)
class DatasetReport:
    """One dataset's part of a report. tables: in their order.  cells: id, status, fingerprint."""

    of: DatasetResults = field(repr=False)
    headline: str
    facts: tuple[tuple[str, str], ...]
    claim: tuple[str, ...]
    tables: Mapping[str, Table] = field(repr=False)
    provenance: tuple[tuple[str, str], ...] = field(repr=False)
    cells: tuple[tuple[str, str, str], ...] = field(repr=False)

    @property
    def dataset(self) -> str:
        return self.of.dataset

    @property
    def title(self) -> str:
        return self.of.title

    @property
    def scores(self) -> DatasetScores | None:
        """None where no cell is finished."""
        return self.of.scores


def build(results: Results) -> tuple[DatasetReport, ...]:
    discover(tables, figures)
    return tuple(dataset_report(of) for of in dataset_results(results))


def dataset_report(of: DatasetResults) -> DatasetReport:
    entries = [e for e in of.results.entries if e.dataset == of.dataset]
    done = [d for d in of.results.done.values() if d.entry.dataset == of.dataset]
    return DatasetReport(
        of,
        headline(of.scores),
        dataset_facts(done, of.scores),
        claim(of.scores),
        sections.make_tables(of),
        provenance(of.results, done),
        tuple((e.cell_id, e.status if e.done else e.why_missing, e.fingerprint) for e in entries),
    )
