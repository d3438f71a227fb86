"""Which attack results a report shows: decided here, from the cells of its plan.

    found = results_of(store, plan)             # every result of its families as they are now
    shown = choose(found, {"loss", "lira"})     # names asked for; None: all

A result belongs to a plan if its targets are all the finished cells of a family, as they were last
computed, and its references the finished references. Where several versions of an attack left
one, that of the code at hand is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from radpriv.benchmark.store.plan_schema import REFERENCE, Plan, PlannedCell
from radpriv.benchmark.store.store import Store
from radpriv.errors import RadprivError, StoreError


@dataclass(frozen=True)
class Found:
    """A result in the store. fault: why it cannot be read; its attack is then known by its id."""

    attack_id: str
    attack: str
    key: tuple[str, ...] = ()
    fingerprint: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Shown:
    """attack_ids: of results to show, damaged ones included. unread: a line for each of those.
    apart: how many results there are of attacks that were not asked for, by name."""

    attack_ids: tuple[str, ...]
    unread: tuple[str, ...]
    apart: Mapping[str, int]

    @property
    def sentence(self) -> str:
        """That there are others, and how to see them; "" if there are none."""
        if not self.apart:
            return ""
        others = ", ".join(f"{name} ({count})" for name, count in self.apart.items())
        flags = " ".join(f"--attack {name}" for name in self.apart)
        return f"made, but not asked for here: {others}; `radpriv report` shows it with {flags}"


def results_of(store: Store, plan: Plan) -> list[Found]:
    """Results of the plan's families, by their ids; of several versions the present one."""
    targets: dict[str, dict[str, str]] = {}
    references: dict[str, list[str]] = {}
    for cell in plan.finished():
        if cell.role == REFERENCE:
            references.setdefault(cell.family, []).append(cell.cell_id)
        else:
            targets.setdefault(cell.family, {})[cell.cell_id] = cell.fingerprint
    heads = {_head(cell) for cell in plan.finished()}
    found = []
    for attack_id in store.attack_ids():
        name = attack_id.partition(".")[0]
        try:
            result = store.lookup_attack(attack_id)
        except StoreError as error:
            if any(attack_id.startswith(f"{name}.{head}.k") for head in heads):
                found.append(Found(attack_id, name, fault=str(error)))
            continue
        if result is None:
            continue
        family, record = result.record["family"], result.record
        ours = targets.get(family, {}) == record["cell_fingerprints"]
        if ours and sorted(references.get(family, [])) == record["references"]:
            key = (family, record["attack"], str(sorted(record["params"].items())))
            found.append(Found(attack_id, record["attack"], key, record["fingerprint"]))
    return _newest(found)


def choose(found: Sequence[Found], names: Collection[str] | None) -> Shown:
    """Those of these attacks, or all; what is damaged, and what is left out, is said."""
    shown = [f for f in found if names is None or f.attack in names]
    counts = Counter(f.attack for f in found if f not in shown)
    return Shown(
        tuple(f.attack_id for f in shown),
        tuple(
            f"{f.fault.partition(';')[0]}, and is left out; run the attack again"
            for f in shown
            if f.fault
        ),
        dict(sorted(counts.items())),
    )


def _newest(found: Iterable[Found]) -> list[Found]:
    """Without results of other versions of an attack, where the code at hand has left one too."""
    found = list(found)
    many = Counter(f.key for f in found if f.key)
    kept = []
    for f in found:
        present = _fingerprint(f.attack) if many[f.key] > 1 else ""
        others = [o for o in found if o.key == f.key and o.fingerprint == present]
        if not (present and others and f.fingerprint != present):
            kept.append(f)
    return kept


def _fingerprint(attack: str) -> str:
    """Of the code at hand; "" for an attack that is not known here."""
    from radpriv.attacks.run_plan import fingerprint_of

    try:
        return fingerprint_of(attack).digest
    except RadprivError:
        return ""


def _head(cell: PlannedCell) -> str:
    """What the ids of attacks on a cell's family begin with, after the attack's name."""
    return cell.cell_id.rsplit("-", 1)[0].removesuffix(f".s{cell.axes.seed}")
