"""What is made of an attack's answers: rows per seed, a summary of the family, bounds on ε.

Beside the row of the attack (or of the positive control) stand two that were made in the same run:

* null: the same scores against coins permuted by a public stream named (family, seed, "null"), so
  that what luck and the metric itself do is seen;
* known: the same coins seen through a Gaussian mechanism calibrated to the family's own ε and δ, so
  that what this audit makes of a leak of known size is seen (private families alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radpriv.attacks.attack import Attack, Extraction
from radpriv.attacks.epsilon.audit_report import audit
from radpriv.attacks.epsilon.ideal import Step
from radpriv.attacks.epsilon.reference_mechanism import auc as known_auc
from radpriv.attacks.epsilon.reference_mechanism import gaussian_scores
from radpriv.attacks.evaluation.candidates import OWN, Part, base_of, merged, parts_of
from radpriv.attacks.evaluation.extraction_summary import extraction_rows
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.attacks.evaluation.subgroups import group_rows, groups_of, label_rows, patient_row
from radpriv.attacks.evaluation.summary import Scored, canary_rows, family_row, row
from radpriv.attacks.inputs.cell_outputs import CellFiles, Outputs
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_permutation
from radpriv.attacks.view import View
from radpriv.benchmark.cell import default_delta

RIVALS = 8
"""Of how many attacks on the records of one family a reader may take the largest bound on ε: each
is corrected for so many, whichever were made, so that one made later changes no earlier bound."""


@dataclass(frozen=True, eq=False)
class Answered:
    """Every seed of a family with its scores, (m,) each, for the candidates that were shown."""

    attack: Attack
    name: str
    targets: tuple[Outputs, ...] = field(repr=False)
    views: tuple[View, ...] = field(repr=False)
    scores: tuple[Floats, ...] = field(repr=False)

    @property
    def role(self) -> str:
        return "control" if self.targets[0].cell.record.role == "control" else "attack"

    @property
    def unit(self) -> str:
        return self.targets[0].cell.record.cell.audit.unit

    @property
    def references(self) -> int:
        """Of each target."""
        return len(self.views[0].references)


def membership(a: Answered) -> dict[str, Any]:
    """rows, summary and subsets of result.json."""
    scored: dict[str, list[Scored]] = {}
    planted: dict[str, dict[str, list[Scored]]] = {}
    rows: list[dict[str, Any]] = []
    for target, scores in zip(a.targets, a.scores):
        delta, source = delta_of(target.cell)
        base = headline_of(a, target)
        for kind, part in parts_of(target, scores, a.unit, base).items():
            for as_what, seen in _told(a.role, target, kind, part, delta).items():
                if kind != base:
                    planted.setdefault(as_what, {}).setdefault(kind, []).append(seen)
                    continue
                scored.setdefault(as_what, []).append(seen)
                head = {
                    "cell_id": target.cell.cell_id,
                    "seed": target.cell.seed,
                    "role": as_what,
                    "references": a.references,
                    "delta_source": source,
                }
                rows.append({**head, **row(seen)})
    summary, audits = {}, {}
    for what, seeds in scored.items():
        audits[what] = _audited(a, what, seeds)
        summary[what] = {
            **family_row(seeds, a.references),
            **bound_of(audits[what]),
            "canaries": canary_rows(planted.get(what, {})),
        }
    if "known" in summary:
        epsilon = a.targets[0].cell.record.cell.budget.epsilon
        truth = {"epsilon": epsilon, "auc": known_auc(epsilon, summary["known"]["delta"])}
        summary["known"]["truth"] = truth
    return {
        "kind": "membership",
        "on": a.attack.on,
        "rows": rows,
        "summary": summary,
        "audit": audits,
        "subsets": _subsets(a),
        "diagnostics": [_diagnostics(a, view) for view in a.views],
    }


def extraction(a: Answered) -> dict[str, Any]:
    """The amounts of members beside those of others, by kind of candidate; null as above."""
    assert isinstance(a.attack, Extraction)
    told: dict[str, dict[str, list[tuple[Floats, Any]]]] = {a.role: {}, "null": {}}
    for target, values in zip(a.targets, a.scores):
        name = target.cell.record.family
        parts = parts_of(target, values, a.unit, headline_of(a, target))
        for kind, part in parts.items():
            permuted = public_permutation(part.member.size, name, target.cell.seed, _null(kind))
            told[a.role].setdefault(kind, []).append((part.scores, part.member))
            told["null"].setdefault(kind, []).append((part.scores, part.member[permuted]))
    return {
        "kind": "extraction",
        "on": a.attack.on,
        "quantity": a.attack.quantity,
        "chance": a.attack.chance,
        "rows": [],
        "summary": {what: {"kinds": extraction_rows(kinds)} for what, kinds in told.items()},
        "remarks": _remarks(a),
        "diagnostics": [_diagnostics(a, view) for view in a.views],
    }


def _audited(a: Answered, what: str, seeds: Sequence[Scored]) -> dict[str, Any] | None:
    """Every bound on ε that these scores give; None where there are too few for a guess."""
    if seeds[0].scores.size < FEWEST:
        return None
    record = a.targets[0].cell.record
    private = record.cell.budget.private
    steps = None
    if what == "attack" and private:
        groups = record.ledger.groups
        steps = [Step(g.rate, g.noise_multiplier, g.steps) for g in groups] or None
    scores, members = [s.scores for s in seeds], [s.member for s in seeds]
    many = RIVALS if a.attack.on == "records" else 1
    return audit(scores, members, seeds[0].delta, steps, attacks=many).as_dict()


def bound_of(audit: Mapping[str, Any] | None) -> dict[str, Any]:
    """The family's bound on ε with its ceiling and guesses: one rule, wherever it is printed."""
    if audit is None:
        return dict.fromkeys(("epsilon_lower", "ceiling", "guesses", "correct"))
    best = audit["one_run"]
    chosen = best["chosen"]
    return {
        "epsilon_lower": best["epsilon"],
        "ceiling": best["ceiling"],
        "guesses": chosen["r"],
        "correct": chosen["v"],
    }


