"""From loaded cells to what an attack is shown: which candidates, and which extras it declared.

rows = rows_of(outputs[0], attack.on)                  # those of the kind it attacks
seen = [o.only(rows) for o in outputs]
references = [reference_of(o) for o in seen]
view = view_of(outputs[0], rows, seen[0], references[1:], attack.needs, origins)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from radpriv.attacks.attack import NEEDS, ON
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.metrics import Bools
from radpriv.attacks.view import Matrix, Projections, Reference, Secret, View
from radpriv.benchmark.canary_spec import GRADIENT
from radpriv.errors import AttackError


class Origins(Protocol):
    """Where declared extras come from (auxiliary_data.py), for all candidates of a cell.

    member, answers: the coins drawn again, and what the saved model says of some candidates, to
    check stored files by (integrity.py); None where data or model is not at hand.
    """

    def available(self, need: str, outputs: Outputs) -> str: ...
    def texts(self, outputs: Outputs) -> tuple[tuple[str, ...], tuple[str, ...]]: ...
    def features(self, outputs: Outputs) -> tuple[Matrix, Matrix]: ...
    def untuned(self, outputs: Outputs) -> tuple[Matrix, Matrix]: ...
    def query(self, outputs: Outputs) -> Callable[..., Matrix]: ...
    def encode(self, outputs: Outputs) -> Any: ...
    def secrets(self, outputs: Outputs) -> tuple[Secret | None, ...]: ...
    def projections(self, outputs: Outputs) -> Projections: ...
    def member(self, outputs: Outputs) -> Bools | None: ...
    def answers(self, outputs: Outputs, rows: np.ndarray) -> Matrix | None: ...


class NotApplicable(AttackError):
    """This attack has nothing to attack here; not an error of anybody."""


class NothingPlanted(NotApplicable):
    """The suite planted no canaries of the kind that it attacks."""


def rows_of(outputs: Outputs, on: str) -> np.ndarray:
    """int64 (shown,): the rows that an attack on `on` is shown; NotApplicable if there is none."""
    if on not in ON:
        raise AttackError(f"an attack on '{on}': one of {', '.join(ON)}")
    kinds = outputs.kind
    if on == "records":
        rows = [i for i, kind in enumerate(kinds) if kind != GRADIENT]
    elif on == "gradients":
        rows = [i for i, kind in enumerate(kinds) if kind == GRADIENT]
    else:
        rows = [i for i, kind in enumerate(kinds) if kind.partition("*")[0] == "secret"]
    if not rows:
        what = {"gradients": "gradient canaries", "secrets": "secret canaries"}.get(on, "records")
        raise NothingPlanted(f"no {what} among the candidates; plant some in the suite")
    return np.array(rows, np.int64)


def view_of(
    whole: Outputs,
    rows: np.ndarray,
    target: Outputs,
    references: Sequence[Reference],
    needs: Collection[str] = (),
    origins: Origins | None = None,
) -> View:
    """The target without its flags; the other seeds with theirs.

    whole: the target with all its candidates; target, references: with these rows of them alone.
    """
    if odd := sorted(set(needs) - NEEDS):
        raise AttackError(f"an attack needs '{odd[0]}': one of {', '.join(sorted(NEEDS))}")
    view = View(
        logits=target.logits,
        labels=target.labels,
        slots=target.slots,
        length=target.length,
        similarity=target.similarity,
        patient=target.patient,
        kind=target.kind,
        references=tuple(references),
        population=target.population,
        memo=target.memo,
    )
    return _with_extras(view, whole, rows, needs, origins) if needs else view


def reference_of(outputs: Outputs) -> Reference:
    """The cell as a reference of other targets, its flags included; make one of each cell.

    Its memo is its own: what an attack keeps there may depend on these flags, and must not be there
    when this cell is the target.
    """
    return Reference(
        seed=outputs.cell.record.seed,
        logits=outputs.logits,
        labels=outputs.labels,
        slots=outputs.slots,
        member=outputs.member,
        population=outputs.population,
    )


def _with_extras(
    view: View, whole: Outputs, rows: np.ndarray, needs: Collection[str], origins: Origins | None
) -> View:
    if origins is None:
        raise NotApplicable(f"it needs {', '.join(sorted(needs))}, and the data is not at hand")
    for need in sorted(needs):
        if reason := origins.available(need, whole):
            raise NotApplicable(reason)
    extras: dict[str, Any] = {}
    population = view.population
    if "texts" in needs:
        texts, others = origins.texts(whole)
        extras["texts"] = tuple(texts[i] for i in rows)
        population = replace(population, texts=others)
    if "features" in needs:
        features, of_others = origins.features(whole)
        extras["features"] = features[rows]
        population = replace(population, features=of_others)
    if "untuned" in needs:
        untuned, of_others = origins.untuned(whole)
        extras["untuned"] = untuned[rows]
        population = replace(population, untuned=of_others)
    if "query" in needs:
        extras["query"] = origins.query(whole)
    if "encode" in needs:
        extras["encode"] = origins.encode(whole)
    if "secrets" in needs:
        secrets = origins.secrets(whole)
        extras["secrets"] = tuple(secrets[i] for i in rows)
    if "projections" in needs:
        found = origins.projections(whole)
        extras["projections"] = replace(found, values=found.values[:, rows])
    return replace(view, population=population, **extras)
