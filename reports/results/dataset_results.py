"""One dataset of a plan as tables and figures take it."""

from __future__ import annotations

from dataclasses import dataclass, field

from radpriv.reports.results.dataset_scores import DatasetScores
from radpriv.reports.results.load import Results
from radpriv.reports.results.scores import score


@dataclass(frozen=True)
class DatasetResults:
    """scores: None where no cell is finished.  all_scores: of every dataset of the plan that has
    some."""

    results: Results = field(repr=False)
    dataset: str
    scores: DatasetScores | None = field(repr=False)
    all_scores: tuple[DatasetScores, ...] = field(repr=False)

    @property
    def marks(self) -> str:
        return marks(self.results)

    @property
    def title(self) -> str:
        return f"{self.dataset}{self.marks}"


def dataset_results(results: Results) -> tuple[DatasetResults, ...]:
    """Of each dataset of a plan, in its order; intervals and differences are computed here."""
    found = {dataset: score(results, dataset) for dataset in results.datasets}
    every = tuple(s for s in found.values() if s is not None)
    return tuple(DatasetResults(results, name, scores, every) for name, scores in found.items())


def marks(results: Results) -> str:
    """What every title must say of the plan."""
    words = ["short recipe"] if results.short_recipe else []
    words += [f"limited to {results.limited} reports"] if results.limited is not None else []
    words += ["mixed results"] if results.mixed else []
    return f" ({', '.join(words)})" if words else ""
