"""A suite: the TOML file that names the axes. expansion.py turns it into jobs.

suite = read_suite("quickstart")               # a shipped name, or a path
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.audit_set.subset import Subset
from radpriv.benchmark.registry import did_you_mean
from radpriv.errors import SuiteError

MOST_SEEDS = 10_000
MOST_REFERENCES = 1_000
LIMITED_REFERENCES = 2
"""Of a `--limit` run: enough that attacks by references go all the way, and quick."""


@dataclass(frozen=True)
class DatasetAxis:
    """One dataset. n_public: units, near the training size, a public constant.

    per_patient: with unit "patient", the most reports of one patient that are trained on.
    otherwise: the axis used where this one's source is not found.
    subset: whole patients of it, by a public hash (audit_set/subset.py); part of its identity.
    label: how tables call it; needed where a dataset comes more than once.
    """

    name: str
    n_public: int
    options: Mapping[str, Any] = field(default_factory=dict)
    otherwise: DatasetAxis | None = None
    per_patient: int = 16
    subset: Subset | None = None
    label: str = ""

    @property
    def shown(self) -> str:
        return self.label or self.name


@dataclass(frozen=True)
class MethodAxis:
    """One method with parameters; label: how tables call it.

    epsilons, references: instead of the suite's.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    epsilons: tuple[float, ...] = ()
    references: int | None = None


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
    canaries: tuple[Planting, ...] = ()
    unit: str = "report"
    delta: float | None = None
    control: bool = True
    references: int = 0
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
        except (OSError, UnicodeDecodeError) as error:
            hint = _near_path(path) if isinstance(error, FileNotFoundError) else ""
            raise SuiteError(f"{path}: cannot be read ({error}); give a TOML file{hint}") from error
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
    values["canaries"] = tuple(_planting(c, where) for c in raw.get("canaries", ()))
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
    for count in (suite.references, *(m.references or 0 for m in suite.methods)):
        if not 0 <= count <= MOST_REFERENCES:
            raise SuiteError(f"{where}: references = {count}: a count from 0 to {MOST_REFERENCES}")
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
    "int | None": ("a whole number", _is_int),
    "float | None": ("a number", _is_number),
    "Mapping[str, Any]": ("a table", _is_table),
    "DatasetAxis | None": ("a table", _is_table),
    "Subset | None": ("a table", _is_table),
    "tuple[Planting, ...]": ("a list of tables", _all(_is_table)),
    "float": ("a number", _is_number),
    "tuple[str, ...]": ("a list of texts", _all(_is_text)),
    "tuple[str, ...] | None": ("a list of texts", _all(_is_text)),
    "tuple[int, ...]": ("a list of whole numbers", _all(_is_int)),
    "tuple[float, ...]": ("a list of numbers", _all(_is_number)),
}
"""What a TOML value must be, by the annotation of its field."""


def _dataset(raw: Mapping[str, Any], where: str) -> DatasetAxis:
    values = _checked(DatasetAxis, raw, f"{where}: datasets")
    if "otherwise" in raw:
        values["otherwise"] = _dataset(raw["otherwise"], where)
    if "subset" in raw:
        asked = _checked(Subset, raw["subset"], f"{where}: subset")
        try:
            values["subset"] = Subset(**asked)
        except SuiteError as error:
            raise SuiteError(f"{where}: {error}") from error
    if values["n_public"] < 1:
        raise SuiteError(f"{where}: n_public = {values['n_public']!r}: give a positive count")
    if values.get("per_patient", 1) < 1:
        raise SuiteError(f"{where}: per_patient = {values['per_patient']}: give a positive count")
    return DatasetAxis(**values)


def _planting(raw: Mapping[str, Any], where: str) -> Planting:
    asked = _checked(Planting, raw, f"{where}: canaries")
    try:
        return Planting(**asked)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error


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
