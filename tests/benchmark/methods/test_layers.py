"""Ways through an encoder: the numbers of the whole model, whichever layer one starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.tiny_encoders import KINDS, TEXT
from torch import Tensor, nn

from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import evaluate
from radpriv.benchmark.methods import layers
from radpriv.benchmark.methods.classifier import FrozenPart
from radpriv.benchmark.methods.layers import Ways, onward, some_ids, ways_of
from radpriv.benchmark.privacy.records import pad
from radpriv.errors import EncoderError

Tiny = Callable[[str], Encoder]

PLAIN = ("roberta", "xlm-roberta", "camembert", "electra", "distilbert")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("start", [1, 2])
def test_starting_from_a_layer_gives_the_whole_model(kind: str, start: int, tiny: Tiny) -> None:
    """From the cached states of each text alone, padded together, in every architecture."""
    encoder = tiny(kind)
    model = encoder.model()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    ways = ways_of(model, start, encoder.name)
    assert ways.start == start and ways.plain == (kind in PLAIN)
    features = evaluate(FrozenPart(encoder, start, 60), TEXT)
    hidden, mask = pad([features[i] for i in range(len(TEXT))], ragged=True)
    with torch.no_grad():
        found = onward(model, hidden, mask, ways, encoder.name)
        for row, text in zip(found, TEXT, strict=True):
            ids = torch.tensor([encoder.tokens(text, 60)])
            alone = model(input_ids=ids).last_hidden_state[0]
            assert (row[: len(alone)] - alone).norm() < 1e-5 * alone.norm()
    after = model.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[n], before[n]) for n in before)


@pytest.mark.parametrize("kind", KINDS)
def test_position_ids_are_given_where_they_count_from_zero(kind: str, tiny: Tiny) -> None:
    """RoBERTa and MPNet make their own, which begin behind the padding token's."""
    model = tiny(kind).model()
    own = kind in ("mpnet", "roberta", "xlm-roberta", "camembert", "esm")
    assert ways_of(model, 0, kind) == Ways(0, positions=not own, plain=True)


class Reader(nn.Module):
    """A model of embeddings and whatever a subclass does with them."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.config: Any = type("Config", (), {"vocab_size": 30, "hidden_size": 8})()

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        return type("Output", (), {"last_hidden_state": self.read(self.embedding(input_ids))})()

    def read(self, states: Tensor) -> Tensor:
        return states


class Beside(Reader):
    """Looks at the token to the right, be it padding."""

    def read(self, states: Tensor) -> Tensor:
        return states + torch.roll(states, -1, 1)


class Random(Reader):
    """Drops out by a number that no config has."""

    def read(self, states: Tensor) -> Tensor:
        return nn.functional.dropout(states, 0.5, self.training)


class Failing(Reader):
    """Raises what quotes its input."""

    def read(self, states: Tensor) -> Tensor:
        raise KeyError("zyzzyvaquux")


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Beside, r"'odd' \(Beside\): a text's states change with the texts beside it"),
        (Random, r"'odd' \(Random\): it reads one text differently each time"),
        (Failing, r"'odd' \(Failing\): reading a few tokens ended in KeyError at "),
    ],
)
def test_model_without_a_gradient_per_text_is_refused(model: type[Reader], sentence: str) -> None:
    """A text's states must be its own, and the same each time."""
    with pytest.raises(EncoderError, match=sentence) as caught:
        ways_of(model(), 0, "odd")
    assert "zyzzyvaquux" not in str(caught.value)
    assert ways_of(Reader(), 0, "odd") == Ways()


def test_model_that_cannot_start_from_a_layer_is_refused(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither way gives the numbers of the whole model, the sentence says what works."""
    monkeypatch.setattr(layers, "_goes_on", lambda *_: False)
    with pytest.raises(EncoderError, match=r"from layer 1 on; use top_layers = 0"):
        ways_of(tiny("mpnet").model(), 1, "mpnet")


def test_dummy_tokens_hold_no_padding(tiny: Tiny) -> None:
    """RoBERTa gives no position to a padding token."""
    ids, mask = some_ids(tiny("roberta").model())
    assert ids.shape == mask.shape == (2, 6) and not (ids == 1).any() and int(mask.sum()) == 9
