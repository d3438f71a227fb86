"""One attack on one family of cells: every seed is a target, the others are its references.

Input is files, output is a plain dictionary and a table; nothing is trained, and training imports
none of this. A result has, per seed, the row of the attack (or of the positive control) and a null
row: the same scores against coins permuted by a public stream named (family, seed, "null"), so
that what luck and the metric itself do stands beside what the attack does.

    cells = [CellFiles.open(folder) for folder in folders]        # one family
    result, rows = attack_family("loss", {}, cells, fingerprint)
    write_result(temporary_folder, result, rows)                   # the caller renames
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from radpriv.attacks.files import CellFiles, Outputs, load
from radpriv.attacks.parts import OWN, Part, base_of, parts_of
from radpriv.attacks.public import public_permutation
from radpriv.attacks.registry import make_attack
from radpriv.attacks.summary import Scored, canary_rows, family_row, row
from radpriv.attacks.view import Reference, Scorer, View
from radpriv.benchmark.atomic import write_json, write_parquet
from radpriv.benchmark.cell import default_delta, digest
from radpriv.errors import AttackError

SCHEMA = 1
COUNTING = 3
"""What a result counts. 2: clean candidates alone in the headline, with strata of similarity. 3:
canaries by kind, outside the headline."""


def attack_id(
    name: str, params: Mapping[str, Any], fingerprint: str, targets: Sequence[CellFiles]
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
        "cells": [[c.cell_id, c.record["fingerprint"]] for c in family],
    }
    first = family[0].cell_id.rsplit("-", 1)[0]
    head = first.removesuffix(f".s{family[0].seed}")
    return f"{name}.{head}.k{len(family)}-{digest(key)[:16]}"


def attack_family(
    name: str, params: Mapping[str, Any], targets: Sequence[CellFiles], fingerprint: str
) -> tuple[dict[str, Any], pa.Table]:
    """(result.json's content, rows.parquet's content) of one attack on all seeds of a family."""
    attack = make_attack(name, params)
    family = _family(targets)
    outputs = [load(cell) for cell in family]
    unit = str(family[0].record["cell"]["audit"]["unit"])
    _one_audit_set(outputs)
    role = "control" if family[0].record.get("role") == "control" else "attack"

    scored: dict[str, list[Scored]] = {role: [], "null": []}
    planted: dict[str, dict[str, list[Scored]]] = {role: {}, "null": {}}
    rows: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    for target in outputs:
        others = [o for o in outputs if o is not target]
        answer = attack.score(view_of(target, others))
        scores, _ = Scorer(target.member).join(name, answer)
        parts = parts_of(target, scores, unit)
        tables.append(score_rows(target.cell.seed, parts.values()))
        delta, source = _delta(target.cell)
        for kind, part in parts.items():
            permuted = public_permutation(
                part.member.size, str(target.cell.record["family"]), target.cell.seed, _null(kind)
            )
            for as_what, coins in ((role, part.member), ("null", part.member[permuted])):
                seen = Scored(part.scores, coins, delta, part.similarity)
                if kind != base_of(target):
                    planted[as_what].setdefault(kind, []).append(seen)
                    continue
                scored[as_what].append(seen)
                head = {
                    "cell_id": target.cell.cell_id,
                    "seed": target.cell.seed,
                    "role": as_what,
                    "references": len(others),
                    "delta_source": source,
                }
                rows.append({**head, **row(seen)})
    result = {
        "schema": SCHEMA,
        "counting": COUNTING,
        "attack_id": attack_id(name, params, fingerprint, family),
        "attack": name,
        "attack_version": attack.version,
        "params": attack.params(),
        "fingerprint": fingerprint,
        "family": family[0].record["family"],
        "role": role,
        "unit": unit,
        "cells": sorted(c.cell_id for c in family),
        "cell_fingerprints": {c.cell_id: c.record["fingerprint"] for c in family},
        "rows": rows,
        "summary": {
            what: {**family_row(seeds), "canaries": canary_rows(planted[what])}
            for what, seeds in scored.items()
        },
    }
    return result, pa.concat_tables(tables)


def view_of(target: Outputs, others: Sequence[Outputs]) -> View:
    """The target without its flags; the other seeds with theirs."""
    references = tuple(
        Reference(o.cell.seed, o.logits, o.labels, o.slots, o.member, o.population) for o in others
    )
    return View(
        logits=target.logits,
        labels=target.labels,
        slots=target.slots,
        length=target.length,
        similarity=target.similarity,
        patient=target.patient,
        kind=target.kind,
        references=references,
        population=target.population,
    )


def score_rows(seed: int, parts: Iterable[Part]) -> pa.Table:
    """Columns slot int64, seed int64, score float64; by slot. Private data.

    slot: of the first report, where several were flipped by one coin.
    """
    whole = list(parts)
    slots = np.concatenate([p.slots for p in whole])
    scores = np.concatenate([p.scores for p in whole])
    order = np.argsort(slots)
    seeds = np.full(len(slots), seed, dtype=np.int64)
    return pa.table({"slot": slots[order], "seed": seeds, "score": scores[order]})


def _null(kind: str) -> str:
    """The stream of a kind's null row; that of the dataset's own candidates is named as ever."""
    return "null" if kind in OWN else f"null/{kind}"


def write_result(folder: Path, result: Mapping[str, Any], rows: pa.Table) -> None:
    """result.json (sorted keys) and private/rows.parquet into an existing temporary folder."""
    write_parquet(folder / "private" / "rows.parquet", rows)
    write_json(folder / "result.json", result)


def _family(targets: Sequence[CellFiles]) -> list[CellFiles]:
    """The targets by seed, if they are finished cells of one family and one fingerprint."""
    if not targets:
        raise AttackError("an attack needs at least one finished cell: run the suite first")
    for cell in targets:
        record = cell.record
        if record["status"] != "done":
            raise AttackError(f"{cell.folder}: ended as {record['status']}; leave the cell out")
        for name in ("family", "fingerprint", "role"):
            if record.get(name) != targets[0].record.get(name):
                raise AttackError(
                    f"{cell.folder}: its {name} is {record.get(name)}, but "
                    f"{targets[0].record.get(name)} in {targets[0].folder}; "
                    "attack one family, computed by one version, at a time"
                )
    ordered = sorted(targets, key=lambda c: c.seed)
    for one, two in pairwise(ordered):
        if one.seed == two.seed:
            raise AttackError(f"{two.folder}: seed {two.seed} was given twice; give each cell once")
    return ordered


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


def _delta(cell: CellFiles) -> tuple[float, str]:
    """The cell's δ and where it is from; a non-private cell claims none, so it gets the default."""
    budget = cell.record["cell"]["budget"]
    if budget["epsilon"] == "inf":
        return default_delta(int(cell.record["cell"]["n_public"])), "default_delta(n_public)"
    return float(budget["delta"]), "budget"
