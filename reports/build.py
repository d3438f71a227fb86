"""A report as data: for each dataset its tables, its claim in plain words, its provenance.

Page, Markdown, CSV and terminal are written from this; nothing is computed after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from radpriv.reports.render.numbers import delta_name, epsilon_name, with_interval
from radpriv.reports.render.table import Cell, Table
from radpriv.reports.results.families import attack_names
from radpriv.reports.results.load import Done, Results
from radpriv.reports.results.scores import DatasetScores, best, score
from radpriv.reports.tables.audits import audits_table
from radpriv.reports.tables.by_similarity import strata_table
from radpriv.reports.tables.canary_leakage import canaries_table
from radpriv.reports.tables.card_facts import card_facts
from radpriv.reports.tables.exposed_subgroups import groups_table, label_leakage_table
from radpriv.reports.tables.extracted import extracted_table
from radpriv.reports.tables.f1 import f1_table, pool_note
from radpriv.reports.tables.f1_by_label import labels_table
from radpriv.reports.tables.guarantees import privacy_table
from radpriv.reports.tables.leakage import leakage_table
from radpriv.reports.tables.missing_cells import missing_table
from radpriv.reports.tables.overview import overview_table
from radpriv.reports.tables.paired_differences import differences_table
from radpriv.reports.tables.transfer_gap import home_table
from radpriv.reports.tables.trivial_classifiers import trivial_table

RELEASE = {
    "open": "open: everything in this report may be shared",
    "aggregates": "aggregates: this report may be shared, the per-record files may not",
    "nothing": "nothing: this report must not leave the machine",
}


@dataclass(frozen=True)
class DatasetReport:
    """One dataset's part of a report. scores: None where no cell is finished."""

    dataset: str
    title: str
    scores: DatasetScores | None = field(repr=False)
    headline: str
    facts: tuple[tuple[str, str], ...]
    claim: tuple[str, ...]
    tables: Mapping[str, Table] = field(repr=False)
    provenance: tuple[tuple[str, str], ...] = field(repr=False)
    cells: tuple[tuple[str, str, str], ...] = field(repr=False)


def build(results: Results) -> tuple[DatasetReport, ...]:
    found = {dataset: score(results, dataset) for dataset in results.datasets}
    return tuple(dataset_report(results, dataset, found) for dataset in results.datasets)


def marks(results: Results) -> str:
    """What every title must say of the plan."""
    said = ["short recipe"] if results.short_recipe else []
    said += [f"limited to {results.limited} reports"] if results.limited is not None else []
    said += ["mixed results"] if results.mixed else []
    return f" ({', '.join(said)})" if said else ""


def dataset_report(
    results: Results, dataset: str, found: Mapping[str, DatasetScores | None]
) -> DatasetReport:
    """found: the scores of every dataset of the plan."""
    scores = found[dataset]
    done = [d for d in results.done.values() if d.entry.dataset == dataset]
    tables = _tables(results, dataset, scores)
    if scores is not None and (home := home_table(scores, [s for s in found.values() if s])):
        tables["home"] = home
    return DatasetReport(
        dataset,
        f"{dataset}{marks(results)}",
        scores,
        _headline(scores),
        _facts(done, scores),
        _claim(scores),
        tables,
        _provenance(results, done),
        tuple(
            (e.cell_id, e.status if e.done else e.why_missing, e.fingerprint)
            for e in results.entries
            if e.dataset == dataset
        ),
    )


def _tables(results: Results, dataset: str, scores: DatasetScores | None) -> dict[str, Table]:
    said = marks(results)
    leaks = {"leakage": overview_table(results, dataset, said)}
    optional = (audits_table, canaries_table, extracted_table, groups_table, label_leakage_table)
    made = [make(results, dataset, said) for make in (*optional, strata_table)]
    made += [leakage_table(results, dataset, name, said) for name in attack_names(results, dataset)]
    leaks |= {t.key: t for t in made if t.rows}
    if scores is None:
        return leaks | _missing(results, dataset, None)
    seeds = ", ".join(str(k) for k in sorted({len(r.seeds) for r in scores.rows}))
    planted = _planted(results, dataset)
    notes = [
        *([f"Trained with {planted}, so F1 is not that of the dataset alone."] if planted else []),
        "Weighted F1 is scikit-learn's average=\"weighted\" over labels: each label's F1 of the "
        "positive class, weighted by its observed positives; labels that were not observed are "
        "skipped. An all-negative classifier scores 0.",
        "Mean ± half of the 95% interval, t · √(s²/k + v): s² is the seed variance, v the "
        f"variance over {scores.test_patients:,} test patients (2,000 resamples, the same for "
        f"every row), k the number of seeds (here {seeds}).",
        *(
            pool_note(scores.pools(p), name)
            for p, name in ((True, "Private"), (False, "Non-private"))
        ),
        "prior, keyword, all positive and all negative draw no randomness: they stay out of the "
        "pools, and their interval covers patients only.",
        "(best), (tied best): highest mean at its ε, and all whose paired difference to it may "
        "be 0.",
    ]
    tables = {
        "weighted": f1_table(scores, "weighted", f"Weighted F1{marks(results)}", notes),
        "macro": f1_table(
            scores,
            "macro",
            f"Macro F1{marks(results)}",
            ["Plain mean over labels that are true or predicted at least once."],
        ),
        "trivial": trivial_table(scores),
        "differences": differences_table(scores),
        "privacy": privacy_table(scores),
        "labels": labels_table(scores),
    }
    missing = missing_table(scores)
    return {**tables, **leaks, **_missing(results, dataset, missing)}