def _remarks(a: Answered) -> dict[str, str]:
    """What a reader of the amounts must know, by name, if the attack has anything to say."""
    tell = getattr(a.attack, "remarks", None)
    return {} if tell is None else {str(k): str(v) for k, v in tell(a.views[0]).items()}


def _diagnostics(a: Answered, view: View) -> dict[str, float]:
    """What an attack says of itself on one target, if it says anything."""
    tell = getattr(a.attack, "diagnostics", None)
    return {} if tell is None else {k: float(v) for k, v in tell(view).items()}


def headline_of(a: Answered, target: Outputs) -> str:
    """The kind of candidates that a headline counts."""
    base = base_of(target)
    return base if a.attack.on == "records" else target.kind[0]


def _told(role: str, target: Outputs, kind: str, part: Part, delta: float) -> dict[str, Scored]:
    """By role: the scores with the coins, with coins permuted, and what a known leak shows."""
    name, seed = target.cell.record.family, target.cell.seed
    permuted = public_permutation(part.member.size, name, seed, _null(kind))
    told = {
        role: Scored(part.scores, part.member, delta, part.similarity),
        "null": Scored(part.scores, part.member[permuted], delta, part.similarity),
    }
    epsilon = target.cell.record.cell.budget.epsilon
    if target.cell.record.cell.budget.private:
        seen = gaussian_scores(part.member, epsilon, delta, name, seed, "known", kind)
        told["known"] = Scored(seen, part.member, delta, part.similarity)
    return told


def _subsets(a: Answered) -> dict[str, Any]:
    """Who is most exposed; of records alone, and of no control."""
    if a.attack.on != "records" or a.role == "control" or not a.attack.by_subset:
        return {}
    rows = np.flatnonzero(np.array(a.targets[0].kind) == base_of(a.targets[0]))
    names = list(a.targets[0].cell.record.label_names)
    found: dict[str, Any] = {}
    if a.unit == "report":  # otherwise a candidate is a patient, of whom single reports say little
        seeds = [_scored(a, t, s, rows) for t, s in zip(a.targets, a.scores)]
        groups = {n: g[rows] for n, g in groups_of(a.targets[0]).items()}
        found["groups"] = group_rows(seeds, groups)
        patients = [a.targets[0].patient[i] for i in rows]
        found["patients"] = patient_row(patients, [(s.scores, s.member) for s in seeds])
    observed = ~np.isnan(a.targets[0].labels)

    def through(j: int) -> Sequence[Scored]:
        kept = np.flatnonzero(observed[:, j] & np.isin(np.arange(len(observed)), rows))
        scored = []
        for view, target in zip(a.views, a.targets):
            answer = np.asarray(a.attack.score(view.label(j)), np.float64)
            seen = _scored(a, target, answer, kept)
            scored.append(seen.only(seen.clean_mask()))
        return scored

    found["labels"] = label_rows(names, through) if len(names) > 1 else []
    return found


def _scored(a: Answered, target: Outputs, scores: Floats, rows: np.ndarray) -> Scored:
    """These rows with their coins; with unit "patient" one candidate for each patient."""
    delta, _ = delta_of(target.cell)
    if a.unit == "patient":
        part = merged(target, scores, rows)
        return Scored(part.scores, part.member, delta, part.similarity)
    return Scored(scores[rows], target.member[rows], delta, target.similarity[rows])


def _null(kind: str) -> str:
    """The stream of a kind's null row; that of the dataset's own candidates is named as ever."""
    return "null" if kind in OWN else f"null/{kind}"


def delta_of(cell: CellFiles) -> tuple[float, str]:
    """The cell's δ and where it is from; a non-private cell claims none, so it gets the default."""
    asked = cell.record.cell
    if not asked.budget.private:
        return default_delta(asked.n_public), "default_delta(n_public)"
    return asked.budget.delta, "budget"
