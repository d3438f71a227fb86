"""Architectures beside BERT: loaded as they compute, and read no further than they can."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.tiny_encoders import KINDS

from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.usable import check_usable
from radpriv.errors import EncoderError

Tiny = Callable[[str], Encoder]

TABLES = ("mpnet", "roberta", "xlm-roberta", "camembert", "esm", "electra", "distilbert", "gpt2")
"""Those with a learned vector for each position: nothing can be read behind the last."""


def read(encoder: Encoder, length: int) -> torch.Tensor:
    with torch.no_grad():
        states: torch.Tensor = (
            encoder.model().eval()(input_ids=torch.full((1, length), 7)).last_hidden_state
        )
    return states


@pytest.mark.parametrize("kind", KINDS)
def test_attention_is_eager_only_where_there_is_no_other(kind: str, tiny: Tiny) -> None:
    """MPNet and DeBERTa have no sdpa; the others keep it, and so their last bits."""
    eager = kind == "mpnet" or kind.startswith("deberta")
    encoder = tiny(kind)
    assert encoder.attention == ("eager" if eager else "sdpa")
    assert encoder.model().config._attn_implementation == encoder.attention  # type: ignore[union-attr]
    assert read(encoder, 64).shape == (1, 64, 16)


@pytest.mark.parametrize("length", [65, 66, 128])
@pytest.mark.parametrize("kind", KINDS)
def test_length_that_is_too_long_is_refused(kind: str, length: int, tiny: Tiny) -> None:
    """RoBERTa's 66 positions read 64 tokens, since they begin behind that of its padding token."""
    encoder = tiny(kind)
    assert encoder.positions == 64
    check_usable(encoder, 64)
    for refused in (encoder.tokens, lambda _, n: check_usable(encoder, n)):
        with pytest.raises(EncoderError, match=rf"\) reads at most 64 tokens.* {length}: lower"):
            refused("the heart", length)


@pytest.mark.parametrize("kind", TABLES)
def test_usable_length_is_the_last_that_does_not_fail(kind: str, tiny: Tiny) -> None:
    """What is computed of the architecture is what a forward pass finds."""
    encoder = tiny(kind)
    read(encoder, encoder.positions)
    with pytest.raises((IndexError, RuntimeError)):
        read(encoder, encoder.positions + 1)


@pytest.mark.parametrize("kind", TABLES)
def test_unforeseen_limit_is_found_by_reading(
    kind: str, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an architecture's limit is not known, dummy tokens find it, and the sentence is one."""
    monkeypatch.setattr(Encoder, "positions", 2**31)
    with pytest.raises(
        EncoderError, match=r"reads at most 64 tokens, and max_length is 100: lower"
    ):
        check_usable(tiny(kind), 100)


def test_length_without_room_for_a_word_is_refused(tiny: Tiny) -> None:
    """A tokenizer that cuts to less than its special tokens may end the whole process."""
    with pytest.raises(EncoderError, match="leaves no room for a word beside 2 special tokens"):
        tiny("roberta").tokens("the heart", 2)
    assert len(tiny("gpt2").tokens("the heart", 1)) == 1


def test_text_without_a_token_is_read_as_its_end(tiny: Tiny) -> None:
    """GPT-2 adds no special tokens, and no model reads nothing."""
    encoder = tiny("gpt2")
    assert encoder.tokens("", 8) == [encoder.tokenizer.eos_token_id] and encoder.count("") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_dropout_is_zero_by_whatever_name(kind: str, tiny: Tiny) -> None:
    """GPT-2 calls it pdrop, and ModernBERT has one for each part."""
    model = tiny(kind).model().train()
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} <= {0.0}
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    with torch.no_grad():
        first, second = (model(input_ids=ids).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "pickle"])
def test_half_precision_loads_as_float32(
    dtype: torch.dtype, pickled: bool, tiny: Tiny, tmp_path: Path
) -> None:
    """From safetensors and from pytorch_model.bin, with the very values of the file."""
    folder = Path(shutil.copytree(tiny("roberta").folder, tmp_path / "half"))
    path = folder / "model.safetensors"
    halved = {name: t.to(dtype) for name, t in load_file(path).items()}
    if pickled:
        path.unlink()
        torch.save(halved, folder / "pytorch_model.bin")
    else:
        save_file(halved, path, metadata={"format": "pt"})
    model = resolve(str(folder), "nothing").model()
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    loaded = dict(model.named_parameters())
    assert all(torch.equal(loaded[n], halved[n].float()) for n in loaded) and len(loaded) > 10


def test_shards_are_one_encoder(tiny: Tiny, tmp_path: Path) -> None:
    """Weights in several files give the same numbers, and each file belongs to its identity."""
    encoder = tiny("roberta")
    folder = Path(shutil.copytree(encoder.folder, tmp_path / "sharded"))
    (folder / "model.safetensors").unlink()
    encoder.model().save_pretrained(folder, max_shard_size="20KB")  # type: ignore[operator]
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2 and not (folder / "model.safetensors").exists()
    found = resolve(str(folder), "nothing")
    assert torch.equal(read(found, 9), read(encoder, 9))
    tensors = load_file(shards[1])
    name = sorted(tensors)[0]
    save_file({**tensors, name: tensors[name] + 1}, shards[1], metadata={"format": "pt"})
    assert resolve(str(folder), "nothing").sha256 != found.sha256


def test_words_of_a_byte_tokenizer_belong_to_its_identity(tiny: Tiny, tmp_path: Path) -> None:
    """vocab.json and merges.txt decide tokens as vocab.txt does."""
    folder = Path(shutil.copytree(tiny("roberta").folder, tmp_path / "copy"))
    before = resolve(str(folder)).sha256
    for name in ("vocab.json", "merges.txt"):
        path = folder / name
        path.write_text(path.read_text() + "\n")
        after = resolve(str(folder)).sha256
        assert after != before
        before = after
