"""From a suite to its jobs: which cells it asks for, with everything that is needed to run them.

    jobs = expand(read_suite("quickstart"), data=Path("data"))

Private methods expand over finite ε, the others run at inf alone; a method without an encoder gives
one cell and not one per encoder. The order of axes and lists changes neither ids nor keys. A
reference is the job that its seed would be if the suite asked for that seed: only the plan tells
them apart (plan.py), so a suite that asks for more seeds finds it in the store.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from radpriv.benchmark.cell import AuditPolicy, Budget, Cell, canonical
from radpriv.benchmark.datasets.base import Loader, build, make_loader
from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.store.plan_schema import CONTROL
from radpriv.benchmark.suites.job import Job
from radpriv.benchmark.suites.obstacle import Obstacle
from radpriv.benchmark.suites.suite import DatasetAxis, MethodAxis, Overrides, Suite
from radpriv.errors import DataError, RadprivError, SuiteError

CONTROL_C = 1e4
"""Inverse L2 strength of the positive control: `tfidf` over-fitted on mislabelled candidates."""


def expand(
    suite: Suite,
    data: Path | None,
    overrides: Overrides | None = None,
    secret: Callable[[], bytes] | None = None,
    obstacles: list[Obstacle] | None = None,
) -> list[Job]:
    """All jobs in the suite's order; SuiteError, DataError or EncoderError for what is wrong.

    secret: gives the store's secret, under which sources that may not be named are sealed.
    obstacles: where given, an encoder or dataset of the suite that is not there is put into this
    list and its cells are left out, as long as others than controls are left.
    """
    limit = overrides.limit if overrides else None
    _one_method_per_label(suite)
    found: dict[str, Encoder] = {}
    missing: list[Obstacle] = []
    for name in suite.encoders:
        try:
            found[name] = resolve(name, suite.pretrained_on)
        except RadprivError as error:
            missing.append(Obstacle(f"cells of encoder '{name}'", error))
            if obstacles is None or (overrides and overrides.encoder):
                raise  # who has just typed its name wants to know of the slip
    jobs: dict[str, Job] = {}
    names: set[str] = set()
    for axis in suite.datasets:
        try:
            used, loader, identity = locate(axis, data)
        except DataError as error:
            if obstacles is None:
                raise
            missing.append(Obstacle(f"cells of dataset '{axis.shown}'", error))
            continue
        _readable(used.shown, suite)
        if used.shown in names:
            raise SuiteError(
                f"suite '{suite.name}': dataset '{used.shown}' comes twice, and a table could not "
                "tell its rows apart; give each a label of its own"
            )
        names.add(used.shown)
        identity = sealed(identity, loader, secret)
        if used.subset is not None:  # else ids stay what they were
            identity["subset"] = asdict(used.subset)
        maker = _Maker(suite, used, loader, identity, limit or used.n_public, limit)
        maker.check_canaries()
        made = [job for m in suite.methods for job in maker.jobs(m, found)]
        if suite.control:
            made += [maker.control(seed) for seed in maker.seeds(suite.references)]
        for job in made:
            other = jobs.setdefault(job.cell.id, job)
            if other.dataset_label != job.dataset_label:
                raise SuiteError(
                    f"suite '{suite.name}': '{other.dataset_label}' and '{job.dataset_label}' are "
                    "one and the same data; leave one out"
                )
    if missing and all(job.role == CONTROL for job in jobs.values()):
        raise missing[0].error
    if obstacles is not None:
        obstacles += missing
    if not jobs:
        raise SuiteError(
            f"suite '{suite.name}' asks for no cell: a private method needs a finite epsilon"
        )
    return list(jobs.values())


def locate(
    axis: DatasetAxis, data: Path | None
) -> tuple[DatasetAxis, Loader, dict[str, JsonValue]]:
    """The axis to use, its loader and identity: `otherwise` where the source is absent."""
    loader = make_loader(axis.name, axis.options)
    if axis.otherwise is not None:
        try:
            loader.find(data)
        except DataError:
            return locate(axis.otherwise, data)
    return axis, loader, loader.identity(data)


def sealed(
    identity: Mapping[str, JsonValue], loader: Loader, secret: Callable[[], bytes] | None
) -> dict[str, JsonValue]:
    """The identity as a store may show it. Of data with the release policy "nothing" all but the
    loader's name and options is replaced by an HMAC under the store's secret: a hash would tell
    who holds the same files."""
    if loader.card.release != "nothing":
        return dict(identity)
    if secret is None:
        raise SuiteError(f"dataset '{loader.name}': its identity needs the store's secret")
    shown = {name: identity[name] for name in ("loader", "options") if name in identity}
    hidden = {name: value for name, value in identity.items() if name not in shown}
    seal = hmac.new(secret(), canonical(hidden).encode(), hashlib.sha256).hexdigest()
    return {**shown, "sources_hmac": seal}


@dataclass(frozen=True)
class _Maker:
    """Makes the jobs of one dataset."""

    suite: Suite
    used: DatasetAxis
    loader: Loader
    identity: Mapping[str, JsonValue]
    n_public: int
    limit: int | None

    def check_canaries(self) -> None:
        """SuiteError for more than training can bear, or than a cap on patients lets in."""
        suite, cap = self.suite, self.used.per_patient
        added = sum(p.count * p.copies for p in suite.canaries)
        if added > self.n_public:
            raise SuiteError(
                f"suite '{suite.name}': {added:,} records of canaries beside n_public = "
                f"{self.n_public:,}: they would outnumber the dataset; give fewer"
            )
        for p in suite.canaries:
            if suite.unit == "patient" and p.copies > cap:
                raise SuiteError(
                    f"suite '{suite.name}': canaries '{p.name}': a patient has at most per_patient "
                    f"= {cap} reports; give fewer copies, or a larger cap"
                )

    def jobs(self, axis: MethodAxis, found: Mapping[str, Encoder]) -> Iterator[Job]:
        method: Method = build(
            methods.get(axis.name), axis.params, f"method '{axis.name}'", "parameter"
        )
        if method.private and self.suite.unit not in method.units:
            raise SuiteError(f"method '{axis.name}' has no claim for the unit '{self.suite.unit}'")
        if self.limit:
            method = method.limited()
        _sensible(axis.name, method)
        seeds = self.seeds(self.suite.references if axis.references is None else axis.references)
        finite = [e for e in (axis.epsilons or self.suite.epsilons) if math.isfinite(e)]
        names = [name for name in self.suite.encoders if name in found]
        for name in names if method.uses_encoder else [""]:
            for epsilon in finite if method.private else [math.inf]:
                for seed in seeds:
                    yield self._job(axis, method, found.get(name), epsilon, seed)

    def seeds(self, references: int) -> tuple[int, ...]:
        """Those of a family: the suite's own, then those of its reference cells."""
        return (*self.suite.seeds, *self.suite.reference_seeds(references))

    def control(self, seed: int) -> Job:
        """The positive control: it must leak, or the attack is broken."""
        axis = MethodAxis("tfidf", label="tfidf, over-fitted")
        method: Method = build(
            methods.get("tfidf"), {"c": CONTROL_C}, "method 'tfidf'", "parameter"
        )
        job = self._job(axis, method, None, math.inf, seed)
        audit = replace(job.cell.audit, canaries="mislabelled", planted=())
        return replace(job, cell=replace(job.cell, audit=audit), role="control")

    def _job(
        self, axis: MethodAxis, method: Method, encoder: Encoder | None, epsilon: float, seed: int
    ) -> Job:
        suite = self.suite
        budget = Budget.of(epsilon, self.n_public, suite.delta, suite.unit)
        if encoder is not None and budget.private and not encoder.pretrained_on:
            raise SuiteError(
                f"encoder '{encoder.name}': a private claim must say what it was pretrained on; "
                'give --pretrained-on "…"'
            )
        secret = suite.noise == "secret" or (suite.noise == "auto" and self.loader.card.gated)
        cell = Cell(
            dataset=self.loader.name,
            dataset_identity=self.identity,
            encoder=encoder.name if encoder else "",
            encoder_sha256=encoder.sha256 if encoder else "",
            method=axis.name,
            params=method.params(),
            public=tuple(sorted(method.public)),
            budget=budget,
            n_public=self.n_public,
            seed=seed,
            suite_key_sha256=_sha256(suite.key),
            noise_mode="secret" if secret else "replayable",
            audit=AuditPolicy(
                suite.audit_share,
                suite.unit,
                "natural",
                _sha256(suite.audit_key),
                suite.canaries,
            ),
            limited=self.limit,
            per_patient=self.used.per_patient if suite.unit == "patient" else None,
        )
        return Job(
            cell=cell,
            label=axis.label or axis.name,
            method=method,
            loader=self.loader,
            encoder=encoder,
            suite_key=suite.key.encode(),
            audit_key=suite.audit_key.encode(),
            subset=self.used.subset,
            dataset_label=self.used.shown,
        )


