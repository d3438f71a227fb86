"""One attack on one family of cells: every seed is a target, the others are its references.

Input is files, output is an `AttackResult` and a table; nothing is trained, and training imports
none of this. What is made of the scores is in evaluation/attack_results.py.

    cells = [open_cell(folder) for folder in folders]        # one family
    result, rows = attack_family("loss", {}, cells, fingerprint)
    write_result(temporary_folder, result, rows)                   # the caller renames
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radpriv.attacks.attack import Extraction, make_attack
from radpriv.attacks.evaluation.attack_results import (
    ScoredFamily,
    diagnostics_of,
    extraction,
    membership,
    subgroups,
)
from radpriv.attacks.inputs.build_view import Origins, reference_of, rows_of, view_of
from radpriv.attacks.inputs.cell_outputs import Outputs, load
from radpriv.attacks.inputs.integrity import check_own
from radpriv.attacks.metrics import Floats
from radpriv.attacks.view import Scorer
from radpriv.benchmark.cell import canonical, digest
from radpriv.benchmark.store.atomic import write_parquet
from radpriv.benchmark.store.attack_schema import COUNTING, AttackResult, On, Unit
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.schema import write
from radpriv.errors import AttackError


def attack_id(
    name: str,
    params: Mapping[str, Any],
    fingerprint: str,
    targets: Sequence[FinishedCell],
    references: Sequence[FinishedCell] = (),
) -> str:
    """A readable head and 16 hex digits of the SHA-256 of all that decides the result.

    That is: the attack, its version and parameters, `fingerprint` (of the attack's sources), and
    the input cells with *their* fingerprints, so that a cell computed anew is attacked anew.
    """
    attack = make_attack(name, params)
    family = _family(targets)
    key = {
        "counting": COUNTING,
        "attack": name,
        "version": attack.version,
        "params": attack.params(),
        "fingerprint": fingerprint,
        "cells": [[c.record.cell_id, c.record.fingerprint] for c in family],
        "references": sorted([c.record.cell_id, c.record.fingerprint] for c in references),
    }
    first = family[0].record.cell_id.rsplit("-", 1)[0]
    head = first.removesuffix(f".s{family[0].record.seed}")
    return f"{name}.{head}.k{len(family)}-{digest(key)[:16]}"


def attack_family(
    name: str,
    params: Mapping[str, Any],
    targets: Sequence[FinishedCell],
    fingerprint: str,
    references: Sequence[FinishedCell] = (),
    origins: Origins | None = None,
) -> tuple[AttackResult, pa.Table]:
    """(result.json, rows.parquet's content) of one attack on all seeds of a family.

    references: more seeds of it, trained to be compared with and never attacked themselves.
    origins: where what the attack declares comes from. NotApplicable where there is nothing to
    attack here or something declared is not at hand. AttackError where a cell's private files are
    another's (integrity.py).
    """
    attack = make_attack(name, params)
    family, extra = _family(targets), _family(references) if references else []
    _one_family(family, extra)
    outputs = [load(cell) for cell in (*family, *extra)]
    _one_audit_set(outputs)
    check_own(outputs, len(family), origins)
    rows = rows_of(outputs[0], attack.on)
    every = len(rows) == len(outputs[0].slots)
    seen = [o if every else o.only(rows) for o in outputs]
    models = [reference_of(o) for o in seen]
    views, scores = [], []
    for i in range(len(family)):
        others = [r for r in models if r is not models[i]]
        view = view_of(outputs[i], rows, seen[i], others, attack.needs, origins)
        views.append(view)
        scorer = Scorer(seen[i].member, isinstance(attack, Extraction))
        scores.append(scorer.join(name, attack.score(view))[0])
    scored = ScoredFamily(attack, name, tuple(seen[: len(family)]), tuple(views), tuple(scores))
    extracts = isinstance(attack, Extraction)
    rows_by_seed, summary = ((), {}) if extracts else membership(scored)
    result = AttackResult(
        attack_id=attack_id(name, params, fingerprint, family, extra),
        attack=name,
        version=attack.version,
        params=json.loads(canonical(attack.params())),
        fingerprint=fingerprint,
        family=family[0].record.family,
        role=scored.role,
        unit=cast(Unit, scored.unit),
        on=cast(On, attack.on),
        cell_fingerprints={c.record.cell_id: c.record.fingerprint for c in family},
        references=tuple(sorted(c.record.cell_id for c in extra)),
        rows=rows_by_seed,
        summary=summary,
        subgroups=None if extracts else subgroups(scored),
        extracted=extraction(scored) if extracts else None,
        diagnostics=diagnostics_of(scored),
    )
    return result, pa.concat_tables(
        [score_rows(o.cell.record.seed, o.slots, s) for o, s in zip(scored.targets, scored.scores)]
    )


def score_rows(seed: int, slots: NDArray[np.int64], scores: Floats) -> pa.Table:
    """Columns slot int64, seed int64, score float64; one row per candidate shown, by slot. Private
    data."""
    seeds = np.full(len(slots), seed, dtype=np.int64)
    return pa.table({"slot": slots, "seed": seeds, "score": scores})


def write_result(folder: Path, result: AttackResult, rows: pa.Table) -> None:
    """result.json (sorted keys) and private/rows.parquet into an existing temporary folder."""
    write_parquet(folder / "private" / "rows.parquet", rows)
    write(folder / "result.json", result)


def _family(targets: Sequence[FinishedCell]) -> list[FinishedCell]:
    """The targets by seed, if they are finished cells of one family and one fingerprint."""
    if not targets:
        raise AttackError("an attack needs at least one finished cell: run the suite first")
    for cell in targets:
        record = cell.record
        if record.status != "done":
            raise AttackError(f"{cell.folder}: ended as {record.status}; leave the cell out")
        for name in ("family", "fingerprint", "role"):
            if getattr(record, name) != getattr(targets[0].record, name):
                raise AttackError(
                    f"{cell.folder}: its {name} is {getattr(record, name)}, but "
                    f"{getattr(targets[0].record, name)} in {targets[0].folder}; "
                    "attack one family, computed by one version, at a time"
                )
    ordered = sorted(targets, key=lambda c: c.record.seed)
    for one, two in pairwise(ordered):
        if one.record.seed == two.record.seed:
            raise AttackError(
                f"{two.folder}: seed {two.record.seed} was given twice; give each cell once"
            )
    return ordered


def _one_family(targets: Sequence[FinishedCell], references: Sequence[FinishedCell]) -> None:
    """References are seeds of the targets' family, and no target is its own reference."""
    for cell in references:
        if cell.record.family != targets[0].record.family:
            raise AttackError(f"{cell.folder}: no reference of the family of {targets[0].folder}")
        if cell.record.seed in {t.record.seed for t in targets}:
            raise AttackError(
                f"{cell.folder}: seed {cell.record.seed} is a target, so it is no reference"
            )


def _one_audit_set(outputs: Sequence[Outputs]) -> None:
    """References are compared record by record, so every seed has the same candidates."""
    for other in outputs[1:]:
        if (other.record, other.slots.tolist()) != (outputs[0].record, outputs[0].slots.tolist()):
            raise AttackError(
                f"{other.cell.folder / 'private' / 'candidates.parquet'}: other candidates than "
                f"in {outputs[0].cell.folder}; one family shares its audit set, run it again"
            )
        if not np.array_equal(other.similarity, outputs[0].similarity):
            raise AttackError(
                f"{other.cell.folder / 'private' / 'candidates.parquet'}: other similarities than "
                f"in {outputs[0].cell.folder}, though no coin decides them; run the family again"
            )
