"""A name or a path where an Encoder is needed: the sentence says what to pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.methods.classifier import FineTune, Pooled, build_classifier
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import methods
from radpriv.errors import EncoderError

WHAT_TO_PASS = r'pass what .*resolve gives, as in resolve\("minilm"\)'


@pytest.mark.parametrize("name", ["dp_lora", "lora", "dp_linear_probe", "linear_probe"])
@pytest.mark.parametrize("encoder", ["minilm", Path("folder"), None])
def test_fit_says_what_encoder_to_pass(name: str, encoder: Any) -> None:
    """Before it has touched a record."""
    with pytest.raises(EncoderError, match=WHAT_TO_PASS):
        methods.get(name)().fit(None, encoder, Budget.of(1.0, 100), None)  # type: ignore[arg-type]


def test_parts_of_a_method_say_what_encoder_to_pass() -> None:
    """A plug-in that is built of the shared parts is answered alike."""
    with pytest.raises(EncoderError, match=WHAT_TO_PASS):
        Pooled("minilm", 32)  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match=WHAT_TO_PASS):
        build_classifier("minilm", 3, FineTune("bias"), 32, None)  # type: ignore[arg-type]


def test_load_says_what_encoder_to_pass(tiny_bert: Encoder, tmp_path: Path) -> None:
    """A saved model is read with the encoder that it was trained on, not with its name."""
    spec = {
        "features": "pooled",
        "max_length": 32,
        "encoder": tiny_bert.name,
        "encoder_sha256": tiny_bert.sha256,
    }
    weight = np.zeros((tiny_bert.hidden_size, 1))
    LinearFitted(("a",), Pooled(tiny_bert, 32), weight, np.zeros(1), spec).save(tmp_path)
    assert LinearFitted.load(tmp_path, tiny_bert).labels == ("a",)
    with pytest.raises(EncoderError, match=WHAT_TO_PASS):
        LinearFitted.load(tmp_path, tiny_bert.name)  # type: ignore[arg-type]


def test_a_string_for_an_encoder_is_not_repeated(tiny_bert: Encoder) -> None:
    """It may be a report that was passed by mistake."""
    with pytest.raises(EncoderError) as e:
        required("zyzzyvaquux")  # type: ignore[arg-type]
    assert "zyzzyvaquux" not in str(e.value)
    assert required(tiny_bert) is tiny_bert
