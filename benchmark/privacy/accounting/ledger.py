"""The ledger: one line per release, on disk before the noised value leaves the waist.

Anybody recomputes ε from it: releases of one step share one Poisson sample, so their Gaussians are
merged first (1/σ² = Σ 1/σᵢ²) and equal steps are grouped; booking them apart understates ε.

A ledger from elsewhere is read by the whitelist below and nothing else: plain JSON, known fields,
numbers in range. No event class is ever looked up by a name in the file.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from radpriv.benchmark.store.atomic import storing
from radpriv.benchmark.store.ledger_schema import Group, Release
from radpriv.benchmark.store.schema import parse
from radpriv.errors import NotReproduced, PrivacyError, StoreError


class Ledger:
    """Append-only; `append` returns after the line is on disk.

    releases: those of this run, in order. earlier: lines that the file holds already, of a run that
    was stopped: what the run that goes on releases must be the same, one after the other. None for
    a new run.
    """

    def __init__(self, path: Path | None, earlier: Iterable[Release] | None = None) -> None:
        self.path = path
        self.releases: list[Release] = []
        self._goes_on = earlier is not None
        self._earlier = deque(earlier or ())

    def settle(self, step: int) -> None:
        """A checkpoint has the steps before `step` behind it: their lines stand as they are.

        NotReproduced where one of these steps has no line: a certificate without it would be wrong.
        """
        while self._earlier and self._earlier[0].step < step:
            self.releases.append(self._earlier.popleft())
        if self._goes_on and (gone := set(range(step)) - {r.step for r in self.releases}):
            raise NotReproduced(
                f"the ledger has no line of step {min(gone)}, which the checkpoint of a stopped "
                "run has behind it; the run begins anew"
            )

    @property
    def unmade(self) -> int:
        """Earlier lines that this run has not released again."""
        return len(self._earlier)

    def append(self, release: Release) -> None:
        """NotReproduced, and nothing may leave the waist, where an earlier line says otherwise."""
        if self._earlier:
            if self._earlier[0] != release:
                raise NotReproduced(
                    f"step {release.step}: release '{release.name}' is not what it was before the "
                    "run was stopped; its noise must not be used for two values"
                )
            self.releases.append(self._earlier.popleft())
            return
        if self.path is not None:
            line = json.dumps(asdict(release), sort_keys=True) + "\n"
            size = self.path.stat().st_size if self.path.is_file() else 0
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                with suppress(OSError):  # half a line: the next one would stand behind it
                    os.truncate(self.path, size)
                raise StoreError(
                    f"{self.path}: the ledger line of step {release.step} could not be written "
                    f"({error.strerror}); free space and run again, nothing was released"
                ) from error
        self.releases.append(release)


def mend(path: Path) -> None:
    """Cut a last line that a killed process left half written: its value never left the waist."""
    if path.is_file() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        with storing(path):
            os.truncate(path, data.rfind(b"\n") + 1)


def read(path: Path) -> list[Release]:
    """The releases of a ledger file; PrivacyError names the line that is not one."""
    releases = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PrivacyError(f"{path}: the ledger cannot be read ({error})") from error
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, 1):
        where = f"{path} line {number}"
        try:
            releases.append(parse(Release, line, where, PrivacyError))
        except (PrivacyError, OverflowError) as error:
            said = str(error)
            raise PrivacyError(said if said.startswith(where) else f"{where}: {said}") from error
    return releases


def groups(releases: Iterable[Release]) -> tuple[Group, ...]:
    """Merge the releases of each step, then count equal steps; sorted, so order does not matter.

    A step with one release without noise has noise multiplier 0. All releases of a step must state
    one rate: they share its sample.
    """
    rates: dict[int, float] = {}
    precision: dict[int, list[float]] = {}
    for r in releases:
        if rates.setdefault(r.step, r.rate) != r.rate:
            raise PrivacyError(f"ledger: step {r.step} states two rates for one sample")
        precision.setdefault(r.step, []).append(r.noise_multiplier)
    merged = Counter((rates[step], _merge(sigmas)) for step, sigmas in precision.items())
    return tuple(Group(rate, sigma, n) for (rate, sigma), n in sorted(merged.items()))


def _merge(sigmas: list[float]) -> float:
    if len(sigmas) == 1:
        return sigmas[0]
    if min(sigmas) == 0:
        return 0.0
    least = min(sigmas)  # a common factor, since squares of absurd ones overflow
    return least / math.sqrt(math.fsum((least / s) ** 2 for s in sigmas))
