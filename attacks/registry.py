"""What an attack is: a frozen dataclass whose fields are its parameters.

    @attacks.register("mine")
    @dataclass(frozen=True)
    class Mine(Attack):
        temperature: float = 1.0
        version: ClassVar[int] = 1           # raise it whenever the score changes its meaning

        def score(self, view): ...           # float64 (m,), higher = more likely a member

It sees a `View` (view.py), which holds no membership of the target. Its version and parameters are
part of every result's id, so a changed definition is recomputed and never mixed with an old one.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import View
from radpriv.benchmark.datasets.base import build
from radpriv.benchmark.registry import Registry


@dataclass(frozen=True)
class Attack(abc.ABC):
    """Gives every candidate a score. Stateless: the same view gives the same scores."""

    version: ClassVar[int] = 1

    @abc.abstractmethod
    def score(self, view: View) -> Floats:
        """float64 (m,), finite, in slot order; a higher score means "more likely a member"."""

    def params(self) -> dict[str, Any]:
        return asdict(self)


attacks: Registry[type[Attack]] = Registry("attack", "radpriv.attacks")


def make_attack(name: str, params: Mapping[str, Any]) -> Attack:
    """The attack `name` with these parameters; an unknown parameter is an error that lists all."""
    attack: Attack = build(attacks.get(name), params, f"attack '{name}'", "parameter")
    return attack
