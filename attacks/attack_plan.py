"""The attack stage: every family of a plan, from stored scores, into store/attacks/."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Collection, Sequence
from functools import cache
from pathlib import Path

import torch

from radpriv.attacks.attack import attacks
from radpriv.attacks.inputs.build_view import NotApplicable, NothingPlanted, Origins
from radpriv.attacks.inputs.cell_outputs import Withheld, open_cell
from radpriv.attacks.run_family import attack_family, attack_id, write_result
from radpriv.benchmark.plugin_guard import staying
from radpriv.benchmark.registry import PLUGIN
from radpriv.benchmark.runs.record import provenance
from radpriv.benchmark.store.atomic import make_folder, storing
from radpriv.benchmark.store.attack_schema import read_result
from radpriv.benchmark.store.fingerprint import Fingerprint, fingerprint
from radpriv.benchmark.store.plan_schema import Family, Plan, PlannedCell, families_of
from radpriv.benchmark.store.results import PROVENANCE, Finished, FinishedCell
from radpriv.benchmark.store.schema import write
from radpriv.benchmark.store.store import Store
from radpriv.errors import RadprivError, StoreError, kind_and_place

DEFAULT = ("loss", "reference", "lira", "rmia", "blind", "white_box", "attribute", "exposure")
"""What a suite makes if it names none."""
Opened = Callable[[PlannedCell], FinishedCell]


def attackable(plan: Plan) -> list[Family]:
    """The families of a plan's finished cells, in its order; no other has scores to attack."""
    return [family for family in families_of(plan.finished()) if family.cells]


def attack_plan(
    store: Store,
    plan: Plan,
    names: Sequence[str] = DEFAULT,
    origins: Origins | None = None,
    say: Callable[[str], None] = lambda line: None,
    tick: Callable[[str], None] = lambda label: None,
    only: Collection[str] | None = None,
    failed: list[str] | None = None,
    asked: Collection[str] | None = None,
) -> list[Finished]:
    """One result per family and attack, served from the store where nothing that it depends on
    changed.

    origins: where an attack finds what it declares beside stored scores. only: these families.
    failed: is given a line for each attack that could not be made, and one for all those that a
    store without private files does not allow. asked: names that somebody wrote, None for all: of
    the others it is not said that nothing was planted for them.
    A family that cannot be attacked (a handful of candidates whose coins all fell alike) is said
    and left out, and the others go on; so is one that has nothing for an attack to attack.
    """
    chosen = attackable(plan)

    @cache  # a record is read once, however many attacks its family meets
    def opened(cell: PlannedCell) -> FinishedCell:
        return open_cell(store.cell_folder(cell.cell_id, cell.fingerprint))

    results, alike = list[Finished](), dict[str, list[str]]()
    withheld = dict[str, list[str]]()
    lost = [] if failed is None else failed
    for name in names:
        how, missing = fingerprint_of(name), dict[str, list[str]]()
        for family in chosen:
            if only is not None and family.key not in only:
                continue
            try:
                with staying():
                    results.append(_attacked(store, name, how, family, origins, opened))
            except NothingPlanted as error:
                if asked is None or name in asked:
                    missing.setdefault(str(error), []).append(family.title)
            except NotApplicable as error:
                missing.setdefault(str(error), []).append(family.title)
            except Withheld as error:
                if asked is None or name in asked or _has_target(name, family, opened):
                    withheld.setdefault(name, []).append(str(error))
            except (Exception, SystemExit) as error:
                known = isinstance(error, RadprivError)  # a plug-in's words may quote a report
                why = str(error) if known else f"it ended with {kind_and_place(error)}"
                lost.append(f"{name} on {family.title}: not attacked: {why}")
                if why not in alike:
                    say(lost[-1])
                alike.setdefault(why, []).append(f"{name} on {family.title}")
            tick(f"{name} on {family.title}")
        for reason, labels in missing.items():
            where = "everything" if len(labels) == len(chosen) > 1 else ", ".join(labels)
            say(f"{name}: left out for {where}: {reason}")
    for first, *more in alike.values():
        if more:
            say(f"not attacked for the same reason as {first}: {'; '.join(more)}")
    if withheld:
        first, *_ = [line for lines in withheld.values() for line in lines]
        lost.append(f"{', '.join(withheld)}: not made: {first}")
        say(lost[-1])
    return results


def _attacked(
    store: Store,
    name: str,
    how: Fingerprint,
    family: Family,
    origins: Origins | None,
    opened: Opened,
) -> Finished:
    targets, references = [[*map(opened, c)] for c in (family.cells, family.references)]
    key = attack_id(name, {}, how.digest, targets, references)
    found, damaged = None, False
    try:
        found = store.lookup_attack(key)
        if found is not None:
            read_result(found.folder)  # a key that is not right is damage too
    except StoreError:
        found, damaged = None, True
    if found is not None:
        return found
    started = time.time()
    result, rows = attack_family(name, {}, targets, how.digest, references, origins)
    if damaged:
        _set_aside(store, key)
    hidden = targets[0].record.card.release == "nothing"

    def fill(folder: Path) -> None:
        write_result(folder, result, rows)
        write(folder / PROVENANCE, provenance(started, torch.device("cpu")))

    return store.finish_attack(key, fill, hidden)


def _has_target(name: str, family: Family, opened: Opened) -> bool:
    """Whether a family has what an attack is on, by its public records alone."""
    planted = any(opened(c).record.cell.audit.planted for c in family.cells)
    return bool(planted or attacks.get(name).on == "records")


def _set_aside(store: Store, key: str) -> None:
    """A result that cannot be read makes room for the one that was made anew."""
    place = store.root / "attempts" / "attacks" / key
    with storing(place):
        make_folder(place)
        os.rename(store.attack_folder(key), place / f"damaged-{secrets.token_hex(4)}")


def fingerprint_of(name: str) -> Fingerprint:
    """What a result of this attack depends on beside its cells."""
    kind = attacks.get(name)
    module = kind.__module__
    files = {module: Path(str(sys.modules[module].__file__))} if module.startswith(PLUGIN) else {}
    roots = [
        "radpriv.attacks.run_family",
        *(["radpriv.attacks.inputs.auxiliary_data"] if kind.needs else []),
    ]
    roots += [] if files else [module]
    return fingerprint(roots, device="cpu", dtype="float64", plugin_files=files)