def _missing(results: Results, dataset: str, cells: Table | None) -> dict[str, Table]:
    """Cells without a result, and below them attack results that cannot be read."""
    heads = {
        f".{e.cell_id.rpartition('-')[0].removesuffix(f'.s{e.seed}')}.k": e
        for e in results.entries
        if e.dataset == dataset
    }
    rows = [
        (
            Cell(attack_id, "name"),
            Cell(e.label),
            Cell(epsilon_name(e.epsilon), "label"),
            Cell(reason, "missing"),
        )
        for attack_id, reason in results.unread
        for e in [next((e for head, e in heads.items() if head in attack_id), None)]
        if e is not None
    ]
    made = cells or Table("missing", "Missing", ("cell", "method", "budget", "reason"), (), ())
    if rows:
        title, columns = "Missing cells and attacks", ("cell or attack", *made.columns[1:])
        made = replace(made, title=title, columns=columns, rows=(*made.rows, *rows))
    return {"missing": made} if made.rows else {}


def _planted(results: Results, dataset: str) -> str:
    """What was planted in the cells of a dataset that are no controls; "" if nothing."""
    for done in results.done.values():
        planted = done.record["cell"].get("audit", {}).get("planted")
        if done.entry.dataset == dataset and planted:
            return planted_in_words(planted)
    return ""


def _headline(scores: DatasetScores | None) -> str:
    """One or two sentences that a reader may quote."""
    if scores is None:
        return "No cell is finished yet."
    said = []
    for epsilon in sorted({r.epsilon for r in scores.rows}):
        top, ties = best(scores, epsilon)
        if top is None:
            continue
        e = top.estimates["weighted"]
        where = "Without privacy" if math.isinf(epsilon) else f"At {epsilon_name(epsilon)}"
        with_ = f", tied with {', '.join(sorted(ties))}" if ties else ""
        said.append(f"{where} {top.name} reaches {with_interval(e)}{with_}.")
    return " ".join(said) or "No row has all its seeds yet."


def _facts(done: Iterable[Done], scores: DatasetScores | None) -> tuple[tuple[str, str], ...]:
    record = next((d.record for d in done), None)
    if record is None:
        return ()
    card, cell = record["card"], record["cell"]
    release = RELEASE.get(card["release"], card["release"])
    options = cell.get("dataset_identity", {}).get("options", {})
    shown = {**card, "unit_note": card["unit_note"] or cell["budget"]["unit"]}
    told = card_facts(shown, record["label_names"], options, release)
    facts = [(name, said if isinstance(said, str) else "; ".join(said)) for name, said in told]
    if record.get("counts"):
        facts.append(
            ("Counts", ", ".join(f"{k} {v:,}" for k, v in sorted(record["counts"].items())))
        )
    if planted := cell.get("audit", {}).get("planted"):
        facts.append(("Planted", planted_in_words(planted)))
    if scores:
        facts.append(
            (
                "Test set",
                f"{scores.test_records:,} records of "
                f"{scores.test_patients:,} patients, {len(scores.labels)} labels",
            )
        )
    return tuple((str(k), str(v)) for k, v in facts)


def planted_in_words(planted: Iterable[Mapping[str, Any]]) -> str:
    """ "50 rare-token, 4 × 16 secret; each is in the training set by a coin"."""
    said = []
    for p in planted:
        copies = f" × {p['copies']}" if p["copies"] > 1 else ""
        many = f"{p['share']:.0%} of candidates" if p["share"] else f"{p['count']:,}{copies}"
        said.append(f"{many} {p['kind']}")
    return f"canaries: {', '.join(said)}; each takes part in training by a coin of its own"


