"""Does a method go on after a stop with the same bits? Its state must hold what steps change."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from radpriv.benchmark.conformance.replay import Setting, execute
from radpriv.benchmark.conformance.toy_data import World
from radpriv.benchmark.conformance.verdict import NO_STOP
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.checkpoint import Checkpoints, conditions
from radpriv.errors import RadprivError

CPU = torch.device("cpu")


class _Stop(Exception):
    """Ends a run from outside."""


def resumes(setting: Setting, world: World) -> tuple[bool, str]:
    """Stop after 1, 2, 4, … steps, go on at the checkpoint, and compare with no stop."""
    universe = world.universe(setting.budget.unit)
    uninterrupted = execute(setting, universe, None)
    stops: list[int] = []
    while True:
        stop = 2 ** len(stops)
        with tempfile.TemporaryDirectory(prefix="radpriv-check-") as folder:
            ledger = _stopped(setting, universe, stop, Path(folder))
            if ledger is None:
                break  # it was over before
            stops.append(stop)
            goes_on = Ledger(None, ledger.releases)
            checkpoints = Checkpoints(Path(folder), 0.0, conditions(CPU))
            try:
                outcome = execute(setting, universe, None, checkpoints, goes_on)
            except RadprivError as error:
                return False, f"stopped after step {stop}: {error}"
            after = replace(outcome, progress=uninterrupted.progress)  # it tells the rest alone
            differs = uninterrupted.differs(after)
            if differs or goes_on.unmade:
                return False, f"stopped after step {stop}: {differs or 'releases are missing'}"
    if not stops:
        return True, NO_STOP
    return True, f"the same bits after a stop at step {', '.join(map(str, stops))}"


def _stopped(setting: Setting, universe: Universe, stop: int, folder: Path) -> Ledger | None:
    """The ledger of a run that ends after `stop` steps; None where it was over before."""
    ledger, left = Ledger(None), [stop]

    def step(_: float) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise _Stop

    try:
        execute(setting, universe, None, Checkpoints(folder, 0.0, conditions(CPU)), ledger, step)
    except _Stop:
        return ledger
    return None
