"""Whether a cell's private files are its own, and not those of another seed of its family.

    check_own(outputs, targets=3, origins=sources)      # AttackError names the file

Files of two seeds have the same slots, records and labels, so a careless copy that swaps them
leaves nothing odd to see. What tells them apart:

* the commitment to a secret run key stands in record.json, the key in private/;
* two seeds never have the same coins, nor two models the same scores of candidates unless they
  score test records alike;
* where the data is at hand, the audit key gives the coins again, and the saved model its scores.

Without the data, and where noise is replayable, two files that changed places stay unnoticed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from radpriv.attacks.inputs.build_view import Origins
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.metrics import Bools
from radpriv.errors import AttackError

CHECKED = 4
"""Candidates that the saved model is asked for."""
COINS = 40
"""Patients from which on equal coins are no chance: 2^-40."""
ROUNDING = 1e-3
"""By how much logits may differ that one model gave on two machines."""
BACK = (
    "private files were mixed up: put them back, or delete the folders of both and run them again"
)


def check_own(outputs: Sequence[Outputs], targets: int, origins: Origins | None) -> None:
    """AttackError for the first private file that is not of the cell in whose folder it lies.

    outputs: all seeds of a family. targets: how many, from the first on, are attacked: the saved
    models of the others, which are only compared with, are not loaded for this.
    """
    for own in outputs:
        _key(own)
    _copies(outputs)
    if origins is not None:
        _coins(outputs, origins)
        _scores(outputs, targets, origins)


def _key(own: Outputs) -> None:
    """Cells of secret noise commit to their key; without the file there is nothing to compare."""
    told = own.cell.record.noise_key_commitment
    path = _private(own, "run_key")
    try:
        key = path.read_bytes() if told else b""
    except OSError:
        return
    if told and hashlib.sha256(key).hexdigest() != told:
        raise AttackError(f"{path}: not the key that record.json commits to; {BACK}")


def _copies(outputs: Sequence[Outputs]) -> None:
    scores: dict[bytes, Outputs] = {}
    coins: dict[bytes, Outputs] = {}
    for own in outputs:
        other = scores.setdefault(own.logits.tobytes(), own)
        if own.population.logits.tobytes() != other.population.logits.tobytes():
            raise AttackError(
                f"{_private(own, 'candidates.parquet')}: the same scores as in "
                f"{other.cell.folder}, though the test records are scored otherwise; {BACK}"
            )
        other = coins.setdefault(own.member.tobytes(), own)
        if other is not own and len(set(own.patient)) >= COINS:
            raise AttackError(
                f"{_private(own, 'flags.parquet')}: the same coins as in {other.cell.folder}, "
                f"and no two seeds have the same; {BACK}"
            )


def _coins(outputs: Sequence[Outputs], origins: Origins) -> None:
    for own in outputs:
        coins = origins.member(own)
        if coins is None or _same(own.member, coins):
            continue
        whose = next((o for o in outputs if _same(o.member, coins)), None)
        found = f"; those lie in {whose.cell.folder}" if whose else ""
        raise AttackError(
            f"{_private(own, 'flags.parquet')}: its coins are not those of seed "
            f"{own.cell.record.seed}{found}; {BACK}"
        )


def _scores(outputs: Sequence[Outputs], targets: int, origins: Origins) -> None:
    """A model whose answers are another seed's scores, and not those in its own folder."""
    if len(outputs) < 2:
        return
    for own in outputs[:targets]:
        rows = _some(own)
        answers = origins.answers(own, rows) if len(rows) else None
        if answers is None:
            continue
        apart = [float(np.abs(o.logits[rows] - answers).max()) for o in outputs]
        nearest = int(np.argmin(apart))
        mine = apart[outputs.index(own)]
        if mine > max(ROUNDING, 10 * apart[nearest]):
            raise AttackError(
                f"{_private(own, 'candidates.parquet')}: its scores are not of the saved model of "
                f"seed {own.cell.record.seed}; those lie in {outputs[nearest].cell.folder}; {BACK}"
            )


def _some(own: Outputs) -> np.ndarray:
    """int64 (at most ASKED,): rows of candidates that are records of the dataset."""
    natural = [i for i, kind in enumerate(own.kind) if kind in ("natural", "mislabelled")]
    picked = np.linspace(0, len(natural) - 1, min(CHECKED, len(natural))).astype(np.int64)
    return np.array(natural, np.int64)[picked]


def _private(own: Outputs, name: str) -> Path:
    return own.cell.folder / "private" / name


def _same(one: Bools, other: Bools) -> bool:
    return bool(np.array_equal(one, other))
