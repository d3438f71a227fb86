"""Run: the door `run` of Method.fit. One sampler, one release, one ledger.

    sigma = run.calibrate(rate, steps)
    for step in run.poisson(records, rate, steps, state=(model, optimizer)):
        total = clipped_sum(model, step.records, max_norm)
        update = step.gaussian("gradient", total, sigma)
        apply(model, optimizer, update / step.expected_batch)

    with run.once(records) as query:                  # every unit, unsampled
        noised = query.gaussian("gram", bounded_sum(gram, query.records, max_norm), sigma)

Poisson sampling is what is accounted, so it is what is run (rule 1). The divisor is
rate · n_public, a constant; the number of records in a step is private: nothing is divided by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import takewhile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.datasets.base import Dataset, closed
from radpriv.benchmark.encoders.features import RecordFunction
from radpriv.benchmark.privacy.accounting import calibration
from radpriv.benchmark.privacy.accounting.ledger import Ledger, Release, groups
from radpriv.benchmark.privacy.bounded import Bounded, Declared
from radpriv.benchmark.privacy.checkpoint import Checkpoints, State
from radpriv.benchmark.privacy.checks import (
    check_constant,
    check_gradients_reach,
    check_moved,
    constants,
    finite,
    public_records,
    snapshot,
)
from radpriv.benchmark.privacy.doors import Doors
from radpriv.benchmark.privacy.records import PrivateFeatures, Records
from radpriv.benchmark.privacy.release import Noised, Place, Releaser, live
from radpriv.benchmark.privacy.step import Step
from radpriv.benchmark.privacy.streams import seed64, uniforms
from radpriv.benchmark.store.ledger_schema import Declaration, Group
from radpriv.errors import PrivacyError

SMALLEST_RATE = 1e-9
"""Coins are multiples of 2^-53: at this rate the real probability is right to one in 10^7."""


Coins = Callable[[int, int], NDArray[np.float64]]


class Diverged(Exception):
    """Noised weights became non-finite; the ledger is kept and the cell ends as `diverged`."""


class Run(Doors):
    """Everything that a method may do with private records, and public randomness.

    units: how many units the universe has. release: makes the noised value; a recorder or a player
    stands here in a replay, and in place of coins: (step, how many) -> uniforms below 1.
    checkpoints: where a run that is stopped goes on.
    """

    _door = "run"

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
        units: int,
        progress: Callable[[float], None] | None = None,
        release: Releaser | None = None,
        checkpoints: Checkpoints | None = None,
        coins: Coins | None = None,
    ) -> None:
        self._budget = budget
        self._device = device
        self._calibrations: list[Group] = []
        self._declared: list[Declaration] = []
        self._disclosed: set[str] = set()
        self._n_public = n_public
        self._labels = labels
        self._key = key
        self._suite_key = suite_key
        self._seed = seed
        self._ledger = ledger
        self._load_public = public
        self._units = units
        self._progress = progress
        self._make = release or live(key)
        self._checkpoints = checkpoints or Checkpoints(None)
        self._coins = coins or self._from_key
        self._public_records: dict[str, Records] = {}
        self._step = 0
        self._open: int | None = None
        self._rate = 0.0
        self._silent = False

    @property
    def budget(self) -> Budget:
        """A copy: what a method makes of it changes no noise."""
        return replace(self._budget)

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def calibrations(self) -> tuple[Group, ...]:
        """What noise was asked for: rate, steps, and the noise multiplier that was given."""
        return tuple(self._calibrations)

    @property
    def declared(self) -> tuple[Declaration, ...]:
        """Releases whose bound a theorem gives."""
        return tuple(self._declared)

    @property
    def disclosed(self) -> frozenset[str]:
        """Public datasets that were asked for."""
        return frozenset(self._disclosed)

    @property
    def silent(self) -> bool:
        """Whether a step handed out records and released nothing: no ledger line covers it."""
        return self._silent or (self._open is not None and not self._released(self._open))

    @property
    def releases(self) -> list[Release]:
        return list(self._ledger.releases)

    def calibrate(self, rate: float, steps: int) -> float:
        """Noise multiplier for `steps` Poisson steps at `rate` within the budget; 0 at ε = inf.

        For one query with k releases of equal worth: run.calibrate(1.0, 1) · sqrt(k) for each.
        By privacy loss distributions (privacy/accounting/calibration.py).

        Args:
            rate: probability with which each unit is in a step, in (0, 1].
            steps: how many steps, each with one release.

        Returns:
            σ in units of a release's sensitivity: noise has standard deviation σ · max_norm.

        Raises:
            PrivacyError: rate · steps is no more than δ.
        """
        b = self._budget
        if b.private and 0 < rate * steps <= b.delta:
            raise PrivacyError(
                f"rate {rate:g} times {steps} steps is {rate * steps:.2g}, no more than delta "
                f"{b.delta:.2g}: such a budget lets every record that is drawn be published; take "
                "a higher rate"
            )
        sigma = calibration.calibrate(b.epsilon, b.delta, rate, steps) if b.private else 0.0
        self._calibrations.append(Group(rate, sigma, steps))
        return sigma

    def poisson(
        self, records: PrivateFeatures, rate: float, steps: int, state: State
    ) -> Iterator[Step]:
        """`steps` steps; each unit is in each step by an own coin with probability `rate`.

        Poisson sampling as in Abadi et al. 2016 (1607.00133), Algorithm 1. A run that was stopped
        goes on at its last checkpoint, with `state` restored.

        Args:
            records: what `train.map` gave.
            rate: one sampling probability for all units, in (0, 1].
            steps: how many; fixed before the first.
            state: (model, optimizer, …), all that the steps change: watched for tensors that cannot
                move and for divergence, and kept in checkpoints. Further entries have state_dict()
                and load_state_dict(), or are torch generators.

        Yields:
            A Step, open until the next is asked for; it must release something.

        Raises:
            PrivacyError: a rate or a count that makes no sense, a tensor that cannot move, another
                step that is still open, or a step that released nothing.
            Diverged: weights are not finite after a noised step; the cell ends so.
        """
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise PrivacyError(
                f"rate = {rate}: give one sampling probability in (0, 1] for all; weights per "
                "record are another mechanism than the one that is accounted"
            )
        if rate < SMALLEST_RATE:
            raise PrivacyError(f"rate = {rate}: below {SMALLEST_RATE:g} coins are too coarse")
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise PrivacyError(f"steps = {steps!r}: give a positive count")
        model, optimizer = state[0], state[1]
        check_gradients_reach(model, records.function, self._labels, self._device)
        before, constant = snapshot(model), constants(model)
        first = self._step
        done, moved = self._checkpoints.restore(first, state, records)
        self._step += done
        self._ledger.settle(self._step)
        for t in range(done, steps):
            with self._sampled(records, rate, query=False) as step:
                step.records._sample.check = partial(_same_model, model)
                yield step
            check_constant(model, constant)
            if not finite(model):
                raise Diverged(f"weights are not finite after step {step.index}")
            noised = any(r.noise_multiplier > 0 for r in self._released(step.index))
            if not moved and noised and _step_size(optimizer) > 0:
                check_moved(model, before)
                moved = True
            self._checkpoints.keep(first, t + 1, t + 1 == steps, moved, state, records)
            self.report_progress(step.expected_batch)

    @contextmanager
    def once(self, records: PrivateFeatures) -> Iterator[Step]:
        """A query over every unit (rate 1): for bounded sums and output perturbation.

        All its releases share one sample, so their Gaussians are merged in the certificate:
        1/σ² = Σ 1/σᵢ².

        Args:
            records: what `train.map` gave.

        Yields:
            The query, a Step; it must release something.

        Raises:
            PrivacyError: another step is still open, or the query released nothing.
        """
        with self._sampled(records, 1.0, query=True) as query:
            query.records._sample.check = partial(
                check_gradients_reach,
                function=records.function,
                labels=self._labels,
                device=self._device,
            )
            yield query

    @contextmanager
    def _sampled(self, records: PrivateFeatures, rate: float, query: bool) -> Iterator[Step]:
        """One sample, open inside the block; it must have released something at its end."""
        if self._open is not None:
            raise PrivacyError(f"step {self._open} is still open: end it before the next sample")
        step = self._sample(records, rate, query)
        self._open, self._rate = step.index, rate
        try:
            yield step
        finally:
            self._open = None
            step.records._sample.open = False
            self._silent |= not self._released(step.index)
        if self._silent:
            raise PrivacyError(
                f"step {step.index} released nothing: what a method learns from its records must "
                "go through its gaussian()"
            )

    def _sample(self, records: PrivateFeatures, rate: float, query: bool = False) -> Step:
        index, self._step = self._step, self._step + 1
        selected = records._select(self._coins(index, self._units) < rate, self._device)
        selected._sample.public = partial(self._public_of, records.function)
        return Step(index, selected, rate, rate * self._n_public, query, self._release)

    def _from_key(self, step: int, units: int) -> NDArray[np.float64]:
        return uniforms(self._key, ("coin", step), units)

    def _public_of(self, function: RecordFunction) -> Records:
        """Public records as this function maps them, made once where it has a name."""
        if not function.key or function.key not in self._public_records:
            made = public_records(function, self._labels, self._device)
            self._public_records[function.key] = made
        return self._public_records[function.key]

    def _release(self, place: Place, value: Bounded, sigma: float) -> Noised:
        if (place.step, place.rate) != (self._open, self._rate):
            raise PrivacyError(f"step {place.step} is not the one that was drawn at this rate")
        if not (math.isfinite(sigma) and sigma >= 0):
            raise PrivacyError(f"noise multiplier {sigma}: give a finite number ≥ 0")
        if sigma == 0 and self._budget.private:
            raise PrivacyError(
                f"release '{place.name}' without noise at epsilon {self._budget.epsilon:g}"
            )
        if any(r.name == place.name for r in self._released(place.step)):
            raise PrivacyError(
                f"step {place.step} has released '{place.name}' before; name it apart"
            )
        noised = self._make(place, value, sigma)
        self._ledger.append(
            Release(place.step, place.name, value.sensitivity, sigma, place.rate, noised.sha256)
        )
        if isinstance(value, Declared):
            self._declared.append(
                Declaration(place.step, place.name, value.sensitivity, value.source)
            )
        return noised

    def _released(self, step: int) -> list[Release]:
        """What the newest step has released."""
        return list(takewhile(lambda r: r.step == step, reversed(self._ledger.releases)))

    def report_progress(self, passes: float) -> None:
        """Tell the terminal that about `passes` records were stepped over; no private count."""
        if self._progress is not None:
            self._progress(passes)

    def public(self, name: str) -> Dataset:
        """A public dataset that the method declared; disclosed in the record."""
        self._disclosed.add(name)
        with closed(False):
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


def _same_model(model: nn.Module, given: nn.Module) -> None:
    if given is not model:
        raise PrivacyError("clipped_sum: this is not the model in `state`, which was looked at")


def _step_size(optimizer: torch.optim.Optimizer) -> float:
    return min(float(group["lr"]) for group in optimizer.param_groups)
