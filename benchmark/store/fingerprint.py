"""How a result was computed: what must be unchanged for a stored result to be served again.

    now = fingerprint(["radpriv.benchmark.runs.runner", "radpriv.baselines.tfidf"],
                      device="cpu", dtype="float32")
    store.lookup(cell.id, now.digest)

In it: the source of everything the roots import (import_closure.py), the data files beside it, the
versions of the distributions imported there, Python's minor version, device kind and dtype. A root
may lie in an installed plug-in package (entry points): what its distribution provides is followed
as radpriv's own modules are, and the distribution's version counts too. Not in it: comments,
docstrings, whatever no root imports (command line, reports, attacks), suites.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from radpriv.benchmark.cell import digest
from radpriv.benchmark.store.cell_schema import How
from radpriv.benchmark.store.digests import file_sha256
from radpriv.benchmark.store.import_closure import closure, find
from radpriv.errors import StoreError

# Not read by a run: suites choose cells, templates belong to reports.
_APART = {"suites", "templates", "__pycache__"}
_CODE = {".py", ".pyc", ".pyi", ".typed"}
ABSENT = "absent"


@dataclass(frozen=True)
class Fingerprint:
    """modules, data: name -> SHA-256. packages: distribution -> version.

    cached: False where the code imports what its source does not name; `why_not_cached` says
    where. Its digest then occurs once only, so that nothing stored is ever served for it.
    """

    modules: Mapping[str, str] = field(hash=False)
    data: Mapping[str, str] = field(hash=False)
    packages: Mapping[str, str] = field(hash=False)
    python: str
    device: str
    dtype: str
    why_not_cached: str | None = None
    nonce: str = ""

    @property
    def cached(self) -> bool:
        return self.why_not_cached is None

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return digest({**asdict(self.facts), "nonce": self.nonce})[:16]

    @property
    def facts(self) -> How:
        """What a record says of it."""
        return How(
            self.python,
            self.device,
            self.dtype,
            dict(sorted(self.modules.items())),
            dict(sorted(self.data.items())),
            dict(sorted(self.packages.items())),
            self.cached,
            self.why_not_cached,
        )


def fingerprint(
    roots: Sequence[str],
    *,
    device: str,
    dtype: str,
    plugin_files: Mapping[str, Path] | None = None,
    extra_packages: Iterable[str] = (),
    prefix: str = "radpriv",
) -> Fingerprint:
    """The fingerprint of what these modules and plug-in files (name -> file) compute.

    extra_packages: distributions that matter though only others import them (e.g. tokenizers).
    prefix: the package whose modules are followed, with those of the roots' own distributions;
    everything else counts by its version.
    """
    beside, distributions = _beside(roots, prefix)
    found = closure(roots, plugin_files, prefix, beside)
    reasons = [f"{what}, so what it imports is unknown" for what in found.dynamic]
    packages = {name: _version(name) for name in (*extra_packages, *distributions)}
    for name in sorted(found.foreign):
        owners = _owners().get(name, ())
        packages.update({owner: _version(owner) for owner in owners} or {name: ABSENT})
        loose = [owner for owner in owners if _editable(owner)]
        if loose or (not owners and find(name) is not None):
            reasons.append(f"{name} is imported from files whose version says nothing of them")
    return Fingerprint(
        modules={name: source.sha256 for name, source in found.modules.items()},
        data=dict(_data(found.packages, prefix)),
        packages=packages,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        device=device,
        dtype=dtype,
        why_not_cached=reasons[0] if reasons else None,
        nonce=secrets.token_hex(16) if reasons else "",
    )


def _beside(roots: Iterable[str], prefix: str) -> tuple[set[str], set[str]]:
    """(top-level names, distributions) of the roots that do not lie in `prefix`.

    With every name that their distributions provide, as one may import the other.
    """
    names = {root.partition(".")[0] for root in roots} - {prefix}
    distributions = {owner for name in names for owner in _owners().get(name, ())}
    provided = {name for name, owners in _owners().items() if distributions & set(owners)}
    return names | provided, distributions


def _data(packages: Mapping[str, Path], prefix: str) -> Iterator[tuple[str, str]]:
    """Files beside the modules, and in sub-folders that are no packages: name -> SHA-256."""
    for package, folder in packages.items():
        apart = _APART if package.partition(".")[0] == prefix else {"__pycache__"}
        if folder.name in apart:
            continue
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            for path in here.iterdir():
                if path.name.startswith(".") or path.name.endswith("~") or path.name in apart:
                    continue
                if path.is_dir():
                    if not (path / "__init__.py").exists():
                        waiting.append(path)
                elif path.suffix not in _CODE:
                    name = f"{package.replace('.', '/')}/{path.relative_to(folder).as_posix()}"
                    yield name, file_sha256(path)


@lru_cache(maxsize=1)
def _owners() -> dict[str, tuple[str, ...]]:
    """Top-level import name -> distributions that provide it, or name it as a plug-in of theirs.

    The second for editable installations, which need not list what they provide.
    """
    named = {name: set(owners) for name, owners in metadata.packages_distributions().items()}
    for distribution in metadata.distributions():
        for point in distribution.entry_points:
            if point.group.startswith("radpriv."):
                named.setdefault(point.module.partition(".")[0], set()).add(distribution.name)
    return {name: tuple(sorted(owners)) for name, owners in named.items()}


@lru_cache(maxsize=1024)
def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ABSENT


@lru_cache(maxsize=1024)
def _editable(distribution: str) -> bool:
    """Whether its files may change while its version stays."""
    told = metadata.distribution(distribution).read_text("direct_url.json")
    try:
        return bool(json.loads(told or "{}").get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError) as error:
        raise StoreError(
            f"{distribution}: its direct_url.json is damaged; reinstall the package"
        ) from error
