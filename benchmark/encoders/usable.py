"""Whether an encoder can read texts of a length at all: tried on dummy tokens, before any record.

    check_usable(encoder, 128)                     # EncoderError, or nothing

An architecture that nobody thought of is found here, and not at the first report that is too long.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.explained import explained
from radpriv.errors import EncoderError

if TYPE_CHECKING:
    from torch import Tensor


@lru_cache(maxsize=64)
def check_usable(encoder: Encoder, max_length: int) -> None:
    """Load it and read max_length tokens.

    Raises:
        EncoderError: a file does not load, its tokenizer names tokens that it has no vector for, it
            reads fewer tokens, or its states are not one finite vector per token.
    """
    encoder.check_length(max_length)
    known = max(encoder.tokenizer.get_vocab().values())
    rows = encoder.skeleton.vocabulary
    if known >= rows:
        raise EncoderError(
            f"encoder '{encoder.name}' ({encoder.kind}): its tokenizer names token {known}, and "
            f"its weights have vectors for {rows} tokens; take the tokenizer of the same model"
        )
    model = encoder.model().eval()
    try:
        states = _read(model, max_length, rows)
    except Exception as error:
        longest = _longest(model, max_length, rows)
        if not longest:
            with explained(encoder.name, encoder.kind, "reading a few tokens"):
                raise
        raise EncoderError(
            f"encoder '{encoder.name}' ({encoder.kind}) reads at most {longest} tokens, and "
            f"max_length is {max_length}: lower the method's max_length"
        ) from error
    if states.shape != (1, max_length, encoder.hidden_size) or not bool(states.isfinite().all()):
        what = "numbers that are not finite" if states.isnan().any() else "no vector per token"
        raise EncoderError(
            f"encoder '{encoder.name}' ({encoder.kind}): of {max_length} tokens it makes {what}; "
            "give another encoder"
        )


def _read(model: Any, length: int, rows: int) -> Tensor:
    """Hidden states of one text of so many tokens."""
    import torch

    padding = getattr(model.config, "pad_token_id", None)
    token = next(i for i in range(rows - 1, -1, -1) if i != padding or rows == 1)
    with torch.inference_mode():
        states: Tensor = model(input_ids=torch.full((1, length), token)).last_hidden_state
    return states


def _longest(model: Any, length: int, rows: int) -> int:
    """The largest number of tokens below `length` that it reads without an exception; 0: none."""
    low, high = 0, length - 1
    while low < high:
        middle = (low + high + 1) // 2
        try:
            _read(model, middle, rows)
            low = middle
        except Exception:  # whatever a library makes of it
            high = middle - 1
    return low
