"""Which attacks: those that a user or a suite names, and those whose results a plan lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radpriv.benchmark.store.store import Store
from radpriv.errors import StoreError


def attack_names(words: Sequence[str] | None, store: Store) -> tuple[str, ...]:
    """Names of attacks, each once, from names and plug-in files; None for the default.

    UnknownNameError or PluginError before anything is attacked. A snapshot of each file is kept.
    """
    from radpriv.attacks.attack import attacks
    from radpriv.attacks.run_plan import DEFAULT

    names: list[str] = []
    for word in DEFAULT if words is None else words:
        if word.endswith(".py"):
            names += attacks.load_file(word)
            store.keep_source(Path(word))
        else:
            attacks.get(word)
            names.append(word)
    return tuple(dict.fromkeys(names))


def known_names(words: Sequence[str] | None, store: Store, plan: str) -> set[str]:
    """Names of attacks that words ask a report for; a result in the plan makes its name known."""
    made = {attack_of(store, i) for i in listed(store, plan)}
    given = [w for w in words or () if w in made]
    rest = None if words is None else [w for w in words if w not in made]
    return {*given, *attack_names(rest, store)}


def listed(store: Store, plan: str) -> list[str]:
    """Ids of the attack results that a plan lists; all that lie there if it lists none yet."""
    found = store.read_plan(plan).get("attacks")
    if found is None:
        found = [path.parent.name for path in (store.root / "attacks").glob("*/result.json")]
    return sorted(found)


def attack_of(store: Store, attack_id: str) -> str:
    """The name of the attack that a result is of; ids begin with it, should it be damaged."""
    try:
        found = store.lookup_attack(attack_id)
    except StoreError:
        found = None
    named = attack_id.partition(".")[0]
    return named if found is None else str(found.record.get("attack", named))
