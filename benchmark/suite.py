"""A suite: the TOML file that names the axes, and the jobs that it expands to.

    suite = read_suite("quickstart")               # a shipped name, or a path
    jobs = expand(suite, data=Path("data"))

Private methods expand over finite ε, the others run at inf alone; a method without an encoder gives
one cell and not one per encoder. The order of axes and lists changes neither ids nor keys.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from radpriv.benchmark.cell import AuditPolicy, Budget, Cell
from radpriv.benchmark.datasets.base import Loader, build, make_loader
from radpriv.benchmark.encoders import Encoder, resolve
from radpriv.benchmark.job import Job
from radpriv.benchmark.method import Method, methods
from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import DataError, SuiteError

CONTROL_C = 1e4
"""Inverse L2 strength of the positive control: `tfidf` over-fitted on mislabelled candidates."""
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class DatasetAxis:
    """One dataset. n_public: units, near the training size, a public constant.

    per_patient: with unit "patient", the most reports of one patient that are trained on.
    otherwise: the axis used where this one's source is not found.
    """

    name: str
    n_public: int
    options: Mapping[str, Any] = field(default_factory=dict)
    otherwise: DatasetAxis | None = None
    per_patient: int = 16


@dataclass(frozen=True)
class MethodAxis:
    """One method with parameters; label: how tables call it. epsilons: instead of the suite's."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    epsilons: tuple[float, ...] = ()


@dataclass(frozen=True)
class Suite:
    """The axes. key and audit_key are public in open suites: they make runs replayable.

    noise: "replayable", "secret", or "auto" (secret exactly for gated data).
    short_recipe: marks tables and figures of a suite that trains too briefly to rank methods.
    """

    name: str
    key: str
    audit_key: str
    datasets: tuple[DatasetAxis, ...]
    methods: tuple[MethodAxis, ...]
    epsilons: tuple[float, ...]
    seeds: tuple[int, ...]
    encoders: tuple[str, ...] = ("minilm",)
    pretrained_on: str = ""
    noise: str = "auto"
    audit_share: float | None = None
    unit: str = "report"
    delta: float | None = None
    control: bool = True
    short_recipe: bool = False
    note: str = ""


def shipped() -> list[str]:
    """Names of the suites that come with radpriv."""
    folder = resources.files("radpriv.benchmark") / "suites"
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def read_suite(name: str) -> Suite:
    """A shipped suite by name, or a TOML file by path; SuiteError names the key at fault."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"{path}: cannot be read ({error}); give a TOML file") from error
        return parse(text, str(path), path.stem)
    if name not in shipped():
        hint = did_you_mean(name, shipped())
        raise SuiteError(f"no suite is called '{name}'{hint} (known: {', '.join(shipped())})")
    file = resources.files("radpriv.benchmark") / "suites" / f"{name}.toml"
    return parse(file.read_text(encoding="utf-8"), f"suite '{name}'", name)


def parse(text: str, where: str, name: str) -> Suite:
    """A suite from TOML. `where` names it in errors."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise SuiteError(f"{where}: not valid TOML ({' '.join(str(error).split())})") from error
    raw.setdefault("name", re.sub(r"[^A-Za-z0-9._+-]+", "_", name).lstrip(".") or "suite")
    raw.setdefault("key", f"radpriv/{raw['name']}")
    raw.setdefault("audit_key", f"radpriv/{raw['name']}/audit")
    seeds = raw.get("seeds", 1)
    if _is_int(seeds):
        if not 1 <= seeds <= MOST_SEEDS:
            raise SuiteError(f"{where}: seeds = {seeds}: a count from 1 to {MOST_SEEDS}, or a list")
        raw["seeds"] = list(range(seeds))
    values = _checked(Suite, raw, where)
    values["datasets"] = tuple(_dataset(d, where) for d in _list(raw, "datasets", where))
    values["methods"] = tuple(
        MethodAxis(**_checked(MethodAxis, m, f"{where}: methods"))
        for m in _list(raw, "methods", where)
    )
    suite = Suite(**values)
    for epsilon in (*suite.epsilons, *(e for m in suite.methods for e in m.epsilons)):
        try:
            Budget(float(epsilon), 1e-5)
        except (SuiteError, OverflowError) as error:
            raise SuiteError(f"{where}: {error}") from error
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,79}", suite.name):
        raise SuiteError(
            f"{where}: name = {suite.name[:80]!r}: up to 80 letters, digits and . _ + -, "
            "as it names files"
        )
    if suite.noise not in ("auto", "replayable", "secret"):
        raise SuiteError(f"{where}: noise = '{suite.noise}': auto, replayable or secret")
    for seed in suite.seeds:
        if seed < 0:
            raise SuiteError(f"{where}: seeds = {list(suite.seeds)}: none may be negative")
    return suite


def _is_anything(value: Any) -> bool:
    return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_int(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


_KINDS: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    "str": ("text", _is_text),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("a whole number", _is_int),
    "float | None": ("a number", _is_number),
    "Mapping[str, Any]": ("a table", _is_table),
    "DatasetAxis | None": ("a table", _is_table),
    "tuple[str, ...]": ("a list of texts", _all(_is_text)),
    "tuple[int, ...]": ("a list of whole numbers", _all(_is_int)),
    "tuple[float, ...]": ("a list of numbers", _all(_is_number)),
}
"""What a TOML value must be, by the annotation of its field."""


