"""Canaries of a finished cell: the secrets that were planted, and what releases show of gradients.

secrets_of(job, key, outputs)      # per candidate, from the suite's audit key alone
projections_of(outputs)            # from the cell's private/projections.parquet and its ledger
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from radpriv.attacks.inputs.build_view import NotApplicable, NothingPlanted
from radpriv.attacks.inputs.cell_outputs import AGAIN, Outputs, unreadable
from radpriv.attacks.view import Projections, Secret
from radpriv.benchmark.canary_spec import GRADIENT, Planting
from radpriv.benchmark.datasets.audit_set.canaries import planted, secret_of, secret_text
from radpriv.benchmark.datasets.audit_set.universe import prf
from radpriv.benchmark.privacy.accounting.ledger import read
from radpriv.benchmark.runs.record import hashed_id
from radpriv.benchmark.suites.job import Job
from radpriv.errors import AttackError, PrivacyError


def secrets_of(job: Job, key: bytes, outputs: Outputs) -> tuple[Secret | None, ...]:
    """Of each candidate, its secret; None for what is no secret canary; copies share one.

    key: under which the cell's record ids were hashed. AttackError where a canary is not the
    suite's.
    """
    draw = partial(prf, job.audit_key)
    known: dict[str, Secret] = {}
    for planting in job.cell.audit.planted:
        if planting.kind == "secret":
            for number, canary in enumerate(planted((planting,), 0, draw)):
                secret = Secret(
                    secret_of(planting, number, draw),
                    planting.space,
                    partial(_text, job.audit_key, planting, number),
                )
                known.update({hashed_id(key, name): secret for name in canary.ids})
    found = tuple(known.get(record) for record in outputs.record)
    for carried, kind in zip(found, outputs.kind):
        if (carried is not None) != (kind.partition("*")[0] == "secret"):
            raise AttackError(
                f"{outputs.cell.folder / 'private' / 'candidates.parquet'}: its secret canaries "
                "are not those of the suite's audit key; run the suite again"
            )
    return found


def _text(audit_key: bytes, planting: Planting, number: int, secret: int) -> str:
    return secret_text(planting, number, secret, partial(prf, audit_key))


def projections_of(outputs: Outputs) -> Projections:
    """What each release shows of each gradient canary, one column per candidate.

    Columns of other candidates are 0: nothing was observed of them. norm is 0 where a theorem
    bounds the release, as no canary is added there (benchmark/privacy/gradient_canaries.py).
    NotApplicable where nothing was planted, or nothing was released.
    """
    columns = np.flatnonzero(np.array(outputs.kind) == GRADIENT)
    if not columns.size:
        raise NothingPlanted("no gradient canaries among the candidates; plant some in the suite")
    folder = outputs.cell.folder
    path = folder / "private" / "projections.parquet"
    try:
        table = pq.read_table(path, partitioning=None)
        shown = list(zip(table["step"].to_pylist(), table["release"].to_pylist()))
        values = table["values"].combine_chunks()
        flat = values.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        releases = read(folder / "ledger.jsonl")
    except (OSError, KeyError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    except PrivacyError as error:
        raise AttackError(f"{error}; {AGAIN}") from error
    if not releases and not shown:
        raise NotApplicable("its method released nothing with noise, so canaries were not observed")
    if shown != [(r.step, r.name) for r in releases]:
        raise AttackError(f"{path}: its releases are not those of the ledger; {AGAIN}")
    if flat.size != len(shown) * columns.size:
        raise AttackError(f"{path}: not one value per release and gradient canary; {AGAIN}")
    whole = np.zeros((len(shown), len(outputs.kind)))
    whole[:, columns] = flat.reshape(len(shown), columns.size)
    declared = {(d.step, d.name) for d in outputs.cell.record.declared}
    return Projections(
        values=whole,
        norm=np.array([0.0 if (r.step, r.name) in declared else r.sensitivity for r in releases]),
        sigma=np.array([r.noise_multiplier * r.sensitivity for r in releases]),
        rate=np.array([r.rate for r in releases]),
    )
