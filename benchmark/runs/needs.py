"""What several cells need alike, tried once for all of them before the first is run.

    obstacles = stop(planned, context)             # their cells are `failed`; run_plan leaves them

A need is a dataset's rows, an encoder under a method's settings, or whatever else `NEEDS` finds in
a job: one function there is one kind. It is tried only where a cell that has it is not in the store
yet.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.runs.runner import Context, is_ours
from radpriv.benchmark.store.pending_result import kept_words
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.obstacle import Obstacle
from radpriv.benchmark.suites.plan import Planned
from radpriv.errors import DataError, EncoderError, RadprivError, StoreError, kind_and_place


@dataclass(frozen=True)
class Need:
    """key: equal for all cells that share it.  check: RadprivError where it is not met."""

    key: Hashable
    check: Callable[[], None] = field(compare=False)


def dataset_need(job: Job, context: Context) -> Need:
    """That its rows can be read. They are kept, so that the cells read nothing twice."""
    identity = canonical({**job.cell.dataset_identity})
    return Need((job.cell.dataset, identity, job.cell.limited), lambda: _read(job, context))


def _read(job: Job, context: Context) -> None:
    try:
        job.dataset(context.data)
    except Exception as error:
        if isinstance(error, StoreError) or (isinstance(error, RadprivError) and is_ours(error)):
            raise  # the words of a plug-in's loader may quote a report
        raise DataError(
            f"dataset '{job.cell.dataset}': its loader failed ({kind_and_place(error)}); "
            f"`radpriv data describe {job.cell.dataset} --debug` shows more"
        ) from error


def encoder_need(job: Job, context: Context) -> Need | None:
    """That the method can be trained on its encoder: it loads, and reads texts of max_length."""
    encoder, method = job.encoder, job.method
    if encoder is None:
        return None

    def check() -> None:
        try:
            method.check_encoder(encoder)
        except RadprivError:
            raise
        except Exception as error:
            raise EncoderError(
                f"encoder '{encoder.name}' ({encoder.kind}): {job.cell.method} cannot be trained "
                f"on it ({kind_and_place(error)}); give another encoder"
            ) from error

    return Need((encoder.sha256, job.cell.method, canonical(method.params())), check)


NEEDS: tuple[Callable[[Job, Context], Need | None], ...] = (dataset_need, encoder_need)


def stop(planned: Sequence[Planned], context: Context) -> list[Obstacle]:
    """Mark the cells that cannot be run as failed; one obstacle for each sentence.

    Raises:
        StoreError: what a need writes on the way could not be written.
    """
    tried: dict[Need, RadprivError | None] = {}
    stopped: dict[str, list[Planned]] = {}
    errors: dict[str, RadprivError] = {}
    for cell in planned:
        needs = [need for find in NEEDS if (need := find(cell.job, context))]
        if all(need in tried and tried[need] is None for need in needs) or _stored(cell, context):
            continue
        for need in needs:
            if need not in tried:
                tried[need] = _fault(need)
            if (error := tried[need]) is not None:
                cell.status, cell.reason = "failed", str(error)
                cell.redacted_reason = kept_words(error, cell.job.loader.card.gated)
                stopped.setdefault(str(error), []).append(cell)
                errors[str(error)] = error
                break
    return [
        Obstacle(f"{len(cells)} cell{'s' * (len(cells) > 1)}", errors[sentence])
        for sentence, cells in stopped.items()
    ]


def _fault(need: Need) -> RadprivError | None:
    try:
        need.check()
    except StoreError:
        raise
    except RadprivError as error:
        return error
    return None


def _stored(cell: Planned, context: Context) -> bool:
    """Whether it will not be run: it is served, or damaged, which `run_cell` says of it alone."""
    job, how = cell.job, cell.how
    try:
        return how.cached and context.store.lookup(job.cell.id, how.digest) is not None
    except StoreError:
        return True
