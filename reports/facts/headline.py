"""One or two sentences of a dataset that a reader may quote."""

from __future__ import annotations

import math

from radpriv.reports.render.numbers import epsilon_name, with_interval
from radpriv.reports.results.dataset_scores import DatasetScores, best


def headline(scores: DatasetScores | None) -> str:
    """The best method at each ε, with its ties."""
    if scores is None:
        return "No cell is finished yet."
    sentences = []
    for epsilon in sorted({r.epsilon for r in scores.rows}):
        top, ties = best(scores, epsilon)
        if top is None:
            continue
        e = top.estimates["weighted"]
        where = "Without privacy" if math.isinf(epsilon) else f"At {epsilon_name(epsilon)}"
        with_ = f", tied with {', '.join(sorted(ties))}" if ties else ""
        sentences.append(f"{where} {top.name} reaches {with_interval(e)}{with_}.")
    return " ".join(sentences) or "No row has all its seeds yet."
