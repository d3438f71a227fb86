"""The attack stage: every family of a plan, from stored scores, into store/attacks/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from radpriv.attacks.files import CellFiles
from radpriv.attacks.registry import attacks
from radpriv.attacks.run import attack_family, attack_id, write_result
from radpriv.benchmark.fingerprint import fingerprint
from radpriv.benchmark.results import Finished
from radpriv.benchmark.store import Store
from radpriv.errors import AttackError


def families(store: Store, plan: Mapping[str, Any]) -> dict[str, list[CellFiles]]:
    """Finished cells of a plan by family, in the plan's order; no other has scores to attack."""
    found: dict[str, list[CellFiles]] = {}
    for entry in plan["cells"]:
        if entry["status"] != "done":
            continue
        folder = store.cell_folder(entry["cell_id"], entry["fingerprint"])
        found.setdefault(entry["family"], []).append(CellFiles.open(folder))
    return found


def attack_plan(
    store: Store,
    plan: Mapping[str, Any],
    name: str = "loss",
    say: Callable[[str], None] = lambda line: None,
    params: Mapping[str, Any] | None = None,
) -> list[Finished]:
    """One result per family, served from the store where nothing that it depends on changed.

    A family that cannot be attacked (a handful of candidates whose coins all fell alike) is said
    and left out, and the others go on.
    """
    module = attacks.get(name).__module__
    how = fingerprint(["radpriv.attacks.run", module], device="cpu", dtype="float64")
    results = []
    for cells in families(store, plan).values():
        key = attack_id(name, params or {}, how.digest, cells)
        found = store.lookup_attack(key)
        if found is None:
            try:
                result, rows = attack_family(name, params or {}, cells, how.digest)
            except AttackError as error:
                say(f"not attacked: {error}")
                continue
            found = store.finish_attack(
                key,
                lambda folder, r=result, t=rows: write_result(folder, r, t),  # type: ignore[misc]
            )
        results.append(found)
    return results
