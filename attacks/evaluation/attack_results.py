"""What is made of an attack's scores: rows per seed, a summary of the family, bounds on ε.

Beside the row of the attack (or of the positive control) stand two that were made in the same run:

* null: the same scores against coins permuted by a public stream named (family, seed, "null"), so
  that what luck and the metric itself do is seen;
* known: the same coins seen through a Gaussian mechanism calibrated to the family's own ε and δ, so
  that what this audit makes of a leak of known size is seen (private families alone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from radpriv.attacks.attack import Attack, Extraction
from radpriv.attacks.epsilon.audit_report import audit
from radpriv.attacks.epsilon.ideal import SampledStep
from radpriv.attacks.epsilon.reference_mechanism import auc as known_auc
from radpriv.attacks.epsilon.reference_mechanism import gaussian_scores
from radpriv.attacks.evaluation.candidates import OWN, CandidateGroup, base_of, merged, parts_of
from radpriv.attacks.evaluation.extraction_summary import extraction_rows
from radpriv.attacks.evaluation.near_copies import FEWEST
from radpriv.attacks.evaluation.subgroups import group_rows, groups_of, label_rows, patient_row
from radpriv.attacks.evaluation.summary import Scored, canary_rows, family_row, row
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.metrics import Bools, Floats
from radpriv.attacks.public_random import public_permutation
from radpriv.attacks.view import View
from radpriv.benchmark.cell import default_delta
from radpriv.benchmark.store.attack_schema import (
    Extracted,
    Patients,
    Role,
    SeedRow,
    Subgroup,
    Subgroups,
    Summary,
    Truth,
)
from radpriv.benchmark.store.audit_schema import Audit
from radpriv.benchmark.store.results import FinishedCell

RIVALS = 8
"""Of how many attacks on the records of one family a reader may take the largest bound on ε: each
is corrected for so many, whichever were made, so that one made later changes no earlier bound."""


@dataclass(frozen=True, eq=False)
class ScoredFamily:
    """Every seed of a family with its scores, (m,) each, for the candidates that were shown."""

    attack: Attack
    name: str
    targets: tuple[Outputs, ...] = field(repr=False)
    views: tuple[View, ...] = field(repr=False)
    scores: tuple[Floats, ...] = field(repr=False)

    @property
    def role(self) -> Literal["attack", "control"]:
        return "control" if self.targets[0].cell.record.role == "control" else "attack"

    @property
    def unit(self) -> str:
        return self.targets[0].cell.record.cell.audit.unit

    @property
    def references(self) -> int:
        """Of each target."""
        return len(self.views[0].references)


def membership(a: ScoredFamily) -> tuple[tuple[SeedRow, ...], dict[Role, Summary]]:
    """rows and summary of result.json."""
    scored: dict[Role, list[Scored]] = {}
    planted: dict[Role, dict[str, list[Scored]]] = {}
    rows: list[SeedRow] = []
    for target, scores in zip(a.targets, a.scores):
        delta, source = delta_of(target.cell)
        base = headline_of(a, target)
        for kind, part in parts_of(target, scores, a.unit, base).items():
            for role, seen in _by_role(a.role, target, kind, part, delta).items():
                if kind != base:
                    planted.setdefault(role, {}).setdefault(kind, []).append(seen)
                    continue
                scored.setdefault(role, []).append(seen)
                cell = target.cell
                rows.append(
                    row(seen, cell.record.cell_id, cell.record.seed, role, a.references, source)
                )
    return tuple(rows), {
        role: family_row(
            seeds,
            a.references,
            canary_rows(planted.get(role, {})),
            _audited(a, role, seeds),
            _truth(a, seeds) if role == "known" else None,
        )
        for role, seeds in scored.items()
    }


def _truth(a: ScoredFamily, seeds: Sequence[Scored]) -> Truth:
    """Of the mechanism that "known" is."""
    epsilon = a.targets[0].cell.record.cell.budget.epsilon
    return Truth(epsilon, known_auc(epsilon, max(s.delta for s in seeds)))


def extraction(a: ScoredFamily) -> Extracted:
    """The amounts of members beside those of others, by kind of candidate; null as above."""
    assert isinstance(a.attack, Extraction)
    seeds: dict[Role, dict[str, list[tuple[Floats, Bools]]]] = {a.role: {}, "null": {}}
    for target, values in zip(a.targets, a.scores):
        name = target.cell.record.family
        parts = parts_of(target, values, a.unit, headline_of(a, target))
        for kind, part in parts.items():
            permuted = public_permutation(
                part.member.size, name, target.cell.record.seed, _null(kind)
            )
            seeds[a.role].setdefault(kind, []).append((part.scores, part.member))
            seeds["null"].setdefault(kind, []).append((part.scores, part.member[permuted]))
    return Extracted(
        quantity=a.attack.quantity,
        chance=a.attack.chance,
        kinds={role: extraction_rows(kinds) for role, kinds in seeds.items()},
        remarks=_remarks(a),
    )


def _audited(a: ScoredFamily, role: Role, seeds: Sequence[Scored]) -> Audit | None:
    """Every bound on ε that these scores give; None where there are too few for a guess."""
    if seeds[0].scores.size < FEWEST:
        return None
    record = a.targets[0].cell.record
    private = record.cell.budget.private
    steps = None
    if role == "attack" and private:
        groups = record.ledger.groups
        steps = [SampledStep(g.rate, g.noise_multiplier, g.steps) for g in groups] or None
    scores, members = [s.scores for s in seeds], [s.member for s in seeds]
    many = RIVALS if a.attack.on == "records" else 1
    return audit(scores, members, seeds[0].delta, steps, attacks=many)


def _remarks(a: ScoredFamily) -> dict[str, str]:
    """What a reader of the amounts must know, by name, if the attack has anything to say."""
    remarks = getattr(a.attack, "remarks", None)
    return {} if remarks is None else {str(k): str(v) for k, v in remarks(a.views[0]).items()}


def diagnostics_of(a: ScoredFamily) -> tuple[dict[str, float], ...]:
    """What an attack says of itself on each target, if it says anything."""
    diagnostics = getattr(a.attack, "diagnostics", None)
    if diagnostics is None:
        return tuple({} for _ in a.views)
    return tuple({str(k): float(v) for k, v in diagnostics(view).items()} for view in a.views)


def headline_of(a: ScoredFamily, target: Outputs) -> str:
    """The kind of candidates that a headline counts."""
    base = base_of(target)
    return base if a.attack.on == "records" else target.kind[0]


def _by_role(
    role: Role, target: Outputs, kind: str, part: CandidateGroup, delta: float
) -> dict[Role, Scored]:
    """By role: the scores with the coins, with coins permuted, and what a known leak shows."""
    name, seed = target.cell.record.family, target.cell.record.seed
    permuted = public_permutation(part.member.size, name, seed, _null(kind))
    scored: dict[Role, Scored] = {
        role: Scored(part.scores, part.member, delta, part.similarity),
        "null": Scored(part.scores, part.member[permuted], delta, part.similarity),
    }
    budget = target.cell.record.cell.budget
    if budget.private:
        seen = gaussian_scores(part.member, budget.epsilon, delta, name, seed, "known", kind)
        scored["known"] = Scored(seen, part.member, delta, part.similarity)
    return scored


def subgroups(a: ScoredFamily) -> Subgroups | None:
    """Who is most exposed; of records alone, and of no control."""
    if a.attack.on != "records" or a.role == "control" or not a.attack.by_subset:
        return None
    rows = np.flatnonzero(np.array(a.targets[0].kind) == base_of(a.targets[0]))
    names = a.targets[0].cell.record.label_names
    in_groups: tuple[Subgroup, ...] = ()
    in_patients: Patients | None = None
    if a.unit == "report":  # otherwise a candidate is a patient, of whom single reports say little
        seeds = [_scored(a, t, s, rows) for t, s in zip(a.targets, a.scores)]
        groups = {n: g[rows] for n, g in groups_of(a.targets[0]).items()}
        in_groups = group_rows(seeds, groups)
        patients = [a.targets[0].patient[i] for i in rows]
        in_patients = patient_row(patients, [(s.scores, s.member) for s in seeds])
    observed = ~np.isnan(a.targets[0].labels)

    def through(j: int) -> Sequence[Scored]:
        kept = np.flatnonzero(observed[:, j] & np.isin(np.arange(len(observed)), rows))
        scored = []
        for view, target in zip(a.views, a.targets):
            scores = np.asarray(a.attack.score(view.label(j)), np.float64)
            seen = _scored(a, target, scores, kept)
            scored.append(seen.only(seen.clean_mask()))
        return scored

    return Subgroups(in_groups, label_rows(names, through) if len(names) > 1 else (), in_patients)


def _scored(a: ScoredFamily, target: Outputs, scores: Floats, rows: np.ndarray) -> Scored:
    """These rows with their coins; with unit "patient" one candidate for each patient."""
    delta, _ = delta_of(target.cell)
    if a.unit == "patient":
        part = merged(target, scores, rows)
        return Scored(part.scores, part.member, delta, part.similarity)
    return Scored(scores[rows], target.member[rows], delta, target.similarity[rows])


def _null(kind: str) -> str:
    """The stream of a kind's null row; that of the dataset's own candidates is named as ever."""
    return "null" if kind in OWN else f"null/{kind}"


def delta_of(cell: FinishedCell) -> tuple[float, str]:
    """The cell's δ and where it is from; a non-private cell claims none, so it gets the default."""
    planned = cell.record.cell
    if not planned.budget.private:
        return default_delta(planned.n_public), "default_delta(n_public)"
    return planned.budget.delta, "budget"
