"""Gradients per record of more architectures: a loop of single backward passes is the oracle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.tiny_encoders import KINDS

from radpriv.benchmark.encoders.encoders import Encoder

from .per_record import TOLERANCE, TRAINED, built
from .test_exactness import check

WITHOUT_BIASES = ("modernbert", "llama")

CASES = [
    pytest.param(kind, what, id=f"{kind}: {what}")
    for kind in KINDS
    for what in TRAINED
    if not (kind in WITHOUT_BIASES and what.startswith("biases"))
]


@pytest.mark.parametrize(("kind", "what"), CASES)
def test_architecture_has_exact_gradients_per_record(
    kind: str, what: str, tiny: Callable[[str], Encoder]
) -> None:
    """Whole and from a layer on, adapters and own tensors, in float64 so that rounding is small."""
    model, records = built(tiny(kind), TRAINED[what], torch.float64)
    check(model, records, TOLERANCE[torch.float64])


@pytest.mark.parametrize("what", ["query and value of the top two", "everything"])
@pytest.mark.parametrize("kind", KINDS)
def test_architecture_is_exact_in_float32(
    kind: str, what: str, tiny: Callable[[str], Encoder]
) -> None:
    """As it is trained."""
    model, records = built(tiny(kind), TRAINED[what])
    check(model, records, TOLERANCE[torch.float32])
