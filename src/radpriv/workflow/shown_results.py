"""Which attack results a report shows: decided here, from the cells of its plan.

    found = results_of(store, plan)             # every result of its families as they are now
    shown = choose(found, {"loss", "lira"})     # names asked for; None: all

A result belongs to a plan if its targets are all the finished cells of a family, as they were last
computed, and its references the finished references. Where several versions of an attack left
one, that of the code at hand is shown, or else the one that was made last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radpriv.benchmark.store.attack_schema import Superseded, read_result
from radpriv.benchmark.store.cell_schema import Provenance
from radpriv.benchmark.store.plan_schema import REFERENCE, Plan, PlannedCell
from radpriv.benchmark.store.results import PROVENANCE
from radpriv.benchmark.store.schema import read
from radpriv.benchmark.store.store import Store
from radpriv.errors import RadprivError, StoreError


@dataclass(frozen=True)
class StoredResult:
    """A result in the store. fault: why it cannot be read; its attack is then known by its id."""

    attack_id: str
    attack: str
    key: tuple[str, ...] = ()
    fingerprint: str = ""
    finished: str = ""
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


def results_of(store: Store, plan: Plan) -> list[StoredResult]:
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
        folder = store.attack_folder(attack_id)
        try:
            result = read_result(folder)
        except Superseded:
            continue
        except StoreError as error:
            if any(attack_id.startswith(f"{name}.{head}.k") for head in heads):
                found.append(StoredResult(attack_id, name, fault=str(error)))
            continue
        ours = targets.get(result.family, {}) == result.cell_fingerprints
        if ours and sorted(references.get(result.family, [])) == list(result.references):
            key = (result.family, result.attack, str(sorted(result.params.items())))
            finished = _finished(folder / PROVENANCE)
            found.append(StoredResult(attack_id, result.attack, key, result.fingerprint, finished))
    return _newest(found)


def choose(found: Sequence[StoredResult], names: Collection[str] | None) -> Shown:
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


def _newest(found: Iterable[StoredResult]) -> list[StoredResult]:
    """One of each attack and family: that of the code at hand, else what was made last."""
    groups: dict[tuple[str, ...], list[StoredResult]] = {}
    for f in found:
        groups.setdefault(f.key or (f.attack_id,), []).append(f)
    kept = []
    for versions in groups.values():
        present = _fingerprint(versions[0].attack) if len(versions) > 1 else ""
        kept.append(max(versions, key=lambda f: (f.fingerprint == present, f.finished)))
    return sorted(kept, key=lambda f: f.attack_id)


def _finished(path: Path) -> str:
    """When a result was made; "" where its provenance is gone, as in a copy made to be shown."""
    try:
        return read(Provenance, path).finished
    except StoreError:
        return ""


def _fingerprint(attack: str) -> str:
    """Of the code at hand; "" for an attack that is not known here."""
    from radpriv.attacks.attack_plan import fingerprint_of

    try:
        return fingerprint_of(attack).digest
    except RadprivError:
        return ""


def _head(cell: PlannedCell) -> str:
    """What the ids of attacks on a cell's family begin with, after the attack's name."""
    return cell.cell_id.rsplit("-", 1)[0].removesuffix(f".s{cell.axes.seed}")
