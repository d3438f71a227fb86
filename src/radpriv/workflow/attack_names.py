"""Which attacks: those that a user or a suite names, and those that left results of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.named import placed
from radpriv.workflow.shown_results import StoredResult


def attack_names(words: Sequence[str] | None, store: Store, where: str = "") -> tuple[str, ...]:
    """Names of attacks, each once, from names and plug-in files; None for the default.

    where: the suite that names them, for an error. A snapshot of each file is kept.

    Raises:
        SuiteError, PluginError: before anything is attacked.
    """
    from radpriv.attacks.attack import attacks
    from radpriv.attacks.attack_plan import DEFAULT

    names: list[str] = []
    for word in DEFAULT if words is None else words:
        if word.endswith(".py"):
            names += attacks.load_file(word)
            store.keep_source(Path(word))
        else:
            with placed(f"{where}: attacks" if where else f"--attack {word}"):
                attacks.get(word)
            names.append(word)
    return tuple(dict.fromkeys(names))


def known_names(
    words: Sequence[str] | None, store: Store, results: Sequence[StoredResult]
) -> set[str]:
    """Names of attacks that words ask a report for; a result of the plan makes its name known."""
    made = {result.attack for result in results}
    given = [w for w in words or () if w in made]
    rest = None if words is None else [w for w in words if w not in made]
    return {*given, *attack_names(rest, store)}
