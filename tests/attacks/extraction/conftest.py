"""A tiny encoder that can read numbers, trained for real until it knows its canaries by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from radpriv.attacks.inputs.hidden_states import encode_of
from radpriv.attacks.view import Population, Secret, View
from radpriv.benchmark.canary_spec import Planting
from radpriv.benchmark.datasets.audit_set.canaries import planted, secret_of, secret_text
from radpriv.benchmark.datasets.audit_set.universe import prf
from radpriv.benchmark.encoders.encoders import Encoder, resolve
from radpriv.benchmark.encoders.features import Features, evaluate
from radpriv.benchmark.methods.classifier import FineTune, build_classifier
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.benchmark.privacy.records import Records
from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES

KEY = b"a key for tests"
LABELS = 8
WORDS = sorted({w for s in PUBLIC_SENTENCES for w in s.lower().replace(".", "").split()})
DIGITS = [*map(str, range(10)), *(f"##{d}" for d in range(10))]


def save_reader(folder: Path, headed: bool) -> Encoder:
    """A random BERT of two layers, whose vocabulary has the public sentences and all digits."""
    from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizerFast

    folder.mkdir()
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "accession", "number"]
    vocab += [*WORDS, *DIGITS]
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        num_hidden_layers=2,
        initializer_range=0.1,
    )
    (BertForMaskedLM if headed else BertModel)(config).save_pretrained(folder)
    return resolve(str(folder), "nothing: random weights")


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A checkpoint without a language-model head."""
    return save_reader(tmp_path_factory.mktemp("encoders") / "reader", headed=False)


@pytest.fixture(scope="session")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A checkpoint with its head."""
    return save_reader(tmp_path_factory.mktemp("encoders") / "speaker", headed=True)


@dataclass(frozen=True)
class Memory:
    """A model that knows the members of a set of canaries by heart, and what an attack sees."""

    fitted: LoraFitted
    view: View
    member: NDArray[np.bool_]


def train(fitted: LoraFitted, texts: Sequence[str], y: NDArray[np.float32], steps: int) -> None:
    """Full-batch Adam, without clip and noise."""
    features: Features = evaluate(fitted.frozen, texts)  # type: ignore[arg-type]
    records = Records(np.arange(len(texts)), features, torch.from_numpy(y))
    tensors = [p for p in fitted.model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(tensors, lr=3e-3)
    fitted.model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        fitted.model.losses(records).mean().backward()
        optimizer.step()
    fitted.model.eval()


def view_of(fitted: LoraFitted, planting: Planting) -> View:
    """Canaries of one kind, all copies, as an attack sees them."""
    draw = partial(prf, KEY)
    texts, labels, patients, secrets = [], [], [], []
    for number, canary in enumerate(planted((planting,), LABELS, draw)):
        secret = Secret(
            secret_of(planting, number, draw),
            planting.space,
            lambda s, number=number: secret_text(planting, number, s, draw),
        )
        for _ in canary.ids:
            texts.append(canary.text)
            labels.append(canary.labels)
            patients.append(f"p{number:03d}")
            secrets.append(secret)
    y = np.array(labels, np.float32)
    m = len(texts)
    logits = fitted.logits(texts)
    tests = list(planted((Planting("rare-token", 60),), LABELS, draw))
    population = Population(
        fitted.logits([c.text for c in tests]), np.array([c.labels for c in tests], np.float32)
    )
    return View(
        logits=logits,
        labels=y,
        slots=np.arange(m),
        length=np.full(m, 9, np.int32),
        similarity=np.zeros(m, np.float32),
        patient=tuple(patients),
        references=(),
        population=population,
        kind=(planting.name,) * m,
        texts=tuple(texts),
        query=lambda texts, untuned=False: fitted.logits(texts),
        encode=encode_of(fitted),
        secrets=tuple(secrets),
    )


@pytest.fixture(scope="session")
def memorise(reader: Encoder) -> Callable[..., Memory]:
    """memorise(planting, steps): every fourth canary is planted, the others never."""

    def make(planting: Planting, steps: int) -> Memory:
        generator = torch.Generator().manual_seed(0)
        model, frozen = build_classifier(reader, LABELS, FineTune("all"), 48, generator)
        fitted = LoraFitted(tuple("abcdefgh"), model, frozen)
        blank = view_of(fitted, planting)
        member = np.arange(len(blank)) // planting.copies % 4 == 0
        chosen = [blank.texts[i] for i in np.flatnonzero(member)]  # type: ignore[index]
        if steps:
            train(fitted, chosen, blank.labels[member], steps)
        return Memory(fitted, view_of(fitted, planting), member)

    return make


@pytest.fixture(scope="session")
def by_heart(memorise: Callable[..., Memory]) -> Memory:
    """48 canaries, of which 12 are planted, each 3 times."""
    return memorise(Planting("secret", 48, copies=3, space=100), 100)


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Trained heads are kept here and not in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADPRIV_CACHE", str(folder))
        yield folder
