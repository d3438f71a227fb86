"""Saved models: equal logits in a fresh process, no pickle, no word, no path."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from radpriv.baselines.prior import PriorFitted
from radpriv.baselines.tfidf import TfIdf, TfIdfFitted
from radpriv.benchmark.cell import AuditPolicy, Budget
from radpriv.benchmark.datasets.audit_set.universe import draw
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.features import FeatureCache
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import Lora, Pooled, build_classifier
from radpriv.benchmark.methods.fitted import LinearFitted, LoraFitted
from radpriv.benchmark.methods.method import Fitted
from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.errors import StoreError

MARKER = "zyzzyvaquux"
LABELS = ("a", "b", "c")
KINDS = ("lora-bert", "lora-albert", "pooled", "hashed", "tfidf", "prior")

FRESH = """
import json, sys
import numpy as np
from radpriv.baselines.prior import PriorFitted
from radpriv.baselines.tfidf import TfIdfFitted
from radpriv.benchmark.encoders.encoders import resolve
from radpriv.benchmark.methods.fitted import LinearFitted, LoraFitted
from pathlib import Path
jobs = json.load(open(sys.argv[1]))
for kind, folder, encoder in jobs["models"]:
    cls = {"lora": LoraFitted, "tfidf": TfIdfFitted, "prior": PriorFitted}.get(
        kind.split("-")[0], LinearFitted
    )
    fitted = cls.load(Path(folder), resolve(encoder) if encoder else None)
    np.save(Path(folder).with_name(kind + ".npy"), fitted.logits(jobs["texts"]))
    assert fitted.labels == ("a", "b", "c") and not fitted.thresholds.any()
