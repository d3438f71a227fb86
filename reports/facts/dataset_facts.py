"""What a report says of a dataset: its card, its counts, what was planted, its test set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from radpriv.benchmark.cell import AuditPolicy
from radpriv.reports.facts.card_facts import card_facts
from radpriv.reports.results.dataset_scores import DatasetScores
from radpriv.reports.results.load import Done

RELEASE = {
    "open": "open: everything in this report may be shared",
    "aggregates": "aggregates: this report may be shared, the per-record files may not",
    "nothing": "nothing: this report must not leave the machine",
}


def dataset_facts(
    done: Iterable[Done], scores: DatasetScores | None
) -> tuple[tuple[str, str], ...]:
    record = next((d.record for d in done), None)
    if record is None:
        return ()
    card, cell = record.card, record.cell
    given = cell.dataset_identity.get("options")
    options = given if isinstance(given, dict) else {}
    card = replace(card, unit_note=card.unit_note or cell.budget.unit)
    lines = card_facts(card, record.label_names, options, RELEASE[card.release])
    facts = [(name, text if isinstance(text, str) else "; ".join(text)) for name, text in lines]
    if record.counts:
        facts.append(("Counts", ", ".join(f"{k} {v:,}" for k, v in sorted(record.counts.items()))))
    if cell.audit.planted:
        facts.append(("Planted", planted_in_words(cell.audit)))
    if scores:
        facts.append(
            (
                "Test set",
                f"{scores.test_records:,} records of "
                f"{scores.test_patients:,} patients, {len(scores.labels)} labels",
            )
        )
    return tuple((str(k), str(v)) for k, v in facts)


def planted_in_words(audit: AuditPolicy) -> str:
    """ "50 rare-token, 4 × 16 secret; each is in the training set by a coin"."""
    kinds = []
    for p in audit.planted:
        copies = f" × {p.copies}" if p.copies > 1 else ""
        many = f"{p.share:.0%} of candidates" if p.share else f"{p.count:,}{copies}"
        kinds.append(f"{many} {p.kind}")
    return f"canaries: {', '.join(kinds)}; each takes part in training by a coin of its own"
