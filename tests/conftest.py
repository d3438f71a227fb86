"""Fixtures for all tests: tiny random encoders on disk, and a dataset of made-up reports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from radpriv import terminal
from radpriv.benchmark.datasets.base import Card, Dataset
from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.registry import PLUGIN
from radpriv.cli import main

from . import tiny_encoders
from .elsewhere import elsewhere, register

settings.register_profile("radpriv", deadline=None)  # a busy machine is no failure
settings.load_profile("radpriv")
register()
for console in (terminal.out, terminal.err):
    # A worker of pytest-xdist is born with readline's COLUMNS, and rich keeps what it is born with.
    console._width = console._height = None

WORDS = [
    "the",
    "heart",
    "lungs",
    "are",
    "is",
    "clear",
    "normal",
    "no",
    "small",
    "left",
    "right",
    "pleural",
    "effusion",
    "with",
    "adjacent",
    "new",
    "since",
    "prior",
    "study",
    "pneumothorax",
    "stable",
    "cardiomegaly",
    "a",
    "catheter",
    "ends",
    "in",
    "superior",
    "vena",
    "cava",
    "size",
    "and",
    "there",
    "opacity",
]


def save_encoder(folder: Path, kind: str, layers: int = 3, seed: int = 0) -> Path:
    """A tiny randomly initialised BERT or ALBERT with a word-level vocabulary."""
    from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": len(vocab),
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "num_hidden_layers": layers,
        "initializer_range": 0.3,
    }
    model: torch.nn.Module
    if kind == "albert":
        model = AlbertModel(AlbertConfig(embedding_size=8, **sizes))
    else:
        model = BertModel(BertConfig(**sizes))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = save_encoder(tmp_path_factory.mktemp("encoders") / "tiny-bert", "bert")
    return resolve(str(folder), "nothing: random weights")


@pytest.fixture(scope="session")
def tiny_albert(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = save_encoder(tmp_path_factory.mktemp("encoders") / "tiny-albert", "albert")
    return resolve(str(folder), "nothing: random weights")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Encoder]:
    """A tiny random encoder of a kind that tiny_encoders.py knows."""
    made: dict[str, Encoder] = {}

    def make(kind: str) -> Encoder:
        if kind not in made:
            folder = tiny_encoders.save(tmp_path_factory.mktemp("kinds") / kind, kind)
            made[kind] = resolve(str(folder), "nothing: random weights")
        return made[kind]

    return make


@pytest.fixture(scope="session")
def reports() -> list[str]:
    """40 texts of 3 to 30 words."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, size=rng.integers(3, 31))) for _ in range(40)]


@pytest.fixture(params=["cpu", "elsewhere", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The CPU; a second device that computes on the CPU (elsewhere.py); a card, if there is one."""
    if request.param == "elsewhere":
        with elsewhere() as there:
            yield there
    elif request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    else:
        yield torch.device(request.param)


CARD = Card("made up", "none", "none", "open", "by construction")


@pytest.fixture(scope="session")
def made_up(reports: list[str]) -> Dataset:
    """40 reports, 30 of them train, 3 labels with some unobserved."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, (40, 3)).astype(np.float32)
    y[rng.random((40, 3)) < 0.1] = np.nan
    ids = tuple(f"r{i:03d}" for i in range(40))
    splits = tuple("test" if i % 4 == 0 else "train" for i in range(40))
    return Dataset("made-up", ("a", "b", "c"), CARD, ids, ids, splits, tuple(reports), y)


TINY = {
    "dp_lora": "rank = 2, top_layers = 1, rate = 0.5, steps = 4, max_length = 32",
    "lora": "rank = 2, top_layers = 1, batch = 8, steps = 5, max_length = 32",
    "dp_linear_probe": 'solver = "sgd", steps = 6, max_length = 32',
    "linear_probe": "max_length = 32",
    "dp_bow": "size = 128, steps = 6",
    "tfidf": "size = 4096",
    "prior": "",
}
"""Every shipped method, with parameters that make it quick."""

WriteSuite = Callable[..., Path]


@pytest.fixture(scope="session")
def write_suite(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Encoder) -> WriteSuite:
    """Writes a suite over 120 synthetic reports and the tiny encoder, `tiny.toml`; its path.

    methods: names, all shipped ones by default. top: other keys, each value as TOML text.
    """

    def write(*methods: str, **top: str) -> Path:
        keys = {
            "epsilons": "[1.0, inf]",
            "encoders": f'["{tiny_bert.folder}"]',
            "pretrained_on": '"nothing: random weights"',
            **top,
        }
        lines = [f"{key} = {value}" for key, value in keys.items()]
        lines += ["[[datasets]]", 'name = "synthetic-plain"', "n_public = 90"]
        lines += ["options = { reports = 120 }"]
        for name in methods or TINY:
            params = TINY.get(name, "")
            lines += ["[[methods]]", f'name = "{name}"', f"params = {{ {params} }}"]
        path = tmp_path_factory.mktemp("suite") / "tiny.toml"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line of a refused command."""
        assert self.code == 2, (self.out, self.err)
        lines = self.err.strip().split("\n")
        assert lines[-1].startswith("radpriv: "), self.err
        assert not [line for line in lines[:-1] if line.startswith("radpriv:")]
        assert "Traceback" not in self.err + self.out and self.out == ""
        return lines[-1]

    @property
    def only_line(self) -> str:
        """The same, where nothing else may be on stderr."""
        assert len(self.err.strip().split("\n")) == 1, self.err
        return self.sentence


Radpriv = Callable[..., Result]


@pytest.fixture
def radpriv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Radpriv:
    """Runs the command in this process, with a store and a cache of its own and no data."""
    for name in ("RADPRIV_DATA", "RADPRIV_ENCODERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RADPRIV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RADPRIV_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "400")

    def call(*args: str | Path) -> Result:
        capsys.readouterr()
        for module in [m for m in sys.modules if m.startswith(PLUGIN)]:
            del sys.modules[module]  # a process of its own would not know them
        monkeypatch.setattr(sys, "argv", ["radpriv", *map(str, args)])
        code = 0
        try:
            main.main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call
