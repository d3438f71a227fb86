"""Families of cells with what attacks found of them: where tables of leakage take their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from radpriv.benchmark.store.attack_schema import AttackResult, Extracted, Role, Summary
from radpriv.benchmark.store.plan_schema import Family, families_of
from radpriv.reports.results.load import Results

BLIND = "blind"
"""The attack that sees no model: no attack, but a check of the split."""


@dataclass(frozen=True)
class FamilyResult:
    """A family with the result of one attack on it, or the reason why there is none."""

    family: Family
    result: AttackResult | None
    reason: str = ""

    @property
    def name(self) -> str:
        return self.family.name


def families(results: Results, dataset: str, attack: str = "") -> list[FamilyResult]:
    """The families of a dataset in the plan's order, controls last; attack: the name of one, or
    the strongest on the records of each family."""
    found = []
    for family in families_of(e for e in results.entries if e.dataset == dataset):
        undone = [e for e in family.cells if not e.done]
        own = [a for a in attacks_on(results, "records") if a.family == family.key]
        own = [a for a in own if (a.attack == attack if attack else a.attack != BLIND)]
        if undone:
            reasons = "; ".join(sorted({e.why_missing for e in undone}))
            reason = f"missing: {len(undone)} of {len(family.cells)} cells ({reasons})"
            found.append(FamilyResult(family, None, reason))
        elif not own:
            found.append(FamilyResult(family, None, "not attacked yet"))
        else:
            found.append(FamilyResult(family, max(own, key=_strength)))
    return sorted(found, key=lambda f: f.family.is_control)


def attacks_on(results: Results, on: str) -> list[AttackResult]:
    """Membership attacks on candidates of this sort."""
    return [a for a in results.attacks if a.kind == "membership" and a.on == on]


def attack_names(results: Results, dataset: str) -> list[str]:
    """Membership attacks that some family of a dataset met on its records, the loss first; the
    blind one is no attack."""
    own = {e.family for e in results.entries if e.dataset == dataset}
    found = {a.attack for a in attacks_on(results, "records") if a.family in own}
    return sorted(found - {BLIND}, key=lambda name: (name != "loss", name))


def _strength(result: AttackResult) -> float:
    own = result.summary.get("attack") or result.summary.get("control")
    return own.auc.value if own else 0.0


def summaries(found: Sequence[FamilyResult], role: Role) -> list[Summary]:
    """Those of one role."""
    return [f.result.summary[role] for f in found if f.result and role in f.result.summary]


def extractions(results: Results, dataset: str) -> list[tuple[Family, AttackResult, Extracted]]:
    """Results of extraction attacks with their family, in the plan's order."""
    return [
        (family, a, a.extracted)
        for family in families_of(e for e in results.entries if e.dataset == dataset)
        for a in results.attacks
        if a.family == family.key and a.extracted is not None
    ]
