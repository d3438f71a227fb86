"""What an attack is: a frozen dataclass whose fields are its parameters.

    @attacks.register("mine")
    @dataclass(frozen=True)
    class Mine(Attack):
        temperature: float = 1.0
        version: ClassVar[int] = 1           # raise it whenever the score changes its meaning

        def score(self, view): ...           # float64 (m,), higher = more likely a member

It sees a `View` (view.py), which holds no membership of the target. Its version and parameters are
part of every result's id, so a changed definition is recomputed and never mixed with an old one.

An attack on what leaks beside membership answers a number per candidate that means something by
itself: bits of exposure, 1 for a secret that was inferred and 0 for one that was not. Its flags are
joined afterwards all the same, and what counts is the mean over members beside that over others:

    @attacks.register("mine")
    @dataclass(frozen=True)
    class Mine(Extraction):
        on = "secrets"; needs = frozenset({"query", "secrets"}); quantity = "exposure, bits"
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
    """Gives every candidate a score. Stateless: the same view gives the same scores.

    on: which candidates it is shown: "records" (all that are records), "secrets" (canaries that
    carry a secret) or "gradients" (canaries that are no record). A family without any is left out.
    needs: what it reads beside stored scores, of `NEEDS`. by_subset: whether it is made again for
    each label, and its answers told by group of records.
    """

    version: ClassVar[int] = 1
    on: ClassVar[str] = "records"
    needs: ClassVar[frozenset[str]] = frozenset()
    by_subset: ClassVar[bool] = True

    @abc.abstractmethod
    def score(self, view: View) -> Floats:
        """float64 (m,), finite, in slot order; a higher score means "more likely a member".

        Args:
            view: one target with its m candidates and its references, without its flags.
        """

    def params(self) -> dict[str, Any]:
        return asdict(self)


class Extraction(Attack):
    """Gives every candidate an amount of what leaked of it: higher is more, and it has a unit.

    quantity: what the amount is, and its unit.  chance: what guessing gives, or None if unknown.
    """

    quantity: ClassVar[str] = ""
    chance: ClassVar[float | None] = None


NEEDS = frozenset({"untuned", "features", "texts", "query", "encode", "secrets", "projections"})
"""Fields of a view that are there on declaration. Of these untuned, features and texts are made
from the records, so the data must be at hand; query, encode and secrets need the saved model or the
suite's audit key; projections are stored."""
ON = ("records", "secrets", "gradients")

attacks: Registry[type[Attack]] = Registry("attack", "radpriv.attacks")


def make_attack(name: str, params: Mapping[str, Any]) -> Attack:
    """The attack `name` with these parameters; an unknown parameter is an error that lists all."""
    attack: Attack = build(attacks.get(name), params, f"attack '{name}'", "parameter")
    return attack
