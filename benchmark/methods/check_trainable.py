"""Whether an encoder can be fine-tuned as a method asks for: tried on public sentences.

check_trainable(encoder, Lora(1, 1.0, 1, True), 128, private=True)     # EncoderError, or nothing
"""

from __future__ import annotations

from functools import lru_cache

import torch

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.explained import explained
from radpriv.benchmark.encoders.usable import check_usable
from radpriv.benchmark.methods.classifier import FineTune, Lora, build_classifier
from radpriv.benchmark.privacy.checks import check_gradients_reach
from radpriv.errors import CellFailed, EncoderError, PrivacyError

LABELS = 2


@lru_cache(maxsize=64)
def check_trainable(
    encoder: Encoder, trained: Lora | FineTune, max_length: int, private: bool
) -> None:
    """Build the classifier; with `private`, have each public sentence's gradient taken alone and
    beside others.

    Raises:
        EncoderError: it cannot be built, or a record has no gradient of its own.
    """
    check_usable(encoder, max_length)
    remedy = "train a head on fixed features (dp_linear_probe, linear_probe), or another encoder"
    with explained(encoder.name, encoder.kind, "fine-tuning it on public sentences", remedy):
        generator = torch.Generator().manual_seed(0)
        model, frozen = build_classifier(encoder, LABELS, trained, max_length, generator)
        if not private:
            return
        try:
            check_gradients_reach(model, frozen, LABELS, torch.device("cpu"))
        except (CellFailed, PrivacyError) as error:
            raise EncoderError(
                f"encoder '{encoder.name}' ({encoder.kind}) cannot be fine-tuned record by record "
                f"({error}); {remedy}"
            ) from error
