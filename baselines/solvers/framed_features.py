"""What the one-shot heads share: publicly framed features of norm 1, and the way back.

A head on z = (a · (x - center) / ‖x - center‖, b) with a² + b² = 1: every z has norm 1, so that
a sum over records has its bound before anything is clipped, and b stands for the bias. On what is
classified later the length is taken to be `radius`, a public constant, so that the head stays one
linear map of the features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.classifier import Pooled, center_of
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES

BIAS = 0.2
"""b. Chosen on `synthetic-plain`; between 0.1 and 0.5 it matters little."""


@dataclass(frozen=True)
class Frame:
    """center: float64 (size,), radius: typical ‖x - center‖; both public."""

    center: NDArray[np.float64]
    radius: float

    @property
    def size(self) -> int:
        """Of z: features and the constant."""
        return len(self.center) + 1

    def inputs(self, x: Tensor) -> Tensor:
        """z, float64 (B, size + 1), each of norm 1; features (B, size). Non-finite rows stay so."""
        moved = x.double() - torch.from_numpy(self.center).to(x.device)
        length = moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
        direction = moved / length * math.sqrt(1.0 - BIAS**2)
        return torch.cat([direction, torch.full_like(length, BIAS)], 1)

    def fold(
        self, head: NDArray[np.float64], thresholds: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(weight (size, labels), bias (labels,)): x · weight + bias = z · head - thresholds."""
        weight = head[:-1] * (math.sqrt(1.0 - BIAS**2) / self.radius)
        return weight, head[-1] * BIAS - self.center @ weight - thresholds


def frame_of(encoder: Encoder, max_length: int) -> Frame:
    """From a few fixed public sentences; the radius is corrected for a center made of the same."""
    center = center_of(encoder, max_length).double().numpy()
    pooled = Pooled(encoder, max_length)
    squares = [np.square(pooled(s).astype(np.float64) - center).sum() for s in PUBLIC_SENTENCES]
    radius = math.sqrt(sum(squares) / (len(squares) - 1))
    return Frame(center, radius)
