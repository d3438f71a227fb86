"""A plug-in attack to write, and what a store holds of attacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from radpriv.benchmark.store.attack_schema import AttackResult, read_result
from radpriv.benchmark.store.store import Store
from radpriv.workflow.shown_results import results_of

WriteSuite = Callable[..., Path]
Radpriv = Callable[..., Any]

MINE = '''"""The shorter, the likelier a member: nonsense that is cheap."""

from dataclasses import dataclass

import numpy as np

from radpriv.attacks.attack import Attack, attacks


@attacks.register("shorter")
@dataclass(frozen=True)
class Shorter(Attack):
    """A docstring."""

    needs = frozenset({needs})

    def score(self, view):
        {body}
'''
BODY = "return -view.length.astype(np.float64)"


def write_attack(path: Path, needs: str = "", body: str = BODY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MINE.format(needs="{" + needs + "}" if needs else "()", body=body))
    return path


def results(store: Path) -> dict[str, AttackResult]:
    """By attack id."""
    folders = [path.parent for path in sorted(store.glob("attacks/*/result.json"))]
    return {folder.name: read_result(folder) for folder in folders}


def listed(root: Path) -> list[str]:
    """Ids of the results that a report of the one plan would choose from."""
    store = Store(root)
    (plan,) = store.plans()
    return [found.attack_id for found in results_of(store, store.read_plan(plan))]


def cells(store: Path, method: str) -> list[dict[str, Any]]:
    (plan,) = store.glob("plans/*.json")
    return [c for c in json.loads(plan.read_text())["cells"] if c["axes"]["method"] == method]