"""


def make(kind: str, bert: Encoder, albert: Encoder, dataset: Dataset) -> Fitted:
    rng = np.random.default_rng(0)
    if kind.startswith("lora"):
        encoder = bert if kind == "lora-bert" else albert
        generator = torch.Generator().manual_seed(0)
        model, frozen = build_classifier(encoder, 3, Lora(2, 4.0, 1, False), 48, generator)
        with torch.no_grad():
            for p in trainable(model).values():
                p.add_(0.3 * torch.randn(p.shape, generator=generator))
        return LoraFitted(LABELS, model, frozen)
    if kind == "pooled":
        spec = {
            "features": "pooled",
            "max_length": 48,
            "encoder": bert.name,
            "encoder_sha256": bert.sha256,
        }
        weight = rng.normal(size=(bert.hidden_size, 3))
        return LinearFitted(LABELS, Pooled(bert, 48), weight, rng.normal(size=3), spec)
    if kind == "hashed":
        words = HashedWords(64, 2, binary=True)
        return LinearFitted(LABELS, words, rng.normal(size=(64, 3)), rng.normal(size=3), words.spec)
    if kind == "prior":
        return PriorFitted(LABELS, rng.normal(size=3))
    universe = draw(dataset, AuditPolicy(), b"k", 30, 0)
    train = PrivateRecords(universe, LABELS, 30, FeatureCache(None))
    return TfIdf(size=4096).fit(train, None, Budget.of(float("inf"), 30), None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def marked(made_up: Dataset) -> Dataset:
    from dataclasses import replace

    return replace(made_up, texts=tuple(f"{t} {MARKER}" for t in made_up.texts))


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_bert: Encoder,
    tiny_albert: Encoder,
    marked: Dataset,
) -> dict[str, tuple[Path, Fitted, Encoder | None]]:
    root = tmp_path_factory.mktemp("saved")
    found: dict[str, tuple[Path, Fitted, Encoder | None]] = {}
    encoders = {"lora-bert": tiny_bert, "lora-albert": tiny_albert, "pooled": tiny_bert}
    for kind in KINDS:
        fitted = make(kind, tiny_bert, tiny_albert, marked)
        fitted.save(root / kind)
        found[kind] = (root / kind, fitted, encoders.get(kind))
    return found


Saved = dict[str, tuple[Path, Fitted, Encoder | None]]


def test_a_model_loaded_in_a_fresh_process_gives_equal_logits(
    saved: Saved, marked: Dataset, tmp_path: Path
) -> None:
    texts = list(marked.texts[:10])
    models = [(kind, str(f), str(e.folder) if e else "") for kind, (f, _, e) in saved.items()]
    (tmp_path / "jobs.json").write_text(json.dumps({"models": models, "texts": texts}))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path / "jobs.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for kind, (folder, fitted, _) in saved.items():
        again = np.load(folder.with_name(kind + ".npy"))
        expected = fitted.logits(texts)
        assert again.shape == (10, 3) and again.dtype == np.float32
        assert (np.abs(again - expected) <= 1e-6 * np.maximum(1, np.abs(expected))).all(), kind
        if kind != "prior":
            assert expected.std(0).min() > 1e-4, kind


def test_saved_files_hold_no_path_and_no_word(saved: Saved, marked: Dataset) -> None:
    """Saved files are safetensors and JSON without a path or a word."""
    for kind, (folder, _, encoder) in saved.items():
        for path in folder.iterdir():
            assert path.suffix in (".safetensors", ".json"), path
            data = path.read_bytes()
            assert MARKER.encode() not in data and b"pneumothorax" not in data, path
            assert str(folder).encode() not in data
            if encoder is not None:
                assert str(encoder.folder.parent).encode() not in data, path
            if path.suffix == ".json":
                value = json.loads(data)
                assert list(value) == sorted(value), path
        assert (folder / "model.json").is_file(), kind


def test_saving_twice_gives_the_same_bytes(
    saved: Saved, tiny_bert: Encoder, tiny_albert: Encoder, marked: Dataset, tmp_path: Path
) -> None:
    for kind, (folder, _, _) in saved.items():
        make(kind, tiny_bert, tiny_albert, marked).save(tmp_path / kind)
        for path in sorted(folder.iterdir()):
            assert (tmp_path / kind / path.name).read_bytes() == path.read_bytes(), path


def test_the_adapter_config_has_sorted_lists(saved: Saved) -> None:
    config = json.loads((saved["lora-bert"][0] / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])
    assert len(config["target_modules"]) == 2 and config["modules_to_save"] == ["head"]
    assert config["base_model_name_or_path"] == "tiny-bert"


@pytest.mark.parametrize("kind", ["lora-bert", "lora-albert"])
def test_a_missing_head_is_an_error(saved: Saved, kind: str, tmp_path: Path) -> None:
    source, _, encoder = saved[kind]
    folder = Path(shutil.copytree(source, tmp_path / "copy"))
    tensors = load_file(folder / "adapter_model.safetensors")
    kept = {n: t for n, t in tensors.items() if "head" not in n}
    assert 0 < len(kept) < len(tensors)
    save_file(kept, folder / "adapter_model.safetensors")
    with pytest.raises(StoreError, match="no classifier head"):
        LoraFitted.load(folder, encoder)


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _without("head.safetensors"),
        _without("model.json"),
        lambda folder: (folder / "head.safetensors").write_bytes(b"\xff" * 64),
        lambda folder: (folder / "model.json").write_text("[]"),
        lambda folder: (folder / "model.json").write_text('{"kind": "linear", "labels": [3]}'),
        lambda folder: save_file({"other": np.zeros(3)}, folder / "head.safetensors"),
    ],
)
@pytest.mark.parametrize("kind", ["pooled", "hashed", "tfidf", "prior"])
def test_a_damaged_model_is_one_sentence(
    saved: Saved, kind: str, damage: Callable[[Path], object], tmp_path: Path
) -> None:
    source, fitted, encoder = saved[kind]
    folder = Path(shutil.copytree(source, tmp_path / "copy"))
    damage(folder)
    with pytest.raises(StoreError) as caught:
        type(fitted).load(folder, encoder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lora-bert", "pooled"])
def test_another_encoder_than_the_one_trained_on_is_refused(
    saved: Saved, kind: str, tiny_albert: Encoder
) -> None:
    folder, fitted, _ = saved[kind]
    for wrong in (tiny_albert, None):
        with pytest.raises(StoreError, match="give that encoder"):
            type(fitted).load(folder, wrong)


def test_scores_from_cached_features_equal_logits_from_texts(saved: Saved, marked: Dataset) -> None:
    texts = list(marked.texts)
    for kind, (_, fitted, _) in saved.items():
        if fitted.frozen is None:
            assert isinstance(fitted, TfIdfFitted | PriorFitted), kind
            continue
        features = [fitted.frozen(t) for t in texts]
        np.testing.assert_allclose(fitted.score(features), fitted.logits(texts), atol=1e-5)