def _sensible(name: str, method: Method) -> None:
    """Refuse, before anything runs, settings that every run would end on."""
    rate, steps = getattr(method, "rate", 1.0), getattr(method, "steps", 1)
    max_norm = getattr(method, "max_norm", 1.0)
    if not 0 < rate <= 1:
        raise SuiteError(f"method '{name}': rate = {rate}: a sampling probability lies in (0, 1]")
    if steps < 1:
        raise SuiteError(f"method '{name}': steps = {steps}: give a positive count")
    if not (max_norm > 0 and math.isfinite(max_norm)):
        raise SuiteError(f"method '{name}': max_norm = {max_norm}: give a positive, finite clip")


RESERVED = ("all positive", "all negative", "null", "positive control")


def _one_method_per_label(suite: Suite) -> None:
    """Two entries under one label would share a row and be averaged as if they were seeds."""
    seen: dict[str, MethodAxis] = {}
    for axis in suite.methods:
        label = axis.label or axis.name
        _readable(label, suite)
        if seen.setdefault(label, axis) != axis:
            raise SuiteError(
                f"suite '{suite.name}': two [[methods]] entries are called '{label}'; give each "
                "a label of its own"
            )


def _readable(label: str, suite: Suite) -> None:
    """Labels stand in tables and file names; SuiteError for what could not."""
    if not label.isprintable() or not 0 < len(label) <= 60 or label in RESERVED:
        raise SuiteError(
            f"suite '{suite.name}': label {label!r}: give up to 60 printable characters, and "
            f"none of {', '.join(RESERVED)}"
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
