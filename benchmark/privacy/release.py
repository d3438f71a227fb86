"""The release: noise for every tensor, the ledger line on disk, then the noisy value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from radpriv.benchmark.privacy.bounded import Bounded, sha256_of
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.streams import gaussians
from radpriv.errors import PrivacyError


@dataclass(frozen=True)
class Noised:
    """What the waist lets out: float64 tensors by name. Scaling is post-processing."""

    tensors: dict[str, Tensor] = field(repr=False)

    def __truediv__(self, divisor: float) -> Noised:
        return Noised({n: t / divisor for n, t in self.tensors.items()})

    def __mul__(self, factor: float) -> Noised:
        return Noised({n: t * factor for n, t in self.tensors.items()})

    __rmul__ = __mul__

    @property
    def sha256(self) -> str:
        """Of names, shapes and float64 little-endian bytes, in order of name."""
        return sha256_of(self.tensors)


@dataclass(frozen=True)
class Place:
    """Where a release stands: its step (the sample it was taken of), name and sampling rate."""

    step: int
    name: str
    rate: float


Releaser = Callable[[Place, Bounded, float], Noised]
"""(place, value, noise multiplier) -> noised value. Live, or of a recorder or player."""


def live(key: bytes) -> Releaser:
    """Noise from the streams of one run key."""
    return partial(add_noise, key)


def add_noise(key: bytes, place: Place, value: Bounded, sigma: float) -> Noised:
    """value + N(0, (sigma · sensitivity)²) per coordinate, one named stream per tensor.

    Abadi et al. 2016, Algorithm 1: noise is calibrated to the clip, added once per logical batch
    and in the same way to an empty one.
    """
    scale = sigma * value.sensitivity
    noised = {}
    for tensor, exact in value.tensors.items():
        if not torch.isfinite(exact).all():
            raise PrivacyError(
                f"release {place.name}: tensor {tensor} is not finite before the noise"
            )
        z = gaussians(key, ("noise", place.step, place.name, tensor), exact.numel())
        noise = torch.from_numpy(np.array(z)).view(exact.shape).to(exact.device)
        noised[tensor] = exact + scale * noise
    return Noised(noised)


def apply(model: nn.Module, optimizer: torch.optim.Optimizer, update: Noised) -> None:
    """Set each trainable tensor's gradient to the update, and step.

    Args:
        model: whose trainable tensors are those of the update, by name.
        optimizer: of these tensors.
        update: what a release gave, divided by `step.expected_batch`.

    Raises:
        PrivacyError: trainable tensors and noised tensors differ.
    """
    params = trainable(model)
    if set(params) != set(update.tensors):
        odd = sorted(set(params) ^ set(update.tensors))
        raise PrivacyError(f"trainable tensors and noised tensors differ: {', '.join(odd[:3])}")
    optimizer.zero_grad()
    for name, p in params.items():
        p.grad = update.tensors[name].to(dtype=p.dtype, device=p.device).view_as(p)
    optimizer.step()
    optimizer.zero_grad()
