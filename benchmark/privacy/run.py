"""Run: the door `run` of Method.fit. One sampler, one release, one ledger.

    sigma = run.calibrate(rate, steps)
    for step in run.poisson(records, rate, steps, state=(model, optimizer)):
        total = clipped_sum(model, step.records, max_norm)
        update = step.gaussian("gradient", total, sigma)
        apply(model, optimizer, update / step.expected_batch)

Poisson sampling is what is accounted, so it is what is run (rule 1). The divisor is
rate · n_public, a constant; the number of records in a step is private: nothing is divided by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import nn

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.privacy import calibration
from radpriv.benchmark.privacy.checks import (
    buffers,
    check_constant,
    check_gradients_reach,
    check_moved,
    finite,
    snapshot,
)
from radpriv.benchmark.privacy.clipping import ClippedSum
from radpriv.benchmark.privacy.ledger import Ledger, Release, groups
from radpriv.benchmark.privacy.records import PrivateFeatures, Records
from radpriv.benchmark.privacy.release import Noised, add_noise
from radpriv.benchmark.privacy.streams import seed64, uniforms
from radpriv.errors import PrivacyError

State = tuple[nn.Module, torch.optim.Optimizer]


class Diverged(Exception):
    """Noised weights became non-finite; the ledger is kept and the cell ends as `diverged`."""


@dataclass(frozen=True)
class Step:
    """One Poisson sample. records: in slot order, private. expected_batch: rate · n_public."""

    index: int
    records: Records = field(repr=False)
    rate: float
    expected_batch: float
    _run: Run = field(repr=False)

    def gaussian(self, name: str, value: ClippedSum, sigma: float) -> Noised:
        """Release `value` with noise multiplier `sigma`; the ledger line is on disk before.

        PrivacyError after the step has ended, for a name used twice, for a sum that `clipped_sum`
        did not make of this step's records, or for no noise at finite ε.
        """
        sample = self.records._sample
        if not sample.open:
            raise PrivacyError(f"step {self.index} has ended: its sample must not be used again")
        if value.name not in sample.sums:
            raise PrivacyError(
                f"step {self.index}: '{name}' is not what clipped_sum made of this step's records, "
                "so nothing bounds what one record adds to it"
            )
        return self._run._release(self, name, value, sigma)


class Run:
    """Everything that a method may do with private records, and public randomness."""

    def __init__(
        self,
        *,
        budget: Budget,
        n_public: int,
        labels: int,
        key: bytes,
        suite_key: bytes,
        seed: int,
        ledger: Ledger,
        device: torch.device,
        public: Callable[[str], Dataset],
        universe_size: int,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self._budget = budget
        self._device = device
        self._calibrations: list[dict[str, float]] = []
        self._disclosed: set[str] = set()
        self._n_public = n_public
        self._labels = labels
        self._key = key
        self._suite_key = suite_key
        self._seed = seed
        self._ledger = ledger
        self._load_public = public
        self._size = universe_size
        self._progress = progress
        self._step = 0
        self._silent = False

    @property
    def budget(self) -> Budget:
        return self._budget

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def calibrations(self) -> list[dict[str, float]]:
        return [dict(c) for c in self._calibrations]

    @property
    def disclosed(self) -> frozenset[str]:
        """Public datasets that were asked for."""
        return frozenset(self._disclosed)

    @property
    def silent(self) -> bool:
        """Whether a step handed out records and released nothing: no ledger line covers it."""
        return self._silent

    @property
    def releases(self) -> list[Release]:
        return list(self._ledger.releases)

    def calibrate(self, rate: float, steps: int) -> float:
        """Noise multiplier for `steps` Poisson steps at `rate` within the budget; 0 at ε = inf."""
        b = self._budget
        sigma = calibration.calibrate(b.epsilon, b.delta, rate, steps) if b.private else 0.0
        self._calibrations.append({"rate": rate, "steps": steps, "noise_multiplier": sigma})
        return sigma

    def poisson(
        self, records: PrivateFeatures, rate: float, steps: int, state: State
    ) -> Iterator[Step]:
        """`steps` steps; each unit is in each step by an own coin with probability `rate`.

        state: what the steps update; watched for tensors that cannot move, and for divergence.
        """
        if not 0 < rate <= 1:
            raise PrivacyError(f"rate = {rate}: a sampling probability lies in (0, 1]")
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise PrivacyError(f"steps = {steps!r}: give a positive count")
        model, optimizer = state
        check_gradients_reach(model, records.function, self._labels, self._device)
        before, constants = snapshot(model), buffers(model)
        for _ in range(steps):
            step = self._sample(records, rate)
            try:
                yield step
            finally:
                step.records._sample.open = False
                self._silent |= not self._released(step)
            if self._silent:
                raise PrivacyError(
                    f"step {step.index} released nothing: what a method learns from step.records "
                    "must go through step.gaussian"
                )
            check_constant(model, constants)
            if not finite(model):
                raise Diverged(f"weights are not finite after step {step.index}")
            noised = any(r.noise_multiplier > 0 for r in self._released(step))
            if before and noised and _step_size(optimizer) > 0:
                check_moved(model, before)
                before = {}
            self.report_progress(step.expected_batch)

    def report_progress(self, passes: float) -> None:
        """Tell the terminal that about `passes` records were stepped over; no private count."""
        if self._progress is not None:
            self._progress(passes)

    def _sample(self, records: PrivateFeatures, rate: float) -> Step:
        index, self._step = self._step, self._step + 1
        chosen = uniforms(self._key, ("coin", index), self._size) < rate
        return Step(
            index, records._select(chosen, self._device), rate, rate * self._n_public, _run=self
        )

    def _release(self, step: Step, name: str, value: ClippedSum, sigma: float) -> Noised:
        if not (math.isfinite(sigma) and sigma >= 0):
            raise PrivacyError(f"noise multiplier {sigma}: give a finite number ≥ 0")
        if sigma == 0 and self._budget.private:
            raise PrivacyError(
                f"release '{name}' without noise at epsilon {self._budget.epsilon:g}"
            )
        if any(r.name == name for r in self._released(step)):
            raise PrivacyError(f"step {step.index} has released '{name}' before; name it apart")
        noised = add_noise(value, sigma, self._key, step.index, name)
        self._ledger.append(
            Release(step.index, name, value.sensitivity, sigma, step.rate, noised.sha256)
        )
        return noised

    def _released(self, step: Step) -> list[Release]:
        """What this step, the newest, has released."""
        return list(takewhile(lambda r: r.step == step.index, reversed(self._ledger.releases)))

    def public(self, name: str) -> Dataset:
        """A public dataset that the method declared; disclosed in the record."""
        self._disclosed.add(name)
        return self._load_public(name)

    def rng(self, name: str) -> torch.Generator:
        """Public randomness: depends on suite key, seed and name only (CPU generator)."""
        return torch.Generator().manual_seed(seed64(self._suite_key, "public", self._seed, name))

    def certificate(self) -> tuple[float, float]:
        """(ε, discretisation) of all that was released, by PLD; inf without noise."""
        made = groups(self._ledger.releases)
        if not self._budget.private:
            return (math.inf if made else 0.0), 0.0
        return calibration.certificate(made, self._budget.delta, self._budget.epsilon)


def _step_size(optimizer: torch.optim.Optimizer) -> float:
    return min(float(group["lr"]) for group in optimizer.param_groups)
