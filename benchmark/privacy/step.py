"""Step: one sample of records, and the release of what was summed over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from radpriv.benchmark.privacy.bounded import Bounded, ClippedSum, Declared
from radpriv.benchmark.privacy.gradient_canaries import projections
from radpriv.benchmark.privacy.records import Projection, Records
from radpriv.benchmark.privacy.release import Noised, Place
from radpriv.errors import PrivacyError


@dataclass(frozen=True)
class Step:
    """One sample of units. records: in slot order, private.

    rate: each unit's inclusion probability; 1 for a query, which samples nothing.
    expected_batch: rate · n_public, the constant divisor.
    """

    index: int
    records: Records = field(repr=False)
    rate: float
    expected_batch: float
    query: bool
    _release: Callable[[Place, Bounded, float], Noised] = field(repr=False)

    def gaussian(self, name: str, value: Bounded, sigma: float) -> Noised:
        """Release `value` with noise multiplier `sigma`; the ledger line is on disk before.

        value + N(0, (σ · sensitivity)²) in each coordinate, the Gaussian mechanism of Abadi et al.
        2016 (1607.00133), Algorithm 1.

        Args:
            name: what the ledger calls it; once in a step.
            value: what clipped_sum or bounded_sum made of this step's records, or in a query a
                Declared.
            sigma: noise multiplier, in units of the value's sensitivity.

        Returns:
            float64 tensors with the names and shapes of `value`.

        Raises:
            PrivacyError: the step has ended, a name is used twice, a sum was not made of this
                step's records, a bound is declared outside a query, a value is not finite, or there
                is no noise at finite ε.
        """
        sample = self.records._sample
        if not sample.open:
            raise PrivacyError(f"step {self.index} has ended: its sample must not be used again")
        if isinstance(value, Declared):
            if not self.query:
                raise PrivacyError(f"step {self.index}: a declared bound belongs to run.once")
        elif type(value) is not ClippedSum or value.name not in sample.sums:
            raise PrivacyError(
                f"step {self.index}: '{name}' is not what clipped_sum or bounded_sum made of this "
                "step's records, so nothing bounds what one unit adds to it"
            )
        noised = self._release(Place(self.index, name, self.rate), value, sigma)
        if len(sample.watched):
            seen = Projection(self.index, name, projections(sample.watched, noised.tensors))
            self.records._diagnostics.projections.append(seen)
        return noised