def odds_factor(epsilon: float) -> str:
    """exp(ε) as a reader takes it in: "1.01", "2.7", "22,026", "4e+43", "exp(2000)"."""
    if epsilon > 700:  # where exp leaves the range of float64
        return f"exp({epsilon:.4g})"
    factor = math.exp(epsilon)
    return f"{factor:,.0f}" if 10 <= factor < 1e7 else f"{factor:.3g}"


def _claim(scores: DatasetScores | None) -> tuple[str, ...]:
    """What is promised, to whom, and under which assumptions, in plain words."""
    certified = [
        record
        for row in (scores.rows if scores else ())
        for record in row.records
        if record.get("claim") and record.get("certificate")
    ]
    if not certified:
        return ("No finished cell makes a privacy claim.",)

    def all_of(values: Iterable[Any]) -> str:
        return ", ".join(sorted({str(v) for v in values}))

    unit = all_of(r["claim"]["unit"] for r in certified)
    adjacency = all_of(r["claim"]["adjacency"] for r in certified).replace("_", " or ")
    deltas = all_of(delta_name(r["claim"]["delta"]) for r in certified)
    budgets = sorted({float(r["claim"]["epsilon"]) for r in certified})
    factors = ", ".join(f"{odds_factor(e)} at ε = {e:g}" for e in budgets)
    said = [
        f"Whoever sees a private model can sharpen the odds that any one {unit} was in its "
        f"training set ({adjacency} one {unit}) by a factor of at most exp(ε), which is "
        f"{factors}, except with probability about δ = {deltas}. A large factor is a weak promise.",
        f"ε was computed from the ledger of what was released when each run ended, by "
        f"{all_of(r['certificate']['accountant'] for r in certified)}; standing of the claim: "
        f"{all_of(r['claim']['standing'] for r in certified)}.",
    ]
    sources = sorted(
        {
            f"{r['cell']['method']}: {told['source']}"
            for r in certified
            for told in r.get("declared", ())
        }
    )
    if sources:
        said.append(
            "A bound is declared, by a theorem, where it is not a clip that the waist applies: "
            f"{'; '.join(sources)}. `radpriv check METHOD` tries it."
        )
    modes = {r["cell"]["noise_mode"] for r in certified}
    if "replayable" in modes:
        said.append(
            "Noise mode: replayable. The noise can be drawn again from the suite's key, so the "
            "guarantee holds only against who does not know the key."
        )
    if "secret" in modes:
        said.append(
            "Noise mode: secret. The key came from the operating system and never leaves the "
            "run's private folder."
        )
    pretrained = {r["encoder"]["pretrained_on"] for r in certified if r.get("encoder")}
    if pretrained:
        said.append(
            f"Not covered: what the encoder learned before ({'; '.join(sorted(pretrained))}), the "
            "test records, and rows without a certificate."
        )
    return tuple(said)


def _provenance(results: Results, done: Sequence[Done]) -> tuple[tuple[str, str], ...]:
    gathered: dict[str, set[str]] = {}

    def note(name: str, value: Any) -> None:
        if value not in (None, ""):
            gathered.setdefault(name, set()).add(str(value))

    for d in done:
        how = d.record.get("how") or {}
        note("python", how.get("python"))
        note("device", d.record["device_kind"])
        note("dtype", d.record["dtype"])
        for name, value in (d.record.get("versions") or {}).items():
            note(f"version of {name}", value)
        for name, value in (how.get("packages") or {}).items():
            note(f"version of {name}", value)
        encoder = d.record.get("encoder")
        if encoder:
            note(
                f"encoder {encoder['name']}",
                f"{encoder['revision']}, SHA-256 {encoder['sha256'][:16]}…",
            )
        note("seeds", d.entry.seed)
        if how.get("why_not_cached"):
            note("not cached because", how["why_not_cached"])
    families = {d.entry.family for d in done}
    lines = [("suite", results.suite)]
    lines += [
        (name, ", ".join(sorted(v, key=lambda x: (len(x), x))))
        for name, v in sorted(gathered.items())
    ]
    lines += [
        ("attack", f"{a.attack} version {a.version}: {a.attack_id}")
        for a in results.attacks
        if a.family in families
    ]
    lines += [
        ("attack not shown", f"{name}: {count} results, not asked for here")
        for name, count in results.apart.items()
    ]
    return tuple(lines)