def _dataset(raw: Mapping[str, Any], where: str) -> DatasetAxis:
    values = _checked(DatasetAxis, raw, f"{where}: datasets")
    if "otherwise" in raw:
        values["otherwise"] = _dataset(raw["otherwise"], where)
    if values["n_public"] < 1:
        raise SuiteError(f"{where}: n_public = {values['n_public']!r}: give a positive count")
    if values.get("per_patient", 1) < 1:
        raise SuiteError(f"{where}: per_patient = {values['per_patient']}: give a positive count")
    return DatasetAxis(**values)


def _list(raw: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    value = raw.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(v, Mapping) for v in value):
        raise SuiteError(f"{where}: give at least one [[{key}]] table")
    return value


def _checked(kind: type[Any], raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = kind.__dataclass_fields__
    for key in raw:
        if key not in known:
            raise SuiteError(f"{where}: unknown key {key!r}{did_you_mean(key, list(known))}")
    for key, f in known.items():
        required = "MISSING" in repr(f.default) and "MISSING" in repr(f.default_factory)
        if required and key not in raw:
            raise SuiteError(f"{where}: key '{key}' is missing")
        expected, fits = _KINDS.get(f.type, ("", _is_anything))
        if key in raw and not fits(raw[key]):
            raise SuiteError(f"{where}: {key} = {raw[key]!r}: expected {expected}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}


@dataclass(frozen=True)
class Overrides:
    """What the command line replaces: an axis, or the size. asked: the words it used."""

    methods: tuple[str, ...] = ()
    encoder: str = ""
    pretrained_on: str = ""
    limit: int | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        return bool(self.methods or self.encoder or self.limit)

    def apply(self, suite: Suite) -> Suite:
        if self.limit is not None and self.limit < 20:
            raise SuiteError(f"--limit {self.limit}: give at least 20 reports")
        if self.methods:
            suite = replace(suite, methods=tuple(MethodAxis(m) for m in self.methods))
        if self.encoder:
            suite = replace(suite, encoders=(self.encoder,), pretrained_on=self.pretrained_on)
        if self.limit is not None:
            suite = replace(suite, seeds=suite.seeds[:1])
        return suite


def expand(suite: Suite, data: Path | None, overrides: Overrides | None = None) -> list[Job]:
    """All jobs in the suite's order; SuiteError, DataError or EncoderError for what is wrong."""
    limit = overrides.limit if overrides else None
    _one_method_per_label(suite)
    found: dict[str, Encoder] = {}
    for name in suite.encoders:
        found[name] = resolve(name, suite.pretrained_on)
    jobs: dict[str, Job] = {}
    for axis in suite.datasets:
        used, loader, identity = locate(axis, data)
        maker = _Maker(suite, loader, identity, limit or used.n_public, used.per_patient, limit)
        made = [job for m in suite.methods for job in maker.jobs(m, found)]
        if suite.control:
            made += [maker.control(seed) for seed in suite.seeds]
        jobs.update((job.cell.id, job) for job in made)
    if not jobs:
        raise SuiteError(
            f"suite '{suite.name}' asks for no cell: a private method needs a finite epsilon"
        )
    return list(jobs.values())


def locate(axis: DatasetAxis, data: Path | None) -> tuple[DatasetAxis, Loader, dict[str, Any]]:
    """The axis to use, its loader and identity: `otherwise` where the source is absent."""
    loader = make_loader(axis.name, axis.options)
    if axis.otherwise is not None:
        try:
            loader.find(data)
        except DataError:
            return locate(axis.otherwise, data)
    return axis, loader, loader.identity(data)


@dataclass(frozen=True)
class _Maker:
    """Makes the jobs of one dataset."""

    suite: Suite
    loader: Loader
    identity: Mapping[str, Any]
    n_public: int
    per_patient: int
    limit: int | None

    def jobs(self, axis: MethodAxis, found: Mapping[str, Encoder]) -> Iterator[Job]:
        method: Method = build(
            methods.get(axis.name), axis.params, f"method '{axis.name}'", "parameter"
        )
        if method.private and self.suite.unit not in method.units:
            raise SuiteError(f"method '{axis.name}' has no claim for the unit '{self.suite.unit}'")
        if self.limit:
            method = method.limited()
        _sensible(axis.name, method)
        finite = [e for e in (axis.epsilons or self.suite.epsilons) if math.isfinite(e)]
        for name in self.suite.encoders if method.uses_encoder else ("",):
            for epsilon in finite if method.private else [math.inf]:
                for seed in self.suite.seeds:
                    yield self._job(axis, method, found.get(name), epsilon, seed)

    def control(self, seed: int) -> Job:
        """The positive control: it must leak, or the attack is broken."""
        axis = MethodAxis("tfidf", label="tfidf, over-fitted")
        method: Method = build(
            methods.get("tfidf"), {"c": CONTROL_C}, "method 'tfidf'", "parameter"
        )
        job = self._job(axis, method, None, math.inf, seed)
        audit = replace(job.cell.audit, canaries="mislabelled")
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
            audit=AuditPolicy(suite.audit_share, suite.unit, "natural", _sha256(suite.audit_key)),
            limited=self.limit,
            per_patient=self.per_patient if suite.unit == "patient" else None,
        )
        return Job(
            cell=cell,
            label=axis.label or axis.name,
            method=method,
            loader=self.loader,
            encoder=encoder,
            suite_key=suite.key.encode(),
            audit_key=suite.audit_key.encode(),
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
        if not label.isprintable() or len(label) > 60 or label in RESERVED:
            raise SuiteError(
                f"suite '{suite.name}': label {label!r}: give up to 60 printable characters, and "
                f"none of {', '.join(RESERVED)}"
            )
        if seen.setdefault(label, axis) != axis:
            raise SuiteError(
                f"suite '{suite.name}': two [[methods]] entries are called '{label}'; give each "
                "a label of its own"
            )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
