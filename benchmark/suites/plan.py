"""A plan: which cells a suite asks for, under which fingerprint, and how far they are.

Attacks and reports find their cells here, without the data. It is written before the first cell
runs and after each one ends, so a killed run leaves a true plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.base import datasets
from radpriv.benchmark.registry import import_file
from radpriv.benchmark.store.fingerprint import Fingerprint, fingerprint
from radpriv.benchmark.store.plan_schema import REFERENCE, Plan, PlannedCell, Role, Status
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.suite import Overrides, Suite

EXTRA_PACKAGES = ("tokenizers", "safetensors", "numpy", "dp-accounting", "opacus", "torch")


@dataclass
class Planned:
    """One job, its fingerprint and its status: planned, done, diverged, over_budget or failed.

    redacted_reason: stands in the plan in place of a reason that may name a record of gated data.
    reference: whether it only serves attacks on the other seeds of its family. The cell itself
    does not know: its record is that of a target.
    """

    job: Job
    how: Fingerprint
    status: Status = "planned"
    reason: str = ""
    redacted_reason: str = ""
    reference: bool = False

    @property
    def role(self) -> Role:
        """That of the job ("cell", "control"), or "reference"."""
        return REFERENCE if self.reference else self.job.role

    @cached_property
    def requested(self) -> PlannedCell:
        """What a plan says of it that stays: hashes of all that was asked are made once."""
        cell = self.job.cell
        return PlannedCell(self.job.axes, cell.id, cell.family, self.how.digest, self.role)

    @property
    def entry(self) -> PlannedCell:
        """What a plan says of it now."""
        return replace(
            self.requested, status=self.status, reason=self.redacted_reason or self.reason
        )


def fingerprint_of(job: Job, device: str, plugins: Sequence[Path] = ()) -> Fingerprint:
    """How this job would be computed here."""
    roots = _modules(job)
    files = {name: path for path in plugins if (name := import_file(path)) in roots}
    return fingerprint(
        [r for r in roots if r not in files],
        device=device,
        dtype="float32",
        plugin_files=files,
        extra_packages=EXTRA_PACKAGES,
    )


def _modules(job: Job) -> tuple[str, ...]:
    """The modules that compute a job, where they do not follow from one another."""
    parts = [type(part).__module__ for part in (job.method, *job.loader.parts())]
    public = [datasets.get(name).__module__ for name in job.method.public]
    return tuple(dict.fromkeys(["radpriv.benchmark.runs.runner", *parts, *public]))


def make_plan(
    suite: Suite, jobs: Sequence[Job], device: str, plugins: Sequence[Path] = ()
) -> list[Planned]:
    """The jobs of this suite; those of other seeds than its own are references."""
    known: dict[tuple[str, ...], Fingerprint] = {}
    plan = []
    for job in jobs:
        how = known.get(_modules(job)) or fingerprint_of(job, device, plugins)
        if how.cached:  # else each has a digest of its own
            known[_modules(job)] = how
        plan.append(Planned(job, how, reference=job.cell.seed not in suite.seeds))
    return plan


def plan_name(suite: Suite, overrides: Overrides) -> str:
    """The suite's name, with a hash of what the command line replaced."""
    if not overrides.any:
        return suite.name
    what = [list(overrides.methods), overrides.encoder, overrides.pretrained_on, overrides.limit]
    return f"{suite.name}+{digest(what)[:8]}"


def suite_digest(suite: Suite) -> str:
    """Of all that decides the cells; two files of one name are told apart by it.

    What does not decide them, and what is not asked for, is left out, so that plans stay valid.
    """
    asked = {**asdict(suite), "note": ""}
    del asked["attacks"]
    if not suite.references:
        del asked["references"]
    for axis in asked["methods"]:
        if axis["references"] is None:
            del axis["references"]
    return digest(asked)


def write_plan(
    store: Store, name: str, suite: Suite, overrides: Overrides, planned: Sequence[Planned]
) -> None:
    """Write store/plans/<name>.json."""
    store.write_plan(
        Plan(
            suite=name,
            asked=overrides.asked,
            suite_digest=suite_digest(suite),
            short_recipe=suite.short_recipe,
            limited=overrides.limit,
            note=suite.note or None,
            datasets=tuple(sorted({p.job.axes.dataset for p in planned})),
            cells=tuple(p.entry for p in planned),
        )
    )
