"""A suite: the TOML file that names the axes. expansion.py turns it into jobs.

suite = read_suite("quickstart")               # a shipped name, or a path
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WrapValidator
from pydantic import ValidatorFunctionWrapHandler as Handler

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.datasets.audit_set.subset import Subset
from radpriv.benchmark.epsilon import Epsilon
from radpriv.benchmark.registry import did_you_mean
from radpriv.benchmark.store.plan_schema import SuiteRequest
from radpriv.benchmark.store.schema import file_format
from radpriv.benchmark.user_input import from_plain, read_plain
from radpriv.errors import SuiteError

MOST_SEEDS = 10_000
MOST_REFERENCES = 1_000
LIMITED_REFERENCES = 2
"""Of a `--limit` run: enough that attacks by references go all the way, and quick."""


def _as_written(value: object, check: Handler) -> Any:
    """1 stays 1 and no 1.0, as the digest of a suite and the ids of its cells tell them apart."""
    number = check(value)
    return value if isinstance(value, int) else number


def _counted(value: object) -> object:
    """The seeds that a count stands for."""
    if not isinstance(value, int) or isinstance(value, bool):
        return tuple(value) if isinstance(value, list) else value
    if not 1 <= value <= MOST_SEEDS:
        raise ValueError(f"a count from 1 to {MOST_SEEDS}, or a list")
    return tuple(range(value))


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,79}", name):
        raise ValueError("up to 80 letters, digits and . _ + -, as it names files")
    return name


Name = Annotated[str, AfterValidator(_file_name)]
Positive = Annotated[int, Field(ge=1, description="a positive whole number")]
Seed = Annotated[int, Field(ge=0, description="a whole number that is not negative")]
Seeds = Annotated[
    tuple[Seed, ...],
    BeforeValidator(_counted),
    Field(description="a count, or a list of whole numbers of which none is negative"),
]
References = Annotated[
    int, Field(ge=0, le=MOST_REFERENCES, description=f"a count from 0 to {MOST_REFERENCES}")
]
Number = Annotated[float, WrapValidator(_as_written)]
WrittenEpsilon = Annotated[
    Epsilon, WrapValidator(_as_written), Field(description="a positive number, or inf")
]


@file_format
@dataclass(frozen=True)
class DatasetAxis:
    """One dataset. n_public: units, near the training size, a public constant.

    per_patient: with unit "patient", the most reports of one patient that are trained on.
    otherwise: the axis used where this one's source is not found.
    subset: whole patients of it, by a public hash (audit_set/subset.py); part of its identity.
    label: how tables call it; needed where a dataset comes more than once.
    """

    name: str
    n_public: Positive
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    otherwise: DatasetAxis | None = None
    per_patient: Positive = 16
    subset: Subset | None = None
    label: str = ""

    @property
    def shown(self) -> str:
        return self.label or self.name


@file_format
@dataclass(frozen=True)
class MethodAxis:
    """One method with parameters; label: how tables call it.

    epsilons, references: instead of the suite's.
    """

    name: str
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    label: str = ""
    epsilons: tuple[WrittenEpsilon, ...] = ()
    references: References | None = None


@file_format
@dataclass(frozen=True)
class Suite:
    """The axes. key and audit_key are public in open suites: they make runs replayable.

    noise: "replayable", "secret", or "auto" (secret exactly for gated data).
    canaries: planted beside the audit set (audit_set/canaries.py).
    references: cells of further seeds for each family: attacks learn from them, tables leave them
    out.
    attacks: names of those to make, or plug-in files; None: the usual ones.
    short_recipe: marks tables and figures of a suite that trains too briefly to rank methods.
    """

    name: Name
    key: str
    audit_key: str
    datasets: Annotated[tuple[DatasetAxis, ...], Field(min_length=1)]
    methods: Annotated[tuple[MethodAxis, ...], Field(min_length=1)]
    epsilons: tuple[WrittenEpsilon, ...]
    seeds: Seeds
    encoders: tuple[str, ...] = ("minilm",)
    pretrained_on: str = ""
    noise: Literal["auto", "replayable", "secret"] = "auto"
    audit_share: Number | None = None
    canaries: tuple[Planting, ...] = ()
    unit: Literal["report", "patient"] = "report"
    delta: Number | None = None
    control: bool = True
    references: References = 0
    attacks: tuple[str, ...] | None = None
    short_recipe: bool = False
    note: str = ""

    def reference_seeds(self, count: int) -> tuple[int, ...]:
        """The seeds of `count` reference cells: the smallest that are not the suite's own.

        So a suite that asks for more seeds, or for fewer references, finds its cells in the store.
        """
        free = (seed for seed in itertools.count() if seed not in self.seeds)
        return tuple(itertools.islice(free, count))


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
        except FileNotFoundError as error:
            raise SuiteError(
                f"{path}: cannot be read (no such file); give a TOML file{_near_path(path)}"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise SuiteError(f"{path}: cannot be read ({why}); give a TOML file") from error
        return parse(text, str(path), path.stem)
    if name not in shipped():
        beside = Path(f"{name}.toml")
        hint = f"; did you mean '{beside}'?" if beside.is_file() else did_you_mean(name, shipped())
        raise SuiteError(f"no suite is called '{name}'{hint} (known: {', '.join(shipped())})")
    file = resources.files("radpriv.benchmark") / "suites" / f"{name}.toml"
    return parse(file.read_text(encoding="utf-8"), f"suite '{name}'", name)


def _near_path(path: Path) -> str:
    """A clause that suggests a TOML file of that folder, or a shipped suite, or nothing."""
    files = [found.name for found in path.parent.glob("*.toml")]
    return did_you_mean(path.name, files) or did_you_mean(path.stem, shipped())


def parse(text: str, where: str, name: str) -> Suite:
    """A suite from TOML. `where` names it in errors."""
    try:
        raw = read_plain(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise SuiteError(f"{where}: not valid TOML ({' '.join(str(error).split())})") from error
    raw.setdefault("name", re.sub(r"[^A-Za-z0-9._+-]+", "_", name).lstrip(".") or "suite")
    raw.setdefault("key", f"radpriv/{raw['name']}")
    raw.setdefault("audit_key", f"radpriv/{raw['name']}/audit")
    raw.setdefault("seeds", 1)
    return from_plain(Suite, raw, where)


@dataclass(frozen=True)
class Overrides:
    """What the command line replaces: an axis, or the size. asked: the words it used."""

    methods: tuple[str, ...] = ()
    encoder: str = ""
    pretrained_on: str = ""
    limit: int | None = None
    asked: SuiteRequest = SuiteRequest()

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
            few = min(suite.references, LIMITED_REFERENCES)
            suite = replace(
                suite,
                seeds=suite.seeds[:1],
                references=few,
                methods=tuple(_few_references(m) for m in suite.methods),
            )
        return suite


def _few_references(axis: MethodAxis) -> MethodAxis:
    if axis.references is None:
        return axis
    return replace(axis, references=min(axis.references, LIMITED_REFERENCES))
